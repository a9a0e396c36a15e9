//! Thresholds of the alerts.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::alert::AlertKind;

/// Thresholds of the alerts of a stream. Durations are seconds of audio; an alert whose duration is 0 is off.
///
/// The defaults give no alerts for music, speech and short pauses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthThresholds {
    /// True if the audio is measured. The measurement takes about 0.2 ms per second of stereo audio.
    pub enabled: bool,
    /// Level in dBFS of the loudest channel below which audio is silence. Default: −60, below the noise of a microphone
    /// and above that of a codec.
    pub silence_dbfs: f64,
    /// Duration of silence after which an alert starts. Default: 10; pauses between two pieces are shorter.
    pub silence_seconds: f64,
    /// Short-term loudness in LUFS below which audio is too quiet. Default: −45, which is 22 LU below EBU R 128.
    pub quiet_lufs: f64,
    /// Duration of quiet audio after which an alert starts. Default: 30, longer than quiet passages of a broadcast.
    pub quiet_seconds: f64,
    /// Short-term loudness in LUFS above which audio is too loud. Default: −4, above the loudest released music.
    pub loud_lufs: f64,
    /// Duration of loud audio after which an alert starts. Default: 10.
    pub loud_seconds: f64,
    /// Clipped samples per second, in all channels, above which audio is clipped. Default: 500, about a hundredth of
    /// all samples. Loud masters clip tens of samples per second.
    pub clipped_samples: f64,
    /// Duration of clipping after which an alert starts. Default: 5.
    pub clipping_seconds: f64,
    /// Difference in dB of the first two channels from which the quieter one is dead. Default: 30; mixes with an
    /// instrument on one side only differ less.
    pub channel_db: f64,
    /// Duration of a dead channel after which an alert starts. Default: 15.
    pub channel_seconds: f64,
    /// Correlation of the first two channels below which one is inverted. Default: −0.9. Wide stereo effects reach −0.5.
    pub inverted_correlation: f64,
    /// Duration of inverted audio after which an alert starts. Default: 10.
    pub inverted_seconds: f64,
    /// Mean of the samples of a channel, as a share of full scale, above which a DC offset is a fault. Default: 0.02.
    pub dc_offset: f64,
    /// Duration of a DC offset after which an alert starts. Default: 10.
    pub dc_seconds: f64,
    /// Duration of exactly repeated audio, without its first occurrence, after which an alert starts. Default: 15, which
    /// is longer than two repeated segments of HLS.
    pub loop_seconds: f64,
    /// Duration without a change after which the alert about a change of the sample rate or the number of channels ends.
    /// Default: 10.
    pub format_seconds: f64,
    /// Duration of normal audio after which any other alert ends. Default: 2; at half this value, an alert can end and
    /// start with each word of a distorted speaker.
    pub end_seconds: f64,
}

impl Default for HealthThresholds {
    fn default() -> Self {
        Self {
            enabled: true,
            silence_dbfs: -60.0,
            silence_seconds: 10.0,
            quiet_lufs: -45.0,
            quiet_seconds: 30.0,
            loud_lufs: -4.0,
            loud_seconds: 10.0,
            clipped_samples: 500.0,
            clipping_seconds: 5.0,
            channel_db: 30.0,
            channel_seconds: 15.0,
            inverted_correlation: -0.9,
            inverted_seconds: 10.0,
            dc_offset: 0.02,
            dc_seconds: 10.0,
            loop_seconds: 15.0,
            format_seconds: 10.0,
            end_seconds: 2.0,
        }
    }
}

/// A threshold that is not a number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the health threshold {0} is not a finite number; use a number")]
pub struct ThresholdError(&'static str);

impl HealthThresholds {
    /// Checks that all thresholds are finite numbers.
    ///
    /// # Errors
    /// [`ThresholdError`] with the name of the first threshold that is NaN or infinite.
    pub fn check(&self) -> Result<(), ThresholdError> {
        let all = [
            ("silence_dbfs", self.silence_dbfs),
            ("silence_seconds", self.silence_seconds),
            ("quiet_lufs", self.quiet_lufs),
            ("quiet_seconds", self.quiet_seconds),
            ("loud_lufs", self.loud_lufs),
            ("loud_seconds", self.loud_seconds),
            ("clipped_samples", self.clipped_samples),
            ("clipping_seconds", self.clipping_seconds),
            ("channel_db", self.channel_db),
            ("channel_seconds", self.channel_seconds),
            ("inverted_correlation", self.inverted_correlation),
            ("inverted_seconds", self.inverted_seconds),
            ("dc_offset", self.dc_offset),
            ("dc_seconds", self.dc_seconds),
            ("loop_seconds", self.loop_seconds),
            ("format_seconds", self.format_seconds),
            ("end_seconds", self.end_seconds),
        ];
        all.iter().find(|(_, value)| !value.is_finite()).map_or(Ok(()), |(name, _)| Err(ThresholdError(name)))
    }

    /// Returns the threshold of an alert, in the unit of its value.
    #[must_use]
    pub fn of(&self, kind: AlertKind) -> f64 {
        match kind {
            AlertKind::Silence => self.silence_dbfs,
            AlertKind::Quiet => self.quiet_lufs,
            AlertKind::Loud => self.loud_lufs,
            AlertKind::Clipping => self.clipped_samples,
            AlertKind::DeadChannel => self.channel_db,
            AlertKind::PhaseInverted => self.inverted_correlation,
            AlertKind::DcOffset => self.dc_offset,
            AlertKind::Repetition => self.loop_seconds,
            AlertKind::FormatChange => 0.0,
        }
    }

    /// Returns the seconds after which an alert starts and after which it ends; `None` if the alert is off.
    pub(super) fn durations(&self, kind: AlertKind) -> Option<(f64, f64)> {
        if !self.enabled {
            return None;
        }
        let start = match kind {
            AlertKind::Silence => self.silence_seconds,
            AlertKind::Quiet => self.quiet_seconds,
            AlertKind::Loud => self.loud_seconds,
            AlertKind::Clipping => self.clipping_seconds,
            AlertKind::DeadChannel => self.channel_seconds,
            AlertKind::PhaseInverted => self.inverted_seconds,
            AlertKind::DcOffset => self.dc_seconds,
            // The repeated audio itself has the duration, and a change of the format is an alert at once.
            AlertKind::Repetition => return (self.loop_seconds > 0.0).then_some((0.0, self.end_seconds)),
            AlertKind::FormatChange => {
                return (self.format_seconds > 0.0).then_some((0.0, self.format_seconds));
            }
        };
        (start > 0.0).then_some((start, self.end_seconds))
    }
}
