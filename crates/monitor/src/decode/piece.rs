//! The output of a decoder: peaks with their position in the stream. A tick, the unit of the times of peaks, is 256
//! samples at 44.1 kHz (5.8 ms).

use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::Peak;
use refrain_stream::Sound;
use serde::{Deserialize, Serialize};

/// A fingerprinted stretch of a stream: audio or a gap. Each span begins where the previous one ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FingerprintedSpan {
    /// Start of this span in samples at 44.1 kHz after the first sample of the stream, gaps included.
    pub(crate) position: u64,
    /// Time of the start of this span, seconds since 1970.
    pub(crate) epoch: f64,
    /// True if every worker of the stream gets the same time in `epoch`, from dates of the stream or from the clock of
    /// an earlier worker.
    pub(crate) shared_clock: bool,
    /// Length of the gap in samples; 0 if this span is audio.
    pub(crate) missing: u64,
    /// Peaks that became complete with this span. Some of them can belong to earlier audio.
    pub(crate) ready: Vec<PeakBatch>,
}

/// Peaks of one fingerprinter. After a long gap, another fingerprinter continues the stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PeakBatch {
    /// Stream time of the first sample of the fingerprinter, in ticks.
    pub(crate) base: u64,
    /// Peaks in order of time. Their times are ticks since `base`.
    pub(crate) peaks: Vec<Peak>,
    /// Stream time, in ticks, before which no further peaks follow in later batches.
    pub(crate) until: u64,
}

impl FingerprintedSpan {
    /// Creates a span without peaks. `missing` is the length of the gap in samples, 0 for audio.
    pub(super) fn new(sound: &Sound<'_>, missing: u64) -> Self {
        let Sound { position, epoch, shared_clock, .. } = *sound;
        Self { position, epoch, shared_clock, missing, ready: Vec::new() }
    }

    /// Returns the start of this span, in seconds since the first sample of the stream.
    pub(crate) fn seconds(&self) -> f64 {
        seconds(self.position)
    }

    /// Returns the length of the gap in seconds; 0 if this span is audio.
    pub(crate) fn missing_seconds(&self) -> f64 {
        seconds(self.missing)
    }
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}
