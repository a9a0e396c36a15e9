//! An airing that was found: from then on it is only verified against its own track, at the expected place.

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

/// A peak of the track is looked for when the stream is so far beyond its place (ticks) that it cannot come later.
const BEHIND: f64 = FINE.time + 1.0;
/// What follows without a break is still the airing below this logarithm of the probability of chance …
const STILL_HEARD: f64 = -6.0;
/// … and what follows after a break (2 s, ticks) below this: it could have been many.
const HEARD_AGAIN: f64 = -10.0;
const BREAK: f64 = 2.0 * TICKS_PER_SECOND;
/// Stretches (ticks) before now that may show alone that it is heard again.
const LATEST: [f64; 3] = [4.0 * TICKS_PER_SECOND, 2.0 * TICKS_PER_SECOND, TICKS_PER_SECOND];
/// Fewer peaks show nothing.
const FEWEST: usize = 5;
/// The line is fitted to the last 20 s (ticks): long enough to be exact, short enough to follow a drifting clock.
const FITTED: f64 = 20.0 * TICKS_PER_SECOND;
/// An airing of which nothing was heard for so long (10 s, ticks) is over …
const LOST: f64 = 10.0 * TICKS_PER_SECOND;
/// … sooner (3 s) where another one has begun since …
const LOST_BESIDE: f64 = 3.0 * TICKS_PER_SECOND;
/// … if so many peaks should have been heard meanwhile: a song may hold a pause.
const MISSED: usize = 20;

/// An airing.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) id: u64,
    pub(super) reference: Arc<Reference>,
    /// The tracks that carry the recording, as far as it is known; this one is the first.
    pub(super) tracks: Vec<TrackNumber>,
    pub(super) line: Line,
    /// Start in the stream, ticks, with its bounds, and the time in the track there.
    pub(super) from: f64,
    pub(super) start: End,
    reference_from: f64,
    /// End in the stream, ticks, with its bounds: so far, the last peak that was heard.
    pub(super) to: f64,
    pub(super) end: End,
    /// The stretches before the last seam, and where the stretch behind it begins in the stream and in the track, ticks.
    pieces: Vec<Piece>,
    seam: Option<(f64, f64)>,
    /// Since when it was heard without a break, ticks.
    since: f64,
    /// Index of the track's first peak in the airing, and behind that of the last one that was heard.
    first: usize,
    heard: usize,
    /// Which of the track's peaks were found, a bit each.
    found: Vec<u64>,
    evidence: Evidence,
    survival: Survival,
    /// Natural logarithms of what the window proved in which it was found, of the scales tried for it, and of the
    /// hypotheses of an hour.
    window_log_p: f64,
    tried: f64,
    correction: f64,
    /// Times that it was followed back.
    retraced: usize,
    /// What was counted before this matcher took over.
    before: Option<Airing>,
    /// When it was told of last, ticks.
    pub(super) told: f64,
}

impl Locked {
    /// An airing that begins with what was traced so far.
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

    /// One that another matcher had found: its start is kept.
    pub(super) fn continued(mut airing: Airing, trace: &Trace, correction: f64, now: f64) -> Self {
        let mut this = Self::new(airing.id, trace, correction, now);
        // Sound that is processed again counts once.
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

    /// Takes what was traced in the place of what was known.
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

    /// Goes along what was traced from now on.
    fn run_along(&mut self, trace: &Trace) {
        self.line = trace.line;
        (self.to, self.end) = (trace.to, trace.ends[1]);
        self.since = trace.from;
        self.survival = trace.evidence.survival();
        self.found.clear();
        self.found.resize(self.reference.peaks.len().div_ceil(64), 0);
        self.mark(&trace.outcomes);
    }

    fn mark(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes.iter().filter(|o| o.query.is_some()) {
            if let Some(bits) = self.found.get_mut(outcome.reference as usize / 64) {
                *bits |= 1 << (outcome.reference % 64);
            }
        }
    }

    fn is_found(&self, index: usize) -> bool {
        self.found.get(index / 64).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }

    /// Time in the stream of a peak of the track.
    fn time(&self, index: usize) -> f64 {
        self.reference.peaks.get(index).map_or(self.from, |p| self.line.query(f64::from(p.time)))
    }

    /// Time in the stream of the last peak that was heard, ticks.
    pub(super) fn last_heard(&self) -> f64 {
        self.heard.checked_sub(1).map_or(self.from, |index| self.time(index))
    }

    /// Index behind the last peak of the track that was expected before a time, ticks.
    fn expected(&self, at: f64) -> usize {
        let limit = self.line.reference(at);
        self.reference.peaks.partition_point(|p| f64::from(p.time) < limit).max(self.heard)
    }

    /// Looks for what should have been heard since.
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

    /// Takes in outcomes, of which those from `start` on were heard.
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

    /// Fits the line to what was heard lately without a break.
    fn refit(&mut self, query: &Query<'_>, outcomes: &mut Vec<Outcome>) {
        let from = self.line.reference(self.since.max(self.last_heard() - FITTED).max(query.from));
        let peaks = &self.reference.peaks;
        let first = peaks.partition_point(|p| f64::from(p.time) < from).min(self.heard);
        compare_range(peaks, first..self.heard, query.peaks, &self.line, FOLLOWING, outcomes);
        self.line = fit(peaks, query.peaks, outcomes, &self.line);
        self.to = self.last_heard();
        self.end = End::at(self.to);
    }

    /// Whether a line of a track is this one at a time, ticks.
    pub(super) fn is_along(&self, reference: &Reference, line: &Line, at: f64) -> bool {
        self.reference.number == reference.number
            && (self.line.reference(at) - line.reference(at)).abs() <= SAME_TICKS
    }

    /// Returns true if it is of the recording that one of these tracks carries.
    pub(super) fn is_of(&self, tracks: &[TrackNumber]) -> bool {
        self.tracks.iter().any(|track| tracks.contains(track))
    }

    /// Notes tracks that carry the recording too.
    pub(super) fn add_tracks(&mut self, tracks: &[TrackNumber]) {
        for track in tracks {
            if !self.tracks.contains(track) {
                self.tracks.push(*track);
            }
        }
    }

    /// Marks the peaks that it explains from a time on.
    pub(super) fn explain(&self, query: &Query<'_>, outcomes: &mut Vec<Outcome>, used: &mut [bool]) {
        let peaks = &self.reference.peaks;
        self.pieces.iter().for_each(|piece| piece.explain(peaks, query, outcomes, used));
        let begins = self.seam.map_or(self.from, |(from, _)| from);
        let from = self.line.reference(query.from.max(begins));
        let first = peaks.partition_point(|p| f64::from(p.time) < from).min(self.heard);
        // What was not looked at yet is likely explained too: it is tried in the place where it is expected.
        let end = if self.is_heard(query.to) { self.expected(query.to) } else { self.heard };
        compare_range(peaks, first..end, query.peaks, &self.line, FINE, outcomes);
        for query in outcomes.iter().filter_map(|o| o.query) {
            if let Some(used) = used.get_mut(query as usize) {
                *used = true;
            }
        }
    }

    /// Whether it is heard at a time, ticks.
    pub(super) fn is_heard(&self, at: f64) -> bool {
        super::hunt::is_fresh(self.last_heard(), at)
    }
}
