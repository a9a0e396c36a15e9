//! Messages between parent and child about one input.

use std::path::PathBuf;

use refrain_core::audio::{DecodeReport, Format, Limits, Tags};
use refrain_core::fingerprint::Constellation;
use serde::{Deserialize, Serialize};

/// An input to open.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OpenRequest {
    pub(crate) source: InputKind,
    /// Name of the input in messages to the user.
    pub(crate) name: String,
    pub(crate) limits: Limits,
}

/// Where the child reads the input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum InputKind {
    /// A file that it opens itself.
    Path(PathBuf),
    /// Bytes with random access, which the parent reads. Contains their length in bytes.
    Seekable(u64),
    /// Bytes that the parent reads once, from their start to their end.
    Stream,
}

/// A child's request for bytes of the input.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ReadRequest {
    /// Offset of the first byte; `None` for a stream, which is read in order.
    pub(crate) offset: Option<u64>,
    /// Maximum number of bytes.
    pub(crate) length: u32,
}

/// Metadata, format and decode report of an open input. They describe the part that was read so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenedAudio {
    pub(crate) tags: Tags,
    pub(crate) format: Format,
    pub(crate) report: DecodeReport,
}

/// An input that was decoded to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fingerprinted {
    /// Peaks of the fingerprint.
    pub constellation: Constellation,
    /// Greatest absolute sample; full scale is 1.
    pub peak: f32,
    /// Decoded and lost parts of the input.
    pub report: DecodeReport,
    /// Metadata of the input.
    pub tags: Tags,
}
