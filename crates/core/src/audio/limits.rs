//! Decoder limits for untrusted input.

use serde::{Deserialize, Serialize};

/// Upper bounds for one file or stream. Exceeding one is an [`AudioError`](super::AudioError), except for
/// tags, which are cut and counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum length in seconds. Default: 24 hours, longer than the recording of any broadcast day. At half of it,
    /// recordings of whole days are rejected; at twice, a crafted file of a few kilobytes per hour is decoded for twice
    /// as long.
    pub max_seconds: f64,
    /// Maximum sample rate in hertz. Default: 384,000, twice the highest rate in use for music. At half of it, 192 kHz
    /// is still accepted, but 384 kHz is not; at twice, a crafted file makes the resampler allocate blocks of twice the
    /// size.
    pub max_sample_rate: u32,
    /// Maximum number of channels. Default: 64, that of the largest ambisonic recordings. Audio is mixed to mono, so
    /// the number only bounds the buffers: at twice, they are twice as large; at half, such recordings are rejected.
    pub max_channels: usize,
    /// Maximum total size of all tags of a file (names and values) in bytes. Default: 64 KiB. At half of it, long
    /// lyrics displace other tags; at twice, a result of the decoding process and a row of the catalog can be twice as
    /// large.
    pub max_tag_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_seconds: 86_400.0, max_sample_rate: 384_000, max_channels: 64, max_tag_bytes: 64 << 10 }
    }
}

/// Minimum sample rate in hertz. Lower rates do not carry music, and resampling would turn a small file into a huge
/// amount of audio. At half of it, a byte of 8-bit audio becomes 44 samples; at twice, files of 2 to 4 kHz are
/// rejected, although they have peaks up to half their rate.
pub(super) const MIN_SAMPLE_RATE: u32 = 2_000;

/// Maximum size of a single tag value in bytes. Longer values are lyrics or embedded documents. At half of it, long
/// comments are cut; at twice, fewer such values fill the limit for all tags, and the tags after them are dropped.
pub(super) const MAX_TAG_VALUE_BYTES: usize = 4 << 10;

/// Maximum number of tags that are kept in addition to those with a field of their own in [`Tags`](super::Tags). Each
/// new tag is compared with the earlier ones, so the time grows with the square of this number: at twice, a crafted
/// file costs four times as much; at half, tags of files with many custom fields are dropped.
pub(super) const MAX_OTHER_TAGS: usize = 256;
