//! Common interface of the demuxers, which read the packets of one audio track.

use symphonia::core::packet::Packet;

use super::codec::Codec;
use super::container::Container;
use super::error::AudioError;
use super::guard::guarded;
use super::limits::Limits;
use super::source::ByteSource;
use super::tags::Tags;
use super::ts::TsReader;

/// A packet with its time.
pub(super) struct TimedPacket {
    /// The packet. Its `trim_start` and `trim_end` are in samples for the codecs that use them.
    pub(super) packet: Packet,
    /// Start in seconds, or `None` if unknown.
    pub(super) start: Option<f64>,
    /// Length in seconds according to the container; 0 if unknown.
    pub(super) seconds: f64,
}

/// An event of a demuxer.
pub(super) enum DemuxEvent {
    /// A packet of the chosen track.
    Packet(TimedPacket),
    /// The tracks changed; a track must be chosen again.
    TracksChanged,
    /// A part of the file could not be read. More packets may follow.
    Damaged(String),
    /// Regular end of the packets.
    End,
    /// Premature end of the packets, with the reason.
    Truncated(String),
}

/// The chosen track: its decoder and its declared properties.
pub(super) struct SelectedTrack {
    /// Decoder of the track.
    pub(super) codec: Codec,
    /// Sample rate in hertz, 0 if unknown before decoding.
    pub(super) rate: u32,
    /// Number of channels, 0 if unknown before decoding.
    pub(super) channels: usize,
    /// Length in seconds, if the container declares it exactly.
    pub(super) seconds: Option<f64>,
}

/// A demuxer.
pub(super) enum TrackDemuxer {
    Container(Container),
    Ts(Box<TsReader>),
}

impl TrackDemuxer {
    /// Opens a transport stream.
    pub(super) fn ts(source: ByteSource, name: &str) -> Result<Self, AudioError> {
        TsReader::open(source, name).map(|reader| Self::Ts(Box::new(reader)))
    }

    /// Returns the next event of the chosen track.
    pub(super) fn next(&mut self) -> DemuxEvent {
        let next = || match self {
            Self::Container(container) => container.next(),
            Self::Ts(reader) => reader.next(),
        };
        // The state of the demuxer is unknown after a panic, so this event ends the audio and the demuxer is not called
        // again.
        guarded(next).unwrap_or_else(|| DemuxEvent::Truncated("the demuxer crashed on a packet".to_owned()))
    }

    /// Chooses the first audio track that can be decoded.
    pub(super) fn select_track(&mut self, name: &str) -> Result<SelectedTrack, AudioError> {
        let select_track = || match self {
            Self::Container(container) => container.select_track(name),
            Self::Ts(reader) => reader.select_track(name),
        };
        guarded(select_track).unwrap_or_else(|| {
            let reason = "the decoder crashed on its configuration".to_owned();
            Err(AudioError::Damaged { name: name.to_owned(), reason })
        })
    }

    /// Returns the tags of the file and of the chosen track. Transport streams have no tags.
    pub(super) fn tags(&mut self, limits: &Limits) -> Tags {
        match self {
            Self::Container(container) => container.tags(limits),
            Self::Ts(_) => Tags::default(),
        }
    }

    /// Returns the short name of the container.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Container(container) => container.name(),
            Self::Ts(_) => "mpeg-ts",
        }
    }

    /// Takes the I/O error that ended reading, if there is one.
    pub(super) fn read_error(&self, name: &str) -> Option<AudioError> {
        let first_error = match self {
            Self::Container(container) => container.first_error(),
            Self::Ts(reader) => reader.first_error(),
        };
        first_error.take().map(|source| AudioError::Read { name: name.to_owned(), source })
    }
}
