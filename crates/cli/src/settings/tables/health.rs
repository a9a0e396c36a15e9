//! The table `[health]`, and the overrides of a stream.

use refrain_monitor::HealthThresholds;

use crate::settings::declare::{Checked, settings};
use crate::settings::limit::Limit::{Any, Between, ZeroOr};

/// Maximum of the durations in seconds: an hour. A longer fault is noticed by other means.
const MAX_SECONDS: f64 = 3_600.0;

settings! {
    /// Health of the audio of each stream: loudness (EBU R 128) and alerts. Durations are seconds of audio after which an
    /// alert starts; 0 turns the alert off. An entry of `[[streams]]` can override each key, with health = { key = value }.
    "health" HealthTable {
        /// True to measure the audio. It takes about 0.2 ms of processor time per second of stereo audio.
        enabled: bool, default(true), Any;
        /// Level in dBFS of the loudest channel below which audio is silence.
        silence_dbfs: f64, default(HealthThresholds::default().silence_dbfs, "-60.0"), Between(-120.0, 0.0);
        /// Duration of silence.
        silence_seconds: f64, default(HealthThresholds::default().silence_seconds, "10.0"), Between(0.0, MAX_SECONDS);
        /// Short-term loudness in LUFS below which audio, but not silence, is too quiet.
        quiet_lufs: f64, default(HealthThresholds::default().quiet_lufs, "-45.0"), Between(-120.0, 0.0);
        /// Duration of quiet audio.
        quiet_seconds: f64, default(HealthThresholds::default().quiet_seconds, "30.0"), Between(0.0, MAX_SECONDS);
        /// Short-term loudness in LUFS above which audio is too loud.
        loud_lufs: f64, default(HealthThresholds::default().loud_lufs, "-4.0"), Between(-120.0, 10.0);
        /// Duration of loud audio.
        loud_seconds: f64, default(HealthThresholds::default().loud_seconds, "10.0"), Between(0.0, MAX_SECONDS);
        /// Samples per second that are cut at full scale, in all channels, above which audio is clipped.
        clipped_samples: f64, default(HealthThresholds::default().clipped_samples, "500.0"), Between(1.0, 1e6);
        /// Duration of clipping.
        clipping_seconds: f64, default(HealthThresholds::default().clipping_seconds, "5.0"), Between(0.0, MAX_SECONDS);
        /// Difference in dB of the left and right channels above which the quieter one is dead.
        channel_db: f64, default(HealthThresholds::default().channel_db, "30.0"), Between(6.0, 120.0);
        /// Duration of a dead channel.
        channel_seconds: f64, default(HealthThresholds::default().channel_seconds, "15.0"), Between(0.0, MAX_SECONDS);
        /// Correlation of the left and right channels below which one of them is inverted.
        inverted_correlation: f64, default(HealthThresholds::default().inverted_correlation, "-0.9"), Between(-1.0, 0.0);
        /// Duration of inverted audio.
        inverted_seconds: f64, default(HealthThresholds::default().inverted_seconds, "10.0"), Between(0.0, MAX_SECONDS);
        /// DC offset of a channel, as a share of full scale, that is a fault.
        dc_offset: f64, default(HealthThresholds::default().dc_offset, "0.02"), Between(0.001, 1.0);
        /// Duration of a DC offset.
        dc_seconds: f64, default(HealthThresholds::default().dc_seconds, "10.0"), Between(0.0, MAX_SECONDS);
        /// Duration of audio that repeats earlier audio exactly, with a period of up to 30 s.
        loop_seconds: f64, default(HealthThresholds::default().loop_seconds, "15.0"), Between(0.0, MAX_SECONDS);
        /// Duration without a change of the sample rate or the number of channels after which the alert about a change ends.
        format_seconds: f64, default(HealthThresholds::default().format_seconds, "10.0"), Between(0.0, MAX_SECONDS);
        /// Duration of normal audio after which each other alert ends.
        end_seconds: f64, default(HealthThresholds::default().end_seconds, "2.0"), ZeroOr(0.5, MAX_SECONDS);
    }
}

/// Returns the thresholds of a checked table.
pub(crate) fn thresholds(table: &Checked<'_, HealthTable>) -> HealthThresholds {
    HealthThresholds {
        enabled: table.enabled(),
        silence_dbfs: table.silence_dbfs(),
        silence_seconds: table.silence_seconds(),
        quiet_lufs: table.quiet_lufs(),
        quiet_seconds: table.quiet_seconds(),
        loud_lufs: table.loud_lufs(),
        loud_seconds: table.loud_seconds(),
        clipped_samples: table.clipped_samples(),
        clipping_seconds: table.clipping_seconds(),
        channel_db: table.channel_db(),
        channel_seconds: table.channel_seconds(),
        inverted_correlation: table.inverted_correlation(),
        inverted_seconds: table.inverted_seconds(),
        dc_offset: table.dc_offset(),
        dc_seconds: table.dc_seconds(),
        loop_seconds: table.loop_seconds(),
        format_seconds: table.format_seconds(),
        end_seconds: table.end_seconds(),
    }
}
