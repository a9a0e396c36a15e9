//! Tracking of an airing that was found: the airing is only verified against its own track, at the expected place. The
//! docs of `ends.rs` and `ended.rs` give the reasons for the limits.

mod ended;
mod ends;
mod pieces;
mod report;

use std::sync::Arc;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;
use crate::matching::edges::EdgeBounds;
use crate::matching::line::{FINE, Line, PeakOutcome, compare_range, fit};
use crate::matching::query::Query;
use crate::matching::reference::Reference;
use crate::matching::significance::{PeakEvidence, Survival};
use crate::matching::trace::{FOLLOWING, SAME_TICKS, Trace, evidence_of, stretch};

use super::event::Airing;
use ends::RETRACED_AT_TICKS;
use pieces::EndedStretch;

/// Time, in ticks, from the expected time of a track's peak until the peak is looked up: later peaks of the query
/// cannot match.
const LOOKUP_DELAY_TICKS: f64 = FINE.time + 1.0;
/// Log-probability of chance below which the audio after the last detection still belongs to the airing.
const CONTINUED_LOG_P: f64 = -6.0;
/// Log-probability of chance below which audio after a break belongs to the airing. It is lower than
/// [`CONTINUED_LOG_P`] because more stretches could have been selected.
const REDETECTED_LOG_P: f64 = -10.0;
/// Minimum length of a break (2 s, in ticks).
const MIN_BREAK_TICKS: f64 = 2.0 * TICKS_PER_SECOND;
/// Lengths of the most recent audio, in ticks. Each alone can show that the airing is audible again.
const RECENT_AUDIO_TICKS: [f64; 3] = [4.0 * TICKS_PER_SECOND, 2.0 * TICKS_PER_SECOND, TICKS_PER_SECOND];
/// Minimum number of expected peaks in a part of the audio to decide if the airing is audible in that part.
const MIN_PEAKS: usize = 5;
/// Length of the most recent audio to which the line is fitted (20 s, in ticks): long enough to be exact, short enough
/// to follow a clock that drifts.
const FITTED_TICKS: f64 = 20.0 * TICKS_PER_SECOND;
/// Time without detection after which an airing has ended (10 s, in ticks). Silent seconds do not count, for up to 30
/// s.
const LOST_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// Time without detection after which an airing has ended if another airing has started since then (3 s, in ticks).
const LOST_AFTER_OTHER_TICKS: f64 = 3.0 * TICKS_PER_SECOND;
/// Minimum number of peaks expected since the last detection before an airing ends, because a song may contain a pause.
const MIN_MISSED_PEAKS: usize = 20;

/// An airing that is being tracked, or one that ended recently.
#[derive(Debug)]
pub(super) struct TrackedAiring {
    pub(super) id: u64,
    pub(super) reference: Arc<Reference>,
    /// Tracks for which searches have found that they carry the recording; the track of the airing is the first.
    pub(super) tracks: Vec<TrackNumber>,
    pub(super) line: Line,
    /// Start in the stream, in ticks.
    pub(super) from: f64,
    /// Bounds of the start, in ticks of the stream.
    pub(super) start: EdgeBounds,
    /// Time in the track at `from`, in ticks.
    reference_from: f64,
    /// End in the stream, in ticks. While the airing is open, this is the time of the last peak that was found.
    pub(super) to: f64,
    /// Bounds of the end, in ticks of the stream.
    pub(super) end: EdgeBounds,
    /// Stretches before the last seam. At a seam, audio of the stream is lost or repeated.
    pieces: Vec<EndedStretch>,
    /// Start of the stretch after the last seam in the stream and in the track, in ticks; `None` if there is no seam.
    seam: Option<(f64, f64)>,
    /// Start of the time during which the airing was detected without a break, in ticks.
    since: f64,
    /// Index of the track's first peak in the airing.
    first: usize,
    /// Index after the last peak of the track that was found.
    detected: usize,
    /// Set of the track's peaks that were found, one bit per peak.
    found: Vec<u64>,
    evidence: PeakEvidence,
    survival: Survival,
    /// Natural logarithm of the probability of chance in the window where the airing was found.
    window_log_p: f64,
    /// Natural logarithm of the factor by which the probability of chance is corrected for the scales that were tried.
    tried: f64,
    /// Natural logarithm of the number of hypotheses per hour.
    correction: f64,
    /// Number of entries of [`RETRACED_AT_TICKS`] that the length of the airing has reached.
    retraced: usize,
    /// State of the airing before this matcher took over, with counts of the part that is kept; `None` if this matcher
    /// found the airing.
    before: Option<Airing>,
    /// Time of the last event, in ticks.
    pub(super) last_event: f64,
}

