//! Start and end of an airing.
//!
//! Reasons for the limits of `mod.rs` that decide about continuation:
//! - `CONTINUED_LOG_P` (-6, e^-6 = 1/400): at half this value, chance prolongs airings by seconds; at twice this value,
//!   airings under speech are interrupted.
//! - `REDETECTED_LOG_P` (-10): at half this value, unrelated audio continues airings by chance; at twice this value,
//!   airings are not found again under speech.
//! - `MIN_BREAK_TICKS` (2 s): at half this value, short noise counts as a break, and the line is fitted to less audio;
//!   at twice this value, the line is fitted across lost audio.
//! - `RECENT_AUDIO_TICKS` (4, 2 and 1 s): with only the shortest, airings under speech are detected again later; with
//!   only the longest, clean airings are.
//! - `MIN_PEAKS` (5): at half this value, two peaks can decide; at twice this value, sparse music is extended later.
//! - `FITTED_TICKS` (20 s): at half this value, the speed is less exact; at twice this value, a clock that drifts by
//!   one part in two thousand reaches the tolerance.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::matching::edges::EdgeBounds;
use crate::matching::line::{FINE, compare_range};
use crate::matching::query::Query;
use crate::matching::trace::{Trace, TraceStart, evidence_of};

use super::{CONTINUED_LOG_P, FITTED_TICKS, MIN_BREAK_TICKS, MIN_MISSED_PEAKS, TrackedAiring};

/// Lengths of an airing (5, 10 and 20 s, in ticks) at which it is traced back again. An airing is found a few seconds
/// after its start, when little of it is known; later its start can be determined more exactly. With half of them,
/// starts that were masked at first stay inexact; with more, each airing costs more traces.
pub(super) const RETRACED_AT_TICKS: [f64; 3] =
    [5.0 * TICKS_PER_SECOND, 10.0 * TICKS_PER_SECOND, 20.0 * TICKS_PER_SECOND];
/// Maximum length of a start or end that may be masked by speech (1.5 s, in ticks). At half this value, starts and ends
/// below speech are reported too late or too early; at twice this value, songs that were cut there are reported up to
/// the end of their track.
const MAX_HIDDEN_TICKS: f64 = 1.5 * TICKS_PER_SECOND;
/// Length of the audio next to a start or end that is examined to decide whether the start or end is masked (5 s, in
/// ticks). At half this value, few peaks decide; at twice this value, clean audio farther inside hides the masked edge.
const EDGE_AUDIO_TICKS: f64 = 5.0 * TICKS_PER_SECOND;
/// Distance below which two starts of an airing count as the same (0.2 s, in ticks). At half this value, starts that
/// differ by noise count as changed; at twice this value, a lost beginning of 0.3 s is not noticed.
const SAME_START_TICKS: f64 = 0.2 * TICKS_PER_SECOND;

impl TrackedAiring {
    /// Moves the start of the airing to the time `from` in the stream (ticks).
    pub(in crate::matching::live) fn move_start(&mut self, from: f64) {
        self.reference_from = (self.reference_from + (from - self.from) * self.line.speed).max(0.0);
        self.from = from;
    }

    /// Returns true if the airing has become longer than the next length in [`RETRACED_AT_TICKS`].
    pub(in crate::matching::live) fn is_to_be_retraced(&self) -> bool {
        RETRACED_AT_TICKS.get(self.retraced).is_some_and(|length| self.last_detected() - self.from > *length)
    }

    /// Traces the airing back again, to determine its start more exactly. Peaks marked in `used` belong to other
    /// airings.
    pub(in crate::matching::live) fn retrace(&mut self, query: &Query<'_>, used: &[bool]) {
        self.retraced += 1;
        // After a break, the trace would stop at the break. If the start has left the history, it can no longer be
        // improved.
        if self.since > self.from || self.from < query.from + TICKS_PER_SECOND && query.from > 0.0 {
            return;
        }
        let trace = Trace::grow(&self.seed(self.from), query, used);
        if let Some(trace) = trace.filter(|trace| trace.to > self.last_detected() - MIN_BREAK_TICKS)
            && !self.omits_beginning(&trace, query)
        {
            self.replace_trace(&trace);
        }
    }

