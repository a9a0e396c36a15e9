//! Content of the messages between parent and child about one input: a file or byte stream to decode.

use std::path::PathBuf;

use refrain_core::audio::{DecodeReport, Format, Limits, Tags};
use refrain_core::fingerprint::Constellation;
use serde::{Deserialize, Serialize};

/// A request to open an input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OpenRequest {
    pub(crate) source: InputKind,
    /// Name of the input in messages to the user.
    pub(crate) name: String,
    pub(crate) limits: Limits,
}

/// The way in which the child reads the input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum InputKind {
    /// The child opens the file with this path itself.
    Path(PathBuf),
    /// The parent reads bytes at any offset for the child. Contains the length of the input in bytes.
    Seekable(u64),
    /// The parent reads bytes for the child, only once and in order.
    Stream,
}

/// A request of the child for bytes of the input.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ReadRequest {
    /// Offset of the first byte from the start of the input. `None` for a stream, which is read in order.
    pub(crate) offset: Option<u64>,
    /// Maximum number of bytes that the child accepts.
    pub(crate) length: u32,
}

/// Tags, format and decode report of an open input. The report describes the part that was decoded so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenedAudio {
    pub(crate) tags: Tags,
    pub(crate) format: Format,
    pub(crate) report: DecodeReport,
}

/// Result of decoding an input to its end: its fingerprint, decode report and tags.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fingerprinted {
    /// The fingerprint of the input.
    pub constellation: Constellation,
    /// Greatest absolute value of a sample after mixing and resampling. Full scale is 1; 0 means silence.
    pub peak: f32,
    /// Statistics of decoded and lost audio.
    pub report: DecodeReport,
    /// Tags (metadata) of the input.
    pub tags: Tags,
}
