//! Tracking of an airing that was found: from then on it is only verified against its own track, at the expected place.

mod ends;
mod over;
mod pieces;
mod report;

use std::sync::Arc;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;
use crate::matching::edges::End;
use crate::matching::line::{Line, Outcome, compare_range, fit};
use crate::matching::reference::Reference;
use crate::matching::significance::{Evidence, Survival};
use crate::matching::trace::{FOLLOWING, Query, SAME_TICKS, Trace, stretch, weigh};
use crate::matching::verify::FINE;

use super::event::Airing;
use ends::RETRACED_AT;
use pieces::Piece;

/// Delay (in ticks) after which a peak of the track can no longer be found, so that it can be looked up.
const BEHIND: f64 = FINE.time + 1.0;
/// Log-probability of chance below which the audio after the last detection still belongs to the airing.
const STILL_HEARD: f64 = -6.0;
/// Log-probability of chance below which audio after a break belongs to the airing. It is lower because more stretches could
/// have been selected.
const HEARD_AGAIN: f64 = -10.0;
/// Minimum length of a break (2 s, in ticks).
const BREAK: f64 = 2.0 * TICKS_PER_SECOND;
/// Lengths of the most recent audio (ticks) that can show alone that the airing is audible again.
const LATEST: [f64; 3] = [4.0 * TICKS_PER_SECOND, 2.0 * TICKS_PER_SECOND, TICKS_PER_SECOND];
/// Minimum number of expected peaks for a decision.
const FEWEST: usize = 5;
/// Length of the most recent audio to which the line is fitted (20 s, in ticks): long enough to be exact, short enough to
/// follow a clock that drifts.
const FITTED: f64 = 20.0 * TICKS_PER_SECOND;
/// Time without detection after which an airing has ended (10 s, in ticks). Silent seconds do not count, for up to 30 s.
const LOST: f64 = 10.0 * TICKS_PER_SECOND;
/// Time without detection after which an airing has ended if another airing has started since then (3 s, in ticks).
const LOST_BESIDE: f64 = 3.0 * TICKS_PER_SECOND;
/// Minimum number of peaks expected since the last detection before an airing ends, because a song may contain a pause.
const MISSED: usize = 20;

/// An airing that is being tracked, or one that ended recently.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) id: u64,
    pub(super) reference: Arc<Reference>,
    /// Tracks that carry the recording, as far as known; the track of the airing is the first.
    pub(super) tracks: Vec<TrackNumber>,
    pub(super) line: Line,
    /// Start in the stream, in ticks.
    pub(super) from: f64,
    /// Bounds of the start.
    pub(super) start: End,
    /// Time in the track at `from`, in ticks.
    reference_from: f64,
    /// End in the stream, in ticks. While the airing is open, this is the time of the last peak that was found.
    pub(super) to: f64,
    /// Bounds of the end.
    pub(super) end: End,
    /// Stretches before the last seam.
    pieces: Vec<Piece>,
    /// Start of the stretch after the last seam in the stream and in the track, in ticks.
    seam: Option<(f64, f64)>,
    /// Start of the time during which the airing was detected without a break, in ticks.
    since: f64,
    /// Index of the track's first peak in the airing.
    first: usize,
    /// Index after the last peak of the track that was found.
    heard: usize,
    /// Set of the track's peaks that were found, one bit per peak.
    found: Vec<u64>,
    evidence: Evidence,
    survival: Survival,
    /// Natural logarithm of the probability of chance in the window where the airing was found.
    window_log_p: f64,
    /// Natural logarithm of the number of scales that were tried.
    tried: f64,
    /// Natural logarithm of the number of hypotheses per hour.
    correction: f64,
    /// Number of times that the airing was traced back.
    retraced: usize,
    /// State of the airing before this matcher took over, with counts of the part that is kept; `None` if this matcher found
    /// it.
    before: Option<Airing>,
    /// Time of the last event, in ticks.
    pub(super) told: f64,
}

