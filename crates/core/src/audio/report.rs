//! Format of an audio file, and statistics of its decoded and lost audio.

use serde::{Deserialize, Serialize};

/// Format of an audio file: container, codec, sample rate and number of channels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Name of the container, such as "wave", "mp4", "ogg" or "mpeg-ts".
    pub container: String,
    /// Name of the codec, such as "Vorbis" or "Advanced Audio Coding".
    pub codec: String,
    /// Sample rate of the decoded audio before resampling, in hertz. For HE-AAC, it is the rate of the core, half of
    /// the full rate.
    pub sample_rate: u32,
    /// Number of channels before mixing to mono.
    pub channels: usize,
}

/// Statistics of decoded and lost audio. They are complete when the reader has reached the end of the audio.
///
/// # Examples
///
/// ```
/// use std::path::Path;
///
/// use refrain_core::audio::{AudioReader, Limits};
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/bad.mp3");
/// // 600 bytes in the middle of this file are noise. The rest is decoded.
/// let mut reader = AudioReader::open(Path::new(file), &Limits::default())?;
/// while reader.next_chunk()?.is_some() {}
/// let report = reader.report();
/// assert!(report.is_damaged());
/// assert!(report.first_damage.is_some());
/// assert!(report.seconds > 1.5);
/// # Ok::<(), refrain_core::audio::AudioError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DecodeReport {
    /// Length in seconds of the audio that was returned so far, including inserted silence.
    pub seconds: f64,
    /// Length in seconds that the container declares, or `None` if it declares none or only an estimate.
    pub declared_seconds: Option<f64>,
    /// Number of packets that were read, including those that could not be decoded.
    pub packets: u64,
    /// Number of packets that could not be decoded, plus the number of places where the container was damaged.
    pub lost_packets: u64,
    /// Estimated length in seconds of lost audio: audio that was replaced by silence, or that is missing at the end.
    pub lost_seconds: f64,
    /// Number of samples that were NaN, infinite or far out of range and were replaced by 0.
    pub replaced_samples: u64,
    /// True if the file ends earlier than its container declares.
    pub truncated: bool,
    /// Description of the first damage, for messages. `None` if no damage was found.
    pub first_damage: Option<String>,
}

impl DecodeReport {
    /// Returns true if audio was lost, samples were replaced, or the file is truncated.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.lost_packets > 0 || self.replaced_samples > 0 || self.truncated || self.lost_seconds > 0.0
    }

    pub(super) fn record_damage(&mut self, what: &str) {
        if self.first_damage.is_none() {
            self.first_damage = Some(what.to_owned());
        }
    }
}
