//! Airings of several stretches, between which audio of the stream is lost or repeated.

use crate::fingerprint::{Peak, TICKS_PER_SECOND};
use crate::matching::line::{FINE, Line, PeakOutcome, compare_range};
use crate::matching::live::event::Airing;
use crate::matching::query::Query;
use crate::matching::trace::{SAME_TICKS, Trace};
use crate::matching::{Match, Segment};

use super::TrackedAiring;

/// Minimum length of the part of the previous matcher's airing that is kept when the rest is found again (1 s, in
/// ticks). At half this value, inexact ends leave segments of a few peaks; at twice this value, up to 2 s of the
/// previous matcher's airing are dropped.
const MIN_STRETCH_TICKS: f64 = TICKS_PER_SECOND;

/// A stretch of an airing that ended at a seam.
#[derive(Debug, Clone)]
pub(super) struct EndedStretch {
    line: Line,
    /// Start and end in the stream, in ticks.
    from: f64,
    to: f64,
    /// Numbers of aligned landmarks, expected peaks and matched peaks.
    pub(super) counts: [u32; 3],
}

impl EndedStretch {
    /// Returns the stretches that the previous matcher reported of an airing: one if the matcher found no seam. Their
    /// counts are 0, because `airing` keeps the counts.
    pub(super) fn of_other_matcher(airing: &Airing) -> Vec<Self> {
        let Match { query_start, query_end, reference_start, ref segments, .. } = airing.detected;
        let whole = Segment { query_start, query_end, reference_start, speed: airing.current_speed };
        let (last, earlier) = segments.split_last().unwrap_or((&whole, &[]));
        // The stretches go from end to end, because the stored speed of a long segment is not exact enough.
        let stretch = |one: &Segment, reference_end: f64| {
            let from = one.query_start * TICKS_PER_SECOND;
            let length = (one.query_end - one.query_start).max(f64::EPSILON) * TICKS_PER_SECOND;
            let reference = one.reference_start * TICKS_PER_SECOND;
            let speed = (reference_end * TICKS_PER_SECOND - reference).max(f64::EPSILON) / length;
            let line = Line { offset: reference - speed * from, speed, pitch: 1.0 };
            Self { line, from, to: from + length, counts: [0; 3] }
        };
        let earlier = earlier.iter().map(|one| stretch(one, one.reference(one.query_end)));
        earlier.chain([stretch(last, airing.reference_end)]).collect()
    }

    /// Returns the part before the stream time `time` (ticks), or `None` if that part is shorter than
    /// [`MIN_STRETCH_TICKS`].
    pub(super) fn before(self, time: f64) -> Option<Self> {
        let to = self.to.min(time);
        (to - self.from >= MIN_STRETCH_TICKS).then_some(Self { to, ..self })
    }

    /// Returns the length in ticks.
    pub(super) fn length(&self) -> f64 {
        self.to - self.from
    }

    fn segment(&self) -> Segment {
        Segment {
            query_start: self.from / TICKS_PER_SECOND,
            query_end: self.to / TICKS_PER_SECOND,
            reference_start: (self.line.reference(self.from) / TICKS_PER_SECOND).max(0.0),
            speed: self.line.speed,
        }
    }

    /// Marks the query's peaks that the stretch explains in `used`.
    pub(super) fn explain(
        &self,
        peaks: &[Peak],
        query: &Query<'_>,
        outcomes: &mut Vec<PeakOutcome>,
        used: &mut [bool],
    ) {
        let at = |time: f64| peaks.partition_point(|p| f64::from(p.time) < self.line.reference(time));
        let (first, end) = (at(self.from.max(query.from)), at(self.to));
        compare_range(peaks, first..end.max(first), query.peaks, &self.line, FINE, outcomes);
        for query in outcomes.iter().filter_map(|o| o.query) {
            if let Some(used) = used.get_mut(query as usize) {
                *used = true;
            }
        }
    }
}

impl TrackedAiring {
    /// Continues the airing along a trace of its track. Returns false and changes nothing if the trace does not
    /// continue the airing.
    pub(in crate::matching::live) fn splice(&mut self, trace: &Trace, query: &Query<'_>) -> bool {
        let detected = self.last_detected();
        let (from, reference) = self.seam.unwrap_or((self.from, self.reference_from));
        let Some(jump) = trace.jump_from((&self.line, from, detected)) else { return false };
        let (Some(first), Some(last)) = (trace.outcomes.first(), trace.outcomes.last()) else { return false };
        let along = jump.abs() <= SAME_TICKS;
        // The stretch before the seam is closed with the mean speed of all of it, because the current line is fitted to
        // its end only.
        if !along {
            let speed = (self.line.reference(detected) - reference) / (detected - from).max(1.0);
            let line = Line { offset: reference - speed * from, speed, pitch: self.line.pitch };
            self.pieces.push(EndedStretch { line, from, to: detected, counts: self.own_counts() });
            self.seam = Some((trace.from, trace.line.reference(trace.from).max(0.0)));
            self.first = first.reference as usize;
        }
        let found = std::mem::take(&mut self.found);
        self.follow_trace(trace);
        // On the same line, the new trace replaces the marks of its own part only, so the older marks are added again.
        if along {
            self.found.iter_mut().zip(found).for_each(|(bits, before)| *bits |= before);
        }
        self.detected = last.reference as usize + 1;
        for outcome in &trace.outcomes {
            let Some(peak) = self.reference.peaks.get(outcome.reference as usize) else { continue };
            let found = outcome.query.and_then(|q| query.peaks.get(q as usize));
            let found = found.map(|found| self.line.deviation(peak, found));
            self.evidence.add(peak, found, query.chance, query.chance.of(peak, &self.line), 0.0);
        }
        true
    }

    /// Returns the segments of the airing, in order of time.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let (from, reference) = self.seam.unwrap_or((self.from, self.reference_from));
        let last = Segment {
            query_start: from / TICKS_PER_SECOND,
            query_end: self.to / TICKS_PER_SECOND,
            reference_start: reference.max(0.0) / TICKS_PER_SECOND,
            speed: self.speed(),
        };
        self.pieces.iter().map(EndedStretch::segment).chain([last]).collect()
    }
}
