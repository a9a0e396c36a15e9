//! What a stranger's file may demand.

use serde::{Deserialize, Serialize};

/// Upper bounds for one file or stream. Exceeding one is an [`AudioError`](super::AudioError), except for
/// tags, which are cut and counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest sound in seconds. Default: 24 hours, more than any broadcast day's recording.
    pub max_seconds: f64,
    /// Highest sample rate in hertz. Default: 384,000, twice the highest rate in use for music.
    pub max_sample_rate: u32,
    /// Most channels. Default: 64, that of the largest ambisonic recordings.
    pub max_channels: usize,
    /// Most bytes of all tags of a file together (names and values). Default: 64 KiB.
    pub max_tag_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_seconds: 86_400.0, max_sample_rate: 384_000, max_channels: 64, max_tag_bytes: 64 << 10 }
    }
}

/// Lowest sample rate that is taken, in hertz: below it there is no music, and resampling would multiply a
/// small file into a huge sound.
pub(super) const MIN_SAMPLE_RATE: u32 = 2_000;

/// Longest single tag value in bytes; longer ones are lyrics or embedded documents.
pub(super) const MAX_TAG_VALUE_BYTES: usize = 4 << 10;

/// Most tags beyond the named ones that are kept.
pub(super) const MAX_OTHER_TAGS: usize = 256;
