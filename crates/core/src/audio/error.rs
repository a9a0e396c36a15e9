//! Errors while opening and decoding audio.

use std::fmt;
use std::io;

use thiserror::Error;

/// The field of [`Limits`](super::Limits) that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitKind {
    /// The limit `max_seconds`.
    Seconds,
    /// The limit `max_sample_rate`, in hertz.
    SampleRate,
    /// The limit `max_channels`.
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

/// An error while opening or decoding a file or stream. Every message contains the name of the file, and most messages
/// contain a remedy.
///
/// # Examples
///
/// ```
/// use std::io::Cursor;
///
/// use refrain_core::audio::{AudioError, AudioReader, Limits};
///
/// let text = Cursor::new("not audio at all");
/// match AudioReader::from_source(Box::new(text), "notes.txt", &Limits::default()) {
///     Err(AudioError::NotAudio { name }) => assert_eq!(name, "notes.txt"),
///     other => panic!("unexpected result: {other:?}"),
/// }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The operating system refused to open the file.
    #[error("cannot open {name}: {source}")]
    Open {
        /// Name of the file.
        name: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Reading failed after the file was opened, for example because of a broken disk or a lost network share.
    #[error("cannot read {name}: {source}")]
    Read {
        /// Name of the file.
        name: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The path is a directory.
    #[error("{name} is a directory; pass the audio files in it")]
    Directory {
        /// Name of the directory.
        name: String,
    },
    /// The file has no content.
    #[error("{name} is empty; copy it again")]
    Empty {
        /// Name of the file.
        name: String,
    },
    /// The content is not recognized as audio. The name of the file is not considered.
    #[error("{name} is not an audio file in a format that can be read; convert it, or leave it out")]
    NotAudio {
        /// Name of the file.
        name: String,
    },
    /// The container can be read, but contains no audio track.
    #[error("{name} ({container}) has no audio track; leave it out")]
    NoAudioTrack {
        /// Name of the file.
        name: String,
        /// Name of the container format.
        container: String,
    },
    /// The codec, or the variant of it that the file uses, cannot be decoded.
    #[error("{name}: cannot decode {codec}; convert it, for example to FLAC or AAC")]
    UnsupportedCodec {
        /// Name of the file.
        name: String,
        /// Name of the codec and of the unsupported variant.
        codec: String,
    },
    /// The file is damaged so badly that no audio could be decoded.
    #[error("{name} is damaged: {reason}; copy or encode it again")]
    Damaged {
        /// Name of the file.
        name: String,
        /// Description of the damage.
        reason: String,
    },
    /// The file is valid, but its audio track is empty.
    #[error("{name} contains no audio: its audio track is empty; leave it out")]
    NoSound {
        /// Name of the file.
        name: String,
    },
    /// Decoding exceeded the memory, stack or processor time of the decoding process, or crashed that process.
    #[error("{name} is damaged or hostile: {reason}; decoding was stopped, leave the file out")]
    Stopped {
        /// Name of the file.
        name: String,
        /// Description of the limit that was exceeded, or of the crash.
        reason: String,
    },
    /// The file exceeds a limit of [`Limits`](super::Limits), which the caller of the library sets.
    #[error("{name}: its {limit}, {found:.1}, exceeds the limit of {allowed}; split or convert it")]
    Limit {
        /// Name of the file.
        name: String,
        /// The limit that is exceeded.
        limit: LimitKind,
        /// Length in seconds, sample rate in hertz, or number of channels of the file.
        found: f64,
        /// Maximum value that the limit allows.
        allowed: f64,
    },
}
