//! The recent peaks of a stream.

use crate::fingerprint::{Peak, TICKS_PER_SECOND};

/// Duration for which peaks are kept (60 s, in ticks). An airing that is found late, under speech, can be traced back
/// this far. At half this value, songs that are found under speech after more than 30 s begin too late; at twice this
/// value, each decision reads twice as many peaks, and each stream takes more memory.
pub(super) const HISTORY_TICKS: f64 = 60.0 * TICKS_PER_SECOND;
/// Minimum number of old peaks that are removed at once: about 10 s of peaks. Removing is rare because it moves all
/// other peaks. The value does not change the results.
const MIN_PRUNED_PEAKS: usize = 1024;
/// With fewer peaks than this in the last second, the stream is silent. A query has at most some hundred peaks per
/// second. At half this value, hum and hiss are searched without result; at twice this value, sparse music counts as
/// silence.
pub(super) const MIN_AUDIBLE_PEAKS: usize = 8;

/// The recent peaks of a stream, including those for which no decision has been made yet.
#[derive(Debug, Default)]
pub(super) struct History {
    peaks: Vec<Peak>,
}

impl History {
    /// Adds peaks, which must be later than all previous peaks.
    pub(super) fn add(&mut self, peaks: &[Peak]) {
        self.peaks.extend_from_slice(peaks);
    }

    /// Returns the peaks of the last 60 s before the time `at` (ticks). The result depends neither on later peaks nor
    /// on when old peaks are removed.
    pub(super) fn at(&self, at: f64) -> &[Peak] {
        let index = |time: f64| self.peaks.partition_point(|p| f64::from(p.time) < time);
        let from = index(oldest(at));
        &self.peaks[from..index(at).max(from)]
    }

    /// Removes the peaks more than 60 s before the time `at` (ticks), if there are at least [`MIN_PRUNED_PEAKS`] of
    /// them.
    pub(super) fn prune(&mut self, at: f64) {
        let old = self.peaks.partition_point(|p| f64::from(p.time) < oldest(at));
        if old >= MIN_PRUNED_PEAKS {
            self.peaks.drain(..old);
        }
    }
}

/// Returns the start of the history for a decision at the time `at`: 60 s earlier, but at least 0. Both times are in
/// ticks.
pub(super) fn oldest(at: f64) -> f64 {
    (at - HISTORY_TICKS).max(0.0)
}

/// Returns true if the second before the time `at` (ticks) has fewer than [`MIN_AUDIBLE_PEAKS`] peaks.
pub(super) fn is_silent(peaks: &[Peak], at: f64) -> bool {
    since(peaks, at - TICKS_PER_SECOND).len() < MIN_AUDIBLE_PEAKS
}

/// Returns the peaks at or after the time `from` (ticks).
pub(super) fn since(peaks: &[Peak], from: f64) -> &[Peak] {
    &peaks[peaks.partition_point(|p| f64::from(p.time) < from)..]
}