    /// Returns true if a trace omits a beginning that is significant by itself. This happens below speech, where fewer
    /// peaks of the beginning are found than of the rest.
    fn omits_beginning(&self, trace: &Trace, query: &Query<'_>) -> bool {
        if trace.from < self.from + SAME_START_TICKS {
            return false;
        }
        let index = |time: f64| {
            let at = trace.line.reference(time);
            self.reference.peaks.partition_point(|p| f64::from(p.time) < at)
        };
        let range = index(self.from)..index(trace.from).max(index(self.from));
        let mut outcomes = Vec::new();
        compare_range(&self.reference.peaks, range, query.peaks, &trace.line, FINE, &mut outcomes);
        evidence_of(&self.reference, &outcomes, &trace.line, query).log_p() <= CONTINUED_LOG_P
    }

    fn seed(&self, from: f64) -> TraceStart<'_> {
        TraceStart {
            reference: &self.reference,
            line: self.line,
            from,
            to: self.last_detected(),
            survival: self.survival,
            window_log_p: self.window_log_p,
            tried: self.tried,
        }
    }

    /// Determines the end of the airing, and its start if the airing is short. Peaks marked in `used` belong to other
    /// airings.
    pub(in crate::matching::live) fn close(&mut self, query: &Query<'_>, used: &[bool]) {
        let detected = self.last_detected();
        let latest = self.since.max(detected - FITTED_TICKS).max(query.from);
        let short = self.before.is_none() && latest <= self.from;
        // After a break only the last stretch is traced, because the ones before it have their own lines or have left
        // the history.
        let part = Query { from: if short { query.from } else { latest }, ..*query };
        let Some(trace) = Trace::grow(&self.seed(latest), &part, used) else { return };
        if trace.to < detected - MIN_BREAK_TICKS {
            return;
        }
        if short && !self.omits_beginning(&trace, query) {
            self.replace_trace(&trace);
        } else {
            (self.to, self.end) = (trace.to, trace.ends[1]);
            self.line = trace.line;
            self.detected = trace.outcomes.last().map_or(self.detected, |o| o.reference as usize + 1);
        }
    }

    /// Extends the airing to the ends of its track where it is so degraded that missing peaks carry little information.
    /// A song is seldom cut a few seconds after its beginning or before its end, but speech is common there. The airing
    /// is not extended beyond `free` (earliest start and latest end, in ticks of the stream).
    pub(in crate::matching::live) fn extend_to_track_ends(&mut self, free: (f64, f64)) {
        let beginning = self.line.query(0.0);
        if self.seam.is_none()
            && self.from - beginning < MAX_HIDDEN_TICKS
            && beginning >= free.0
            && self.is_degraded(self.from, self.from + EDGE_AUDIO_TICKS)
        {
            self.move_start(beginning);
            self.start = EdgeBounds::at(beginning);
        }
        let end = self.line.query(self.reference.ticks);
        if end - self.to < MAX_HIDDEN_TICKS
            && end <= free.1
            && self.is_degraded(self.to - EDGE_AUDIO_TICKS, self.to)
        {
            self.to = end;
            self.end = EdgeBounds::at(end);
        }
    }

    /// Returns true if at least [`MIN_MISSED_PEAKS`] peaks are expected between the stream times `from` and `to`
    /// (ticks), and less than half of them were found.
    fn is_degraded(&self, from: f64, to: f64) -> bool {
        let index = |time: f64| {
            let at = self.line.reference(time);
            self.reference.peaks.partition_point(|p| f64::from(p.time) < at)
        };
        let range = index(from).max(self.first)..index(to).min(self.detected);
        let found = range.clone().filter(|index| self.is_found(*index)).count();
        range.len() >= MIN_MISSED_PEAKS && 2 * found < range.len()
    }
}
