//! A section of the clock of a stream.

use serde::{Deserialize, Serialize};

/// A section of the map from position to time, both in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ClockSection {
    pub(super) position: f64,
    pub(super) epoch: f64,
    /// Seconds that are added gradually over the first `smoothing` seconds of the section.
    pub(super) correction: f64,
    pub(super) smoothing: f64,
}

impl ClockSection {
    pub(super) fn at(&self, position: f64) -> f64 {
        let passed = position - self.position;
        self.epoch + passed + self.correction * (passed / self.smoothing).clamp(0.0, 1.0)
    }

    /// Returns the time of a position after the correction, so that a running correction does not matter.
    pub(super) fn corrected_at(&self, position: f64) -> f64 {
        self.epoch + position - self.position + self.correction
    }
}
