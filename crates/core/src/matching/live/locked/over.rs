//! Detects the end of an airing.

use crate::fingerprint::{Peak, TICKS_PER_SECOND};
use crate::matching::live::history::{SPARSE, since};
use crate::matching::splice::MAX_JUMP;
use crate::matching::trace::Query;

use super::{BEHIND, LOST, LOST_BESIDE, Locked, MISSED};

impl Locked {
    /// Returns true if the airing has ended or has not been detected for too long. `beside` is the latest start of another
    /// airing. During silence and missing audio the airing continues for up to [`MAX_JUMP`].
    pub(in crate::matching::live) fn is_over(&self, query: &Query<'_>, beside: Option<f64>) -> bool {
        let (heard, at) = (self.last_heard(), query.to);
        if self.line.query(self.reference.ticks) + BEHIND <= at {
            return true;
        }
        let follows = beside.is_some_and(|start| start > heard - TICKS_PER_SECOND);
        let patience = if follows { LOST_BESIDE } else { LOST };
        let lost = at - heard > patience && self.expected(at) - self.heard >= MISSED;
        lost && (follows || at - heard > MAX_JUMP || sounding(query.peaks, heard) > patience)
    }
}

/// Returns the total length of the seconds since a time that contain audio, in ticks.
fn sounding(peaks: &[Peak], from: f64) -> f64 {
    let latest = since(peaks, from);
    let second = |peak: &Peak| ((f64::from(peak.time) - from) / TICKS_PER_SECOND) as u32;
    let seconds = latest.chunk_by(|a, b| second(a) == second(b));
    seconds.filter(|peaks| peaks.len() >= SPARSE).count() as f64 * TICKS_PER_SECOND
}
