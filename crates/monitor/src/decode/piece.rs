//! The output of a decoder: peaks with their position in the stream.

use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::Peak;
use refrain_stream::Sound;
use serde::{Deserialize, Serialize};

/// A stretch of a stream, fingerprinted. Each begins where the one before it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FingerprintedSpan {
    /// Samples at 44.1 kHz from the stream's first one to the start of this stretch, gaps included.
    pub(crate) position: u64,
    /// Time of its start, seconds since 1970.
    pub(crate) epoch: f64,
    /// True if every worker of the stream has this clock.
    pub(crate) shared_clock: bool,
    /// Length in samples of media that is missing; 0 for audio.
    pub(crate) missing: u64,
    /// Peaks that are complete by its end, which may be those of audio before it.
    pub(crate) ready: Vec<PeakBatch>,
}

/// Peaks of one fingerprinter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PeakBatch {
    /// Ticks of the stream before the first sample of the fingerprinter.
    pub(crate) base: u64,
    /// Peaks in order of time; their times count from `base`.
    pub(crate) peaks: Vec<Peak>,
    /// Ticks of the stream before which all peaks are known.
    pub(crate) until: u64,
}

impl FingerprintedSpan {
    /// Creates a stretch without peaks.
    pub(super) fn new(sound: &Sound<'_>, missing: u64) -> Self {
        let Sound { position, epoch, shared_clock, .. } = *sound;
        Self { position, epoch, shared_clock, missing, ready: Vec::new() }
    }

    /// Returns the seconds from the stream's first sample to the start of this stretch.
    pub(crate) fn seconds(&self) -> f64 {
        seconds(self.position)
    }

    /// Returns the seconds of missing media.
    pub(crate) fn missing_seconds(&self) -> f64 {
        seconds(self.missing)
    }
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}
