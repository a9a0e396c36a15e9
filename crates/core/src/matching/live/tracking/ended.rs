//! Detects the end of an airing.
//!
//! Reasons for the limits of `mod.rs`:
//! - `LOST_TICKS` (10 s): at half of it, an announcement over a song ends its airing; at twice, final events come 10 s
//!   later.
//! - `LOST_AFTER_OTHER_TICKS` (3 s): at half of it, a second song that is mixed in ends the airing of the first song at
//!   each break; at twice, final events of cut songs come 3 s later.
//! - `MIN_MISSED_PEAKS` (20 peaks): at half of it, a quiet passage ends an airing; at twice, airings of sparse songs
//!   end later.
//! - `LOOKUP_DELAY_TICKS` (the tolerance of a peak and one tick for rounding): a smaller value would miss late peaks; a
//!   larger value would only delay decisions.

use crate::fingerprint::{Peak, TICKS_PER_SECOND};
use crate::matching::live::history::{MIN_AUDIBLE_PEAKS, since};
use crate::matching::query::Query;
use crate::matching::splice::MAX_JUMP_TICKS;

use super::{LOOKUP_DELAY_TICKS, LOST_AFTER_OTHER_TICKS, LOST_TICKS, MIN_MISSED_PEAKS, TrackedAiring};

impl TrackedAiring {
    /// Returns true if the end of the track has been reached, or the airing has not been detected for [`LOST_TICKS`],
    /// or for [`LOST_AFTER_OTHER_TICKS`] if another airing has started since then. `other_start` is the latest start of
    /// another airing, or `None` if there is no other airing. During silence and missing audio the airing continues for
    /// up to [`MAX_JUMP_TICKS`].
    pub(in crate::matching::live) fn has_ended(&self, query: &Query<'_>, other_start: Option<f64>) -> bool {
        let (detected, at) = (self.last_detected(), query.to);
        if self.line.query(self.reference.ticks) + LOOKUP_DELAY_TICKS <= at {
            return true;
        }
        let follows = other_start.is_some_and(|start| start > detected - TICKS_PER_SECOND);
        let timeout = if follows { LOST_AFTER_OTHER_TICKS } else { LOST_TICKS };
        // Enough peaks must have been expected since the last detection: a pause in the song itself is no sign that it
        // has ended.
        let lost = at - detected > timeout && self.expected(at) - self.detected >= MIN_MISSED_PEAKS;
        // Silence and lost media have no peaks, so their seconds are not counted, but only up to the longest jump that
        // a splice allows.
        lost && (follows || at - detected > MAX_JUMP_TICKS || audible_ticks(query.peaks, detected) > timeout)
    }
}

/// Returns the total length, in ticks, of the seconds after the time `from` (ticks) that have at least
/// [`MIN_AUDIBLE_PEAKS`] peaks.
fn audible_ticks(peaks: &[Peak], from: f64) -> f64 {
    let latest = since(peaks, from);
    let second = |peak: &Peak| ((f64::from(peak.time) - from) / TICKS_PER_SECOND) as u32;
    let seconds = latest.chunk_by(|a, b| second(a) == second(b));
    seconds.filter(|peaks| peaks.len() >= MIN_AUDIBLE_PEAKS).count() as f64 * TICKS_PER_SECOND
}
