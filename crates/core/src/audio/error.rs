//! Why a file gives no sound.

use std::fmt;
use std::io;

use thiserror::Error;

/// Which of [`Limits`](super::Limits) was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitKind {
    /// `max_seconds`.
    Seconds,
    /// `max_sample_rate`, in hertz.
    SampleRate,
    /// `max_channels`.
    Channels,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "length in seconds",
            Self::SampleRate => "sample rate in hertz",
            Self::Channels => "number of channels",
        })
    }
}

/// Why a file or stream cannot be opened or read on. Every message names the file and says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The operating system refuses to open the file.
    #[error("cannot open {name}: {source}")]
    Open {
        /// The file.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Reading failed in the middle: a broken disk, a lost network share.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The file.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The path is a folder.
    #[error("{name} is a directory; give the audio files in it")]
    Directory {
        /// The folder.
        name: String,
    },
    /// There is not one byte.
    #[error("{name} is empty; copy it again")]
    Empty {
        /// The file.
        name: String,
    },
    /// Nothing in the content looks like audio, whatever the file is called.
    #[error("{name} is not an audio file in a format that can be read; convert it, or leave it out")]
    NotAudio {
        /// The file.
        name: String,
    },
    /// A container that can be read, with no audio in it.
    #[error("{name} ({container}) has no audio track")]
    NoAudioTrack {
        /// The file.
        name: String,
        /// Kind of container.
        container: String,
    },
    /// Audio of a codec, or a variant of one, that cannot be decoded.
    #[error("{name}: cannot decode {codec}; convert it, for example to FLAC or stereo AAC")]
    UnsupportedCodec {
        /// The file.
        name: String,
        /// What it is encoded with, and what of it is not supported.
        codec: String,
    },
    /// Damaged so badly that no sound came out.
    #[error("{name} is damaged: {reason}; copy or encode it again")]
    Damaged {
        /// The file.
        name: String,
        /// What could not be read.
        reason: String,
    },
    /// A valid file of zero length.
    #[error("{name} holds no sound: its audio track is empty")]
    NoSound {
        /// The file.
        name: String,
    },
    /// Decoding it exceeded a limit of the process that decodes.
    #[error("{name} is damaged or hostile: {reason}; decoding was stopped, leave the file out")]
    Stopped {
        /// The file.
        name: String,
        /// The limit that was exceeded.
        reason: String,
    },
    /// The file demands more than [`Limits`](super::Limits) allows.
    #[error(
        "{name}: its {limit}, {found:.1}, is over the limit of {allowed}; split or convert it, or raise the limit"
    )]
    Limit {
        /// The file.
        name: String,
        /// The limit.
        limit: LimitKind,
        /// What the file has.
        found: f64,
        /// What is allowed.
        allowed: f64,
    },
}
