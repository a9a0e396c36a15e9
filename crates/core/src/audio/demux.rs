//! Packets of one audio track, wherever they come from.

use symphonia::core::packet::Packet;

use super::codec::Codec;
use super::container::Container;
use super::error::AudioError;
use super::guard::guarded;
use super::limits::Limits;
use super::source::Source;
use super::tags::Tags;
use super::ts::TsReader;

/// A packet and its place in time.
pub(super) struct Timed {
    /// The packet; its trims are in samples for the codecs that use them.
    pub(super) packet: Packet,
    /// When it starts, in seconds; nothing if unknown.
    pub(super) start: Option<f64>,
    /// How long the container says it is, in seconds; 0 if unknown.
    pub(super) seconds: f64,
}

/// What comes next in a container.
pub(super) enum Event {
    /// A packet of the chosen track.
    Packet(Timed),
    /// The tracks changed: choose again.
    NewTracks,
    /// Something could not be read; there may be more behind it.
    Damaged(String),
    /// No more packets, as there should be.
    End,
    /// No more packets, although there should be.
    Cut(String),
}

/// What one track needs to be decoded, and what is known of it.
pub(super) struct Chosen {
    /// Its decoder.
    pub(super) codec: Codec,
    /// Sample rate in hertz, 0 if unknown before decoding.
    pub(super) rate: u32,
    /// Channels, 0 if unknown before decoding.
    pub(super) channels: usize,
    /// Length in seconds, where the container says it exactly.
    pub(super) seconds: Option<f64>,
}

/// Where packets come from.
pub(super) enum Demux {
    Container(Container),
    Ts(Box<TsReader>),
}

impl Demux {
    /// A transport stream.
    pub(super) fn ts(source: Source, name: &str) -> Result<Self, AudioError> {
        TsReader::open(source, name).map(|reader| Self::Ts(Box::new(reader)))
    }

    /// What comes next on the chosen track.
    pub(super) fn next(&mut self) -> Event {
        let next = || match self {
            Self::Container(container) => container.next(),
            Self::Ts(reader) => reader.next(),
        };
        guarded(next).unwrap_or_else(|| Event::Cut("a packet breaks the demuxer".to_owned()))
    }

    /// Chooses the first audio track that can be decoded.
    pub(super) fn choose(&mut self, name: &str) -> Result<Chosen, AudioError> {
        let choose = || match self {
            Self::Container(container) => container.choose(name),
            Self::Ts(reader) => reader.choose(name),
        };
        guarded(choose).unwrap_or_else(|| {
            let reason = "its configuration breaks the decoder".to_owned();
            Err(AudioError::Damaged { name: name.to_owned(), reason })
        })
    }

    /// The tags of the file and the chosen track.
    pub(super) fn tags(&mut self, limits: &Limits) -> Tags {
        match self {
            Self::Container(container) => container.tags(limits),
            Self::Ts(_) => Tags::default(),
        }
    }

    /// Short name of the container.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Container(container) => container.name(),
            Self::Ts(_) => "mpeg-ts",
        }
    }

    /// The error of the system that ended reading, if one did.
    pub(super) fn read_error(&self, name: &str) -> Option<AudioError> {
        let failure = match self {
            Self::Container(container) => container.failure(),
            Self::Ts(reader) => reader.failure(),
        };
        failure.take().map(|source| AudioError::Read { name: name.to_owned(), source })
    }
}
