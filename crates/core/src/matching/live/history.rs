//! The latest peaks of a stream.

use crate::fingerprint::{Peak, TICKS_PER_SECOND};

/// Peaks are kept for this many ticks (60 s): an airing that is found late, under speech, is followed back so far.
pub(super) const KEPT: f64 = 60.0 * TICKS_PER_SECOND;
/// Old peaks are thrown away when they are this many or more: seldom, for the others must move.
const WORTH_MOVING: usize = 1024;
/// Fewer peaks in the last second are silence.
pub(super) const SPARSE: usize = 8;

/// The latest peaks of a stream, and those that no decision was made about yet.
#[derive(Debug, Default)]
pub(super) struct History {
    peaks: Vec<Peak>,
}

impl History {
    /// Adds peaks, which come after all others.
    pub(super) fn add(&mut self, peaks: &[Peak]) {
        self.peaks.extend_from_slice(peaks);
    }

    /// What is remembered at a time (ticks): it does not depend on what came later, nor on what is still there.
    pub(super) fn at(&self, at: f64) -> &[Peak] {
        let index = |time: f64| self.peaks.partition_point(|p| f64::from(p.time) < time);
        let from = index(oldest(at));
        &self.peaks[from..index(at).max(from)]
    }

    /// Forgets what is too old at a time.
    pub(super) fn forget(&mut self, at: f64) {
        let old = self.peaks.partition_point(|p| f64::from(p.time) < oldest(at));
        if old >= WORTH_MOVING {
            self.peaks.drain(..old);
        }
    }
}

/// Start of what is remembered at a time, ticks.
pub(super) fn oldest(at: f64) -> f64 {
    (at - KEPT).max(0.0)
}

/// Whether next to nothing was heard in the second before a time.
pub(super) fn is_silent(peaks: &[Peak], at: f64) -> bool {
    since(peaks, at - TICKS_PER_SECOND).len() < SPARSE
}

/// The peaks from a time on.
pub(super) fn since(peaks: &[Peak], from: f64) -> &[Peak] {
    &peaks[peaks.partition_point(|p| f64::from(p.time) < from)..]
}
