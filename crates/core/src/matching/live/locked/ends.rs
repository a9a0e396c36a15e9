//! Start and end of an airing.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::matching::edges::End;
use crate::matching::line::compare_range;
use crate::matching::trace::{Query, Seed, Trace, weigh};
use crate::matching::verify::FINE;

use super::{BREAK, FITTED, Locked, MISSED, STILL_HEARD};

/// Lengths (in ticks) at which an airing is traced back again. An airing is found a few seconds after its start, when little
/// of it is known; later its start is more exact.
pub(super) const RETRACED_AT: [f64; 3] =
    [5.0 * TICKS_PER_SECOND, 10.0 * TICKS_PER_SECOND, 20.0 * TICKS_PER_SECOND];
/// Maximum length of a start or end that may be masked by speech (1.5 s, in ticks).
const HIDDEN: f64 = 1.5 * TICKS_PER_SECOND;
/// Length of the audio next to a start or end that shows if it is masked (5 s, in ticks).
const AROUND: f64 = 5.0 * TICKS_PER_SECOND;
/// Starts nearer than this, in ticks, count as the same.
const SAME_START: f64 = 0.2 * TICKS_PER_SECOND;

impl Locked {
    /// Moves the start of the airing to a time (ticks).
    pub(in crate::matching::live) fn begin_at(&mut self, from: f64) {
        self.reference_from = (self.reference_from + (from - self.from) * self.line.speed).max(0.0);
        self.from = from;
    }

    /// Returns true if the airing has become long enough to be traced back again.
    pub(in crate::matching::live) fn is_to_be_retraced(&self) -> bool {
        RETRACED_AT.get(self.retraced).is_some_and(|length| self.last_heard() - self.from > *length)
    }

    /// Traces the airing back again. Peaks marked in `used` belong to other airings.
    pub(in crate::matching::live) fn retrace(&mut self, query: &Query<'_>, used: &[bool]) {
        self.retraced += 1;
        if self.since > self.from || self.from < query.from + TICKS_PER_SECOND && query.from > 0.0 {
            return;
        }
        let trace = Trace::grow(&self.seed(self.from), query, used);
        if let Some(trace) = trace.filter(|trace| trace.to > self.last_heard() - BREAK)
            && !self.loses(&trace, query)
        {
            self.adopt(&trace);
        }
    }

    /// Returns true if a trace omits a beginning that is significant by itself. This happens below speech, where fewer peaks
    /// of the beginning are found than of the rest.
    fn loses(&self, trace: &Trace, query: &Query<'_>) -> bool {
        if trace.from < self.from + SAME_START {
            return false;
        }
        let index = |time: f64| {
            let at = trace.line.reference(time);
            self.reference.peaks.partition_point(|p| f64::from(p.time) < at)
        };
        let range = index(self.from)..index(trace.from).max(index(self.from));
        let mut outcomes = Vec::new();
        compare_range(&self.reference.peaks, range, query.peaks, &trace.line, FINE, &mut outcomes);
        weigh(&self.reference, &outcomes, &trace.line, query).log_p() <= STILL_HEARD
    }

    fn seed(&self, from: f64) -> Seed<'_> {
        Seed {
            reference: &self.reference,
            line: self.line,
            from,
            to: self.last_heard(),
            survival: self.survival,
            window_log_p: self.window_log_p,
            tried: self.tried,
        }
    }

    /// Determines the end of the airing, and its start if the airing is short. Peaks marked in `used` belong to other
    /// airings.
    pub(in crate::matching::live) fn close(&mut self, query: &Query<'_>, used: &[bool]) {
        let heard = self.last_heard();
        let latest = self.since.max(heard - FITTED).max(query.from);
        let short = self.before.is_none() && latest <= self.from;
        let part = Query { from: if short { query.from } else { latest }, ..*query };
        let Some(trace) = Trace::grow(&self.seed(latest), &part, used) else { return };
        if trace.to < heard - BREAK {
            return;
        }
        if short && !self.loses(&trace, query) {
            self.adopt(&trace);
        } else {
            (self.to, self.end) = (trace.to, trace.ends[1]);
            self.line = trace.line;
            self.heard = trace.outcomes.last().map_or(self.heard, |o| o.reference as usize + 1);
        }
    }

    /// Extends the airing to the ends of its track where it is so degraded that missing peaks carry little information. A
    /// song is seldom cut a few seconds after its beginning or before its end, but speech is common there. The airing is not
    /// extended beyond `free` (ticks of the stream).
    pub(in crate::matching::live) fn reach_ends(&mut self, free: (f64, f64)) {
        let beginning = self.line.query(0.0);
        if self.seam.is_none()
            && self.from - beginning < HIDDEN
            && beginning >= free.0
            && self.is_worn(self.from, self.from + AROUND)
        {
            self.begin_at(beginning);
            self.start = End::at(beginning);
        }
        let end = self.line.query(self.reference.ticks);
        if end - self.to < HIDDEN && end <= free.1 && self.is_worn(self.to - AROUND, self.to) {
            self.to = end;
            self.end = End::at(end);
        }
    }

    /// Returns true if less than half of the peaks between two times (ticks) were found.
    fn is_worn(&self, from: f64, to: f64) -> bool {
        let index = |time: f64| {
            let at = self.line.reference(time);
            self.reference.peaks.partition_point(|p| f64::from(p.time) < at)
        };
        let range = index(from).max(self.first)..index(to).min(self.heard);
        let found = range.clone().filter(|index| self.is_found(*index)).count();
        range.len() >= MISSED && 2 * found < range.len()
    }
}
