//! Decoder limits for untrusted input.

use serde::{Deserialize, Serialize};

/// Upper bounds for one file or stream. A file that exceeds a bound is rejected with
/// [`AudioError::Limit`](super::AudioError::Limit). Tags that exceed their bound are cut or left out, and counted in
/// [`Tags::dropped`](super::Tags::dropped).
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
    /// Maximum length in seconds. Default: 24 hours, enough for the recording of a broadcast day. At half this value,
    /// recordings of whole days are rejected. At twice this value, a crafted file of a few kilobytes occupies a
    /// processor for twice as long.
    pub max_seconds: f64,
    /// Maximum sample rate in hertz. Default: 384,000, twice the highest common rate for music. A crafted file can make
    /// the resampler allocate memory in proportion to this value.
    pub max_sample_rate: u32,
    /// Maximum number of channels. Default: 64, the number of the largest ambisonic recordings. Audio is mixed to mono,
    /// so a larger value only increases the memory for buffers.
    pub max_channels: usize,
    /// Maximum total size of all tags of a file (names and values) in bytes. Default: 64 KiB. At half this value, more
    /// tags of files with long lyrics are left out. At twice this value, the metadata of a track in the catalog can
    /// take twice the space.
    pub max_tag_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_seconds: 86_400.0, max_sample_rate: 384_000, max_channels: 64, max_tag_bytes: 64 << 10 }
    }
}

/// Minimum sample rate in hertz. Lower rates cannot contain music, and resampling would turn a small file into a huge
/// amount of audio. At half this value, a byte of 8-bit audio becomes 44 samples. At twice this value, files of 2 to 4
/// kHz are rejected, although they can be recognized by peaks below half their rate.
pub(super) const MIN_SAMPLE_RATE: u32 = 2_000;

/// Maximum size of a single tag value in bytes. Longer values, such as lyrics or embedded documents, are cut. At half
/// this value, long comments are cut. At twice this value, fewer long values fill `max_tag_bytes`, so more of the tags
/// after them are left out.
pub(super) const MAX_TAG_VALUE_BYTES: usize = 4 << 10;

/// Maximum number of tags in [`Tags::other`](super::Tags::other). Each new tag is compared with all earlier ones, so
/// the time grows with the square of this number. At twice this value, a crafted file takes four times as long. At half
/// this value, tags of files with many custom fields are left out.
pub(super) const MAX_OTHER_TAGS: usize = 256;
