//! Decoder limits for untrusted input.

use serde::{Deserialize, Serialize};

/// Upper bounds for one file or stream. Exceeding one is an [`AudioError`](super::AudioError), except for
/// tags, which are cut and counted.
///
/// # Examples
///
/// ```
/// use std::path::Path;
///
/// use refrain_core::audio::{AudioError, AudioReader, LimitKind, Limits};
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/plain.flac");
/// let limits = Limits { max_channels: 1, ..Limits::default() };
/// let error = AudioReader::open(Path::new(file), &limits).unwrap_err();
/// assert!(matches!(error, AudioError::Limit { limit: LimitKind::Channels, .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum length in seconds. Default: 24 hours, longer than the recording of any broadcast day. At half this
    /// value, recordings of whole days are rejected; at twice this value, a crafted file of a few kilobytes per hour is
    /// decoded for twice as long.
    pub max_seconds: f64,
    /// Maximum sample rate in hertz. Default: 384,000, twice the highest rate in use for music. At half this value, 192
    /// kHz is still accepted, but 384 kHz is not; at twice this value, a crafted file makes the resampler allocate
    /// blocks of twice the size.
    pub max_sample_rate: u32,
    /// Maximum number of channels. Default: 64, that of the largest ambisonic recordings. Audio is mixed to mono, so
    /// the number only bounds the buffers: at twice this value, they are twice as large; at half this value, such
    /// recordings are rejected.
    pub max_channels: usize,
    /// Maximum total size of all tags of a file (names and values) in bytes. Default: 64 KiB. At half this value, long
    /// lyrics displace other tags; at twice this value, a result of the decoding process and a row of the catalog can
    /// be twice as large.
    pub max_tag_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_seconds: 86_400.0, max_sample_rate: 384_000, max_channels: 64, max_tag_bytes: 64 << 10 }
    }
}

/// Minimum sample rate in hertz. Lower rates do not carry music, and resampling would turn a small file into a huge
/// amount of audio. At half this value, a byte of 8-bit audio becomes 44 samples; at twice this value, files of 2 to 4
/// kHz are rejected, although they have peaks up to half their rate.
pub(super) const MIN_SAMPLE_RATE: u32 = 2_000;

/// Maximum size of a single tag value in bytes. Longer values are lyrics or embedded documents. At half this value,
/// long comments are cut; at twice this value, fewer such values fill the limit for all tags, and the tags after them
/// are dropped.
pub(super) const MAX_TAG_VALUE_BYTES: usize = 4 << 10;

/// Maximum number of tags that are kept in addition to those with a field of their own in [`Tags`](super::Tags). Each
/// new tag is compared with the earlier ones, so the time grows with the square of this number: at twice this value, a
/// crafted file costs four times as much; at half this value, tags of files with many custom fields are dropped.
pub(super) const MAX_OTHER_TAGS: usize = 256;
