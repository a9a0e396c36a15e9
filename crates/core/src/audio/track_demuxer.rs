//! Reads the packets of one audio track from any container, transport stream, or sequence of frames.

use super::container::Container;
use super::demux::{DemuxEvent, SelectedTrack};
use super::error::AudioError;
use super::frame_reader::FrameReader;
use super::guard::guarded;
use super::limits::Limits;
use super::source::ByteSource;
use super::tags::Tags;
use super::ts::{AudioCoding, TsReader};

/// A demuxer for one file or stream: a container, a transport stream, or frames of AC-3 without a container.
pub(super) enum TrackDemuxer {
    Container(Container),
    Ts(Box<TsReader>),
    Ac3(Box<FrameReader>),
}

impl TrackDemuxer {
    /// Opens a transport stream. `name` is its name in messages.
    pub(super) fn ts(source: ByteSource, name: &str) -> Result<Self, AudioError> {
        TsReader::open(source, name).map(|reader| Self::Ts(Box::new(reader)))
    }

    /// Opens a sequence of frames of AC-3 or E-AC-3. `name` is its name in messages.
    pub(super) fn ac3(source: ByteSource, name: &str) -> Result<Self, AudioError> {
        FrameReader::open(source, AudioCoding::Ac3, name).map(|reader| Self::Ac3(Box::new(reader)))
    }

    /// Returns the next event of the selected track, such as a packet. A panic of the demuxer is returned as
    /// [`DemuxEvent::Truncated`].
    pub(super) fn next(&mut self) -> DemuxEvent {
        let next = || match self {
            Self::Container(container) => container.next(),
            Self::Ts(reader) => reader.next(),
            Self::Ac3(reader) => reader.next(),
        };
        // After a panic, the state of the demuxer is unknown. This event ends the audio, so the demuxer is not called
        // again.
        guarded(next).unwrap_or_else(|| DemuxEvent::Truncated("the demuxer crashed on a packet".to_owned()))
    }

    /// Selects the first audio track that can be decoded. `name` is the name of the file in errors.
    pub(super) fn select_track(&mut self, name: &str) -> Result<SelectedTrack, AudioError> {
        let select_track = || match self {
            Self::Container(container) => container.select_track(name),
            Self::Ts(reader) => reader.select_track(name),
            Self::Ac3(reader) => reader.select_track(name),
        };
        guarded(select_track).unwrap_or_else(|| {
            let reason = "the decoder crashed on its configuration".to_owned();
            Err(AudioError::Damaged { name: name.to_owned(), reason })
        })
    }

    /// Returns the tags of the file and of the selected track. Without a container, and for transport streams, they are
    /// empty.
    pub(super) fn tags(&mut self, limits: &Limits) -> Tags {
        match self {
            Self::Container(container) => container.tags(limits),
            Self::Ts(_) | Self::Ac3(_) => Tags::default(),
        }
    }

    /// Returns the short name of the container, such as "mp4" or "mpeg-ts".
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Container(container) => container.name(),
            Self::Ts(_) => "mpeg-ts",
            Self::Ac3(_) => "ac3",
        }
    }

    /// Returns the first I/O error of the source since the last call, or `None` if no read has failed. `name` is the
    /// name of the file in the error.
    pub(super) fn read_error(&self, name: &str) -> Option<AudioError> {
        let first_error = match self {
            Self::Container(container) => container.first_error(),
            Self::Ts(reader) => reader.first_error(),
            Self::Ac3(reader) => reader.first_error(),
        };
        first_error.take().map(|source| AudioError::Read { name: name.to_owned(), source })
    }
}