impl Locked {
    /// Creates an airing from its first trace.
    pub(super) fn new(id: u64, trace: &Trace, correction: f64, now: f64) -> Self {
        let mut this = Self {
            id,
            reference: Arc::clone(&trace.reference),
            tracks: vec![trace.reference.number],
            line: trace.line,
            from: trace.from,
            start: trace.ends[0],
            reference_from: 0.0,
            to: trace.to,
            end: trace.ends[1],
            pieces: Vec::new(),
            seam: None,
            since: trace.from,
            first: 0,
            heard: 0,
            found: Vec::new(),
            evidence: Evidence::default(),
            survival: trace.evidence.survival(),
            window_log_p: trace.window_log_p,
            tried: trace.tried,
            correction,
            retraced: 0,
            before: None,
            told: now,
        };
        this.retraced = RETRACED_AT.iter().filter(|length| this.to - this.from > **length).count();
        this.adopt(trace);
        this
    }

    /// Creates an airing that continues one of the previous matcher. It keeps the start of that airing.
    pub(super) fn continued(mut airing: Airing, trace: &Trace, correction: f64, now: f64) -> Self {
        let mut this = Self::new(airing.id, trace, correction, now);
        // Audio that is processed again counts once.
        let known = Piece::of_other_matcher(&airing);
        let length = known.length();
        let kept = known.before(trace.from);
        airing.keep_counts(kept.as_ref().map_or(0.0, Piece::length) / length);
        this.pieces.extend(kept);
        this.seam = Some((trace.from, trace.line.reference(trace.from)));
        this.from = airing.heard.query_start * TICKS_PER_SECOND;
        this.start = End::at(this.from);
        this.reference_from = airing.heard.reference_start * TICKS_PER_SECOND;
        let p = airing.heard.false_positive_probability.max(f64::MIN_POSITIVE);
        this.window_log_p = (p.ln() - correction) / super::TRUSTED;
        this.retraced = RETRACED_AT.len();
        this.before = Some(airing);
        this
    }

    /// Replaces the stretches of the airing by a trace.
    pub(super) fn adopt(&mut self, trace: &Trace) {
        let (Some(first), Some(last)) = (trace.outcomes.first(), trace.outcomes.last()) else { return };
        self.pieces.clear();
        self.seam = None;
        (self.from, self.start) = (trace.from, trace.ends[0]);
        self.reference_from = trace.line.reference(trace.from).max(0.0);
        self.evidence = trace.evidence;
        (self.first, self.heard) = (first.reference as usize, last.reference as usize + 1);
        self.run_along(trace);
    }

    /// Continues the airing along a trace.
    fn run_along(&mut self, trace: &Trace) {
        self.line = trace.line;
        (self.to, self.end) = (trace.to, trace.ends[1]);
        self.since = trace.from;
        self.survival = trace.evidence.survival();
        self.found.clear();
        self.found.resize(self.reference.peaks.len().div_ceil(64), 0);
        self.mark(&trace.outcomes);
    }

    /// Marks the track's peaks that were found.
    fn mark(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes.iter().filter(|o| o.query.is_some()) {
            if let Some(bits) = self.found.get_mut(outcome.reference as usize / 64) {
                *bits |= 1 << (outcome.reference % 64);
            }
        }
    }

    /// Returns true if the track's peak with this index was found.
    fn is_found(&self, index: usize) -> bool {
        self.found.get(index / 64).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }

    /// Returns the time in the stream of a peak of the track, in ticks.
    fn time(&self, index: usize) -> f64 {
        self.reference.peaks.get(index).map_or(self.from, |p| self.line.query(f64::from(p.time)))
    }

    /// Returns the time in the stream of the last peak that was found, in ticks.
    pub(super) fn last_heard(&self) -> f64 {
        self.heard.checked_sub(1).map_or(self.from, |index| self.time(index))
    }

    /// Returns the index after the last peak of the track that was expected before a time (ticks).
    fn expected(&self, at: f64) -> usize {
        let limit = self.line.reference(at);
        self.reference.peaks.partition_point(|p| f64::from(p.time) < limit).max(self.heard)
    }