impl TrackedAiring {
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
            detected: 0,
            found: Vec::new(),
            evidence: PeakEvidence::default(),
            survival: trace.evidence.survival(),
            window_log_p: trace.window_log_p,
            tried: trace.tried,
            correction,
            retraced: 0,
            before: None,
            last_event: now,
        };
        this.retraced = RETRACED_AT_TICKS.iter().filter(|length| this.to - this.from > **length).count();
        this.replace_trace(trace);
        this
    }

    /// Creates an airing that continues one of the previous matcher. The new airing keeps the start of that airing.
    pub(super) fn continued(mut airing: Airing, trace: &Trace, correction: f64, now: f64) -> Self {
        let mut this = Self::new(airing.id, trace, correction, now);
        // Audio that is processed again counts once.
        let known = EndedStretch::of_other_matcher(&airing);
        let length: f64 = known.iter().map(EndedStretch::length).sum();
        this.pieces.extend(known.into_iter().filter_map(|stretch| stretch.before(trace.from)));
        let kept: f64 = this.pieces.iter().map(EndedStretch::length).sum();
        airing.scale_counts(kept / length);
        this.seam = Some((trace.from, trace.line.reference(trace.from)));
        this.from = airing.detected.query_start * TICKS_PER_SECOND;
        this.start = EdgeBounds::at(this.from);
        this.reference_from = airing.detected.reference_start * TICKS_PER_SECOND;
        let p = airing.detected.false_positive_probability.max(f64::MIN_POSITIVE);
        this.window_log_p = (p.ln() - correction) / super::evidence::EVIDENCE_WEIGHT;
        this.retraced = RETRACED_AT_TICKS.len();
        this.before = Some(airing);
        this
    }

    /// Replaces the stretches of the airing by a trace.
    pub(super) fn replace_trace(&mut self, trace: &Trace) {
        let (Some(first), Some(last)) = (trace.outcomes.first(), trace.outcomes.last()) else { return };
        self.pieces.clear();
        self.seam = None;
        (self.from, self.start) = (trace.from, trace.ends[0]);
        self.reference_from = trace.line.reference(trace.from).max(0.0);
        self.evidence = trace.evidence;
        (self.first, self.detected) = (first.reference as usize, last.reference as usize + 1);
        self.follow_trace(trace);
    }

    /// Replaces the line, the end and the set of found peaks of the airing by those of a trace.
    fn follow_trace(&mut self, trace: &Trace) {
        self.line = trace.line;
        (self.to, self.end) = (trace.to, trace.ends[1]);
        self.since = trace.from;
        self.survival = trace.evidence.survival();
        self.found.clear();
        self.found.resize(self.reference.peaks.len().div_ceil(64), 0);
        self.mark(&trace.outcomes);
    }

    /// Adds to `found` the track's peaks that have a peak of the query in `outcomes`.
    fn mark(&mut self, outcomes: &[PeakOutcome]) {
        for outcome in outcomes.iter().filter(|o| o.query.is_some()) {
            if let Some(bits) = self.found.get_mut(outcome.reference as usize / 64) {
                *bits |= 1 << (outcome.reference % 64);
            }
        }
    }

    /// Returns true if the track's peak with the index `index` was found.
    fn is_found(&self, index: usize) -> bool {
        self.found.get(index / 64).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }

    /// Returns the expected time in the stream, in ticks, of the track's peak with the index `index`.
    fn time(&self, index: usize) -> f64 {
        self.reference.peaks.get(index).map_or(self.from, |p| self.line.query(f64::from(p.time)))
    }

    /// Returns the time in the stream of the last peak that was found, in ticks.
    pub(super) fn last_detected(&self) -> f64 {
        self.detected.checked_sub(1).map_or(self.from, |index| self.time(index))
    }

    /// Returns the index after the last peak of the track that is expected before the stream time `at` (ticks); at
    /// least `detected`.
    fn expected(&self, at: f64) -> usize {
        let limit = self.line.reference(at);
        self.reference.peaks.partition_point(|p| f64::from(p.time) < limit).max(self.detected)
    }

    /// Looks up the peaks that were expected since the last detection and extends the airing if the found ones are
    /// significant.
    pub(super) fn extend(&mut self, query: &Query<'_>, outcomes: &mut Vec<PeakOutcome>) {
        let expected = self.detected..self.expected(query.to - LOOKUP_DELAY_TICKS);
        compare_range(&self.reference.peaks, expected, query.peaks, &self.line, FINE, outcomes);
        let undetected = query.to - self.last_detected();
        for latest in std::iter::once(f64::INFINITY).chain(RECENT_AUDIO_TICKS) {
            if latest.is_finite() && latest >= undetected {
                continue;
            }
            let first = outcomes.partition_point(|o| self.time(o.reference as usize) < query.to - latest);
            let part = &outcomes[first..];
            if part.len() < MIN_PEAKS {
                return;
            }
            let evidence = evidence_of(&self.reference, part, &self.line, query);
            let limit = if undetected < MIN_BREAK_TICKS { CONTINUED_LOG_P } else { REDETECTED_LOG_P };
            if evidence.log_p() > limit {
                continue;
            }
            self.survival = evidence.survival();
            let Some((start, end)) = stretch(&self.reference, part, &self.line, query, self.survival) else {
                continue;
            };
            self.add_outcomes(&outcomes[..first + end], first + start, query);
            self.refit(query, outcomes);
            return;
        }
    }

    /// Adds `outcomes` to the airing. The airing was detected again from the outcome with the index `start` on.
    fn add_outcomes(&mut self, outcomes: &[PeakOutcome], start: usize, query: &Query<'_>) {
        let resumed = outcomes.get(start).map_or(self.from, |o| self.time(o.reference as usize));
        if resumed - self.last_detected() > MIN_BREAK_TICKS {
            self.since = resumed;
        }
        for outcome in outcomes {
            let Some(peak) = self.reference.peaks.get(outcome.reference as usize) else { continue };
            let found = outcome.query.and_then(|q| query.peaks.get(q as usize));
            let found = found.map(|found| self.line.deviation(peak, found));
            self.evidence.add(peak, found, query.chance, query.chance.of(peak, &self.line), 0.0);
        }
        self.mark(outcomes);
        self.detected = outcomes.last().map_or(self.detected, |o| o.reference as usize + 1);
        self.to = self.last_detected();
        self.end = EdgeBounds::at(self.to);
    }

    /// Fits the line to the last 20 s ([`FITTED_TICKS`]), or to the audio since the last break if that is shorter.
    fn refit(&mut self, query: &Query<'_>, outcomes: &mut Vec<PeakOutcome>) {
        let from = self.line.reference(self.since.max(self.last_detected() - FITTED_TICKS).max(query.from));
        let peaks = &self.reference.peaks;
        let first = peaks.partition_point(|p| f64::from(p.time) < from).min(self.detected);
        compare_range(peaks, first..self.detected, query.peaks, &self.line, FOLLOWING, outcomes);
        self.line = fit(peaks, query.peaks, outcomes, &self.line);
        self.to = self.last_detected();
        self.end = EdgeBounds::at(self.to);
    }

    /// Returns true if `reference` is the track of the airing, and `line` gives the same position in the track at the
    /// time `at` (ticks) as the line of the airing, within [`SAME_TICKS`].
    pub(super) fn is_along(&self, reference: &Reference, line: &Line, at: f64) -> bool {
        self.reference.number == reference.number
            && (self.line.reference(at) - line.reference(at)).abs() <= SAME_TICKS
    }

    /// Returns true if one of `tracks` carries the recording of the airing.
    pub(super) fn is_of(&self, tracks: &[TrackNumber]) -> bool {
        self.tracks.iter().any(|track| tracks.contains(track))
    }

    /// Adds `tracks`, which also carry the recording of the airing.
    pub(super) fn add_tracks(&mut self, tracks: &[TrackNumber]) {
        for track in tracks {
            if !self.tracks.contains(track) {
                self.tracks.push(*track);
            }
        }
    }

    /// Marks the query's peaks that the airing explains in `used`.
    pub(super) fn explain(&self, query: &Query<'_>, outcomes: &mut Vec<PeakOutcome>, used: &mut [bool]) {
        let peaks = &self.reference.peaks;
        self.pieces.iter().for_each(|piece| piece.explain(peaks, query, outcomes, used));
        let begins = self.seam.map_or(self.from, |(from, _)| from);
        let from = self.line.reference(query.from.max(begins));
        let first = peaks.partition_point(|p| f64::from(p.time) < from).min(self.detected);
        // Peaks that were not looked up yet are probably explained, too, so they are looked up at their expected
        // places.
        let end = if self.is_detected(query.to) { self.expected(query.to) } else { self.detected };
        compare_range(peaks, first..end, query.peaks, &self.line, FINE, outcomes);
        for query in outcomes.iter().filter_map(|o| o.query) {
            if let Some(used) = used.get_mut(query as usize) {
                *used = true;
            }
        }
    }

    /// Returns true if the airing was last detected less than 1.2 s before the stream time `at` (ticks).
    pub(super) fn is_detected(&self, at: f64) -> bool {
        super::search_schedule::is_recent(self.last_detected(), at)
    }
}
