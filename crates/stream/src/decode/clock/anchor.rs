//! The point from which another worker continues the clock of a stream.

use serde::{Deserialize, Serialize};

/// Largest difference between the times that two workers estimate for the same audio, in seconds: a long segment. Each
/// worker estimates from the first arrival that it receives, which may be late by a segment. At half this value,
/// streams with long segments lose their common clock at a take-over; at twice this value, the clock continues through
/// an encoder restart whose time stamps fit by chance.
const MAX_ANCHOR_ERROR_SECONDS: f64 = 10.0;

/// A time stamp of a stream with its time, from which another worker can continue the clock of a stream without dates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClockAnchor {
    /// Time stamp of a frame in the container (PTS, `tfdt`), seconds.
    pub stamp: f64,
    /// Seconds after which time stamps wrap to 0; `None` if they do not wrap.
    pub wrap: Option<f64>,
    /// Time of that frame, seconds since 1970.
    pub epoch: f64,
}

impl ClockAnchor {
    /// Returns the time of a frame with the time stamp `stamp`. Returns `None` if that time differs by more than
    /// [`MAX_ANCHOR_ERROR_SECONDS`] from `estimate`, because the time stamps have then restarted.
    pub(super) fn epoch_of(&self, stamp: f64, estimate: f64) -> Option<f64> {
        let epoch = self.epoch + stamp - self.stamp;
        let wrap = self.wrap.filter(|wrap| *wrap > 0.0);
        // The earlier worker may have stopped hours ago, so the number of wraps since then follows from the estimate.
        let epoch = wrap.map_or(epoch, |wrap| epoch + wrap * ((estimate - epoch) / wrap).round());
        ((epoch - estimate).abs() <= MAX_ANCHOR_ERROR_SECONDS).then_some(epoch)
    }
}