    /// Looks up the peaks that were expected since the last detection and extends the airing if they are significant.
    pub(super) fn extend(&mut self, query: &Query<'_>, outcomes: &mut Vec<Outcome>) {
        let expected = self.heard..self.expected(query.to - BEHIND);
        compare_range(&self.reference.peaks, expected, query.peaks, &self.line, FINE, outcomes);
        let unheard = query.to - self.last_heard();
        for latest in std::iter::once(f64::INFINITY).chain(LATEST) {
            if latest.is_finite() && latest >= unheard {
                continue;
            }
            let first = outcomes.partition_point(|o| self.time(o.reference as usize) < query.to - latest);
            let part = &outcomes[first..];
            if part.len() < FEWEST {
                return;
            }
            let evidence = weigh(&self.reference, part, &self.line, query);
            let limit = if unheard < BREAK { STILL_HEARD } else { HEARD_AGAIN };
            if evidence.log_p() > limit {
                continue;
            }
            self.survival = evidence.survival();
            let Some((start, end)) = stretch(&self.reference, part, &self.line, query, self.survival) else {
                continue;
            };
            self.take(&outcomes[..first + end], first + start, query);
            self.refit(query, outcomes);
            return;
        }
    }

    /// Adds outcomes to the airing; the airing was detected from outcome `start` on.
    fn take(&mut self, outcomes: &[Outcome], start: usize, query: &Query<'_>) {
        let resumed = outcomes.get(start).map_or(self.from, |o| self.time(o.reference as usize));
        if resumed - self.last_heard() > BREAK {
            self.since = resumed;
        }
        for outcome in outcomes {
            let Some(peak) = self.reference.peaks.get(outcome.reference as usize) else { continue };
            let found = outcome.query.and_then(|q| query.peaks.get(q as usize));
            let found = found.map(|found| self.line.sighting(peak, found));
            self.evidence.add(peak, found, query.chance, query.chance.of(peak, &self.line), 0.0);
        }
        self.mark(outcomes);
        self.heard = outcomes.last().map_or(self.heard, |o| o.reference as usize + 1);
        self.to = self.last_heard();
        self.end = End::at(self.to);
    }

    /// Fits the line to the most recent audio without a break.
    fn refit(&mut self, query: &Query<'_>, outcomes: &mut Vec<Outcome>) {
        let from = self.line.reference(self.since.max(self.last_heard() - FITTED).max(query.from));
        let peaks = &self.reference.peaks;
        let first = peaks.partition_point(|p| f64::from(p.time) < from).min(self.heard);
        compare_range(peaks, first..self.heard, query.peaks, &self.line, FOLLOWING, outcomes);
        self.line = fit(peaks, query.peaks, outcomes, &self.line);
        self.to = self.last_heard();
        self.end = End::at(self.to);
    }

    /// Returns true if a line of a track is the line of the airing at a time (ticks).
    pub(super) fn is_along(&self, reference: &Reference, line: &Line, at: f64) -> bool {
        self.reference.number == reference.number
            && (self.line.reference(at) - line.reference(at)).abs() <= SAME_TICKS
    }

    /// Returns true if the airing is of the recording that one of these tracks carries.
    pub(super) fn is_of(&self, tracks: &[TrackNumber]) -> bool {
        self.tracks.iter().any(|track| tracks.contains(track))
    }

    /// Adds tracks that also carry the recording.
    pub(super) fn add_tracks(&mut self, tracks: &[TrackNumber]) {
        for track in tracks {
            if !self.tracks.contains(track) {
                self.tracks.push(*track);
            }
        }
    }

    /// Marks the query's peaks that the airing explains in `used`.
    pub(super) fn explain(&self, query: &Query<'_>, outcomes: &mut Vec<Outcome>, used: &mut [bool]) {
        let peaks = &self.reference.peaks;
        self.pieces.iter().for_each(|piece| piece.explain(peaks, query, outcomes, used));
        let begins = self.seam.map_or(self.from, |(from, _)| from);
        let from = self.line.reference(query.from.max(begins));
        let first = peaks.partition_point(|p| f64::from(p.time) < from).min(self.heard);
        // Peaks that were not looked up yet are probably explained, too, so they are looked up at their expected places.
        let end = if self.is_heard(query.to) { self.expected(query.to) } else { self.heard };
        compare_range(peaks, first..end, query.peaks, &self.line, FINE, outcomes);
        for query in outcomes.iter().filter_map(|o| o.query) {
            if let Some(used) = used.get_mut(query as usize) {
                *used = true;
            }
        }
    }

    /// Returns true if the airing counts as detected at a time (ticks).
    pub(super) fn is_heard(&self, at: f64) -> bool {
        super::hunt::is_fresh(self.last_heard(), at)
    }
}
