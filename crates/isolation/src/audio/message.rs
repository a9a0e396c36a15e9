//! What parent and child send each other about an input.

use std::path::PathBuf;

use refrain_core::audio::{DecodeReport, Format, Limits, Tags};
use refrain_core::fingerprint::Constellation;
use serde::{Deserialize, Serialize};

/// An input to open.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OpenRequest {
    pub(crate) source: SourceKind,
    /// Its name in messages.
    pub(crate) name: String,
    pub(crate) limits: Limits,
}

/// Where the child reads the input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum SourceKind {
    /// A file that it opens itself.
    Path(PathBuf),
    /// Bytes that the parent has, with this length.
    Searchable(u64),
    /// Bytes that the parent reads once, from their start to their end.
    Stream,
}

/// Bytes that the child needs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ReadRequest {
    /// First byte, in a source with positions.
    pub(crate) offset: Option<u64>,
    /// Most bytes.
    pub(crate) length: u32,
}

/// An open input, and what was read of it so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenedAudio {
    pub(crate) tags: Tags,
    pub(crate) format: Format,
    pub(crate) report: DecodeReport,
}

/// An input that was decoded to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fingerprinted {
    /// Its peaks.
    pub constellation: Constellation,
    /// Greatest absolute sample; full scale is 1.
    pub peak: f32,
    /// What was decoded and what was lost.
    pub report: DecodeReport,
    /// Its metadata.
    pub tags: Tags,
}
