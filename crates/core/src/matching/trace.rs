//! Traces: alignments that are followed beyond their window to both ends of the airing.

use std::sync::Arc;

use crate::fingerprint::TICKS_PER_SECOND;

use super::edges::{EdgeBounds, MAX_EDGE_TICKS, edges};
use super::line::{FINE, Line, PeakOutcome, Tolerance, compare, fit};
use super::query::{Query, Window};
use super::reference::Reference;
use super::significance::{PeakEvidence, Survival};
use super::verify::Alignment;

/// Minimum length by which a line is extended per round (10 s, in ticks). At half this value, a trace stops at a break
/// that a longer round would cross; at twice this value, short airings are compared with much audio outside of them,
/// which costs time.
const MIN_ROUND_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// Maximum number of rounds in which a trace is extended. Each round searches on each side as far as
/// the current length of the trace. So the length at least doubles per round until both ends are found: from 10 s to 11
/// hours in 12 rounds.
const MAX_ROUNDS: usize = 12;
/// Tolerance while the line is still being fitted; it is a little wider than the final one. At half this value, a line
/// that drifts loses its peaks before it can be fitted; at twice this value, chance hits distort the line.
pub(crate) const FOLLOWING: Tolerance = Tolerance { time: 5.0, frequency: 6.0, relative: 0.0 };
/// A line is settled if a round moves it by less than this at both ends, in ticks. At half this value, some airings
/// need another round; at twice this value, the ends of long airings can be off by 2 ticks.
const SETTLED_TICKS: f64 = 1.0;
/// The time/pitch track of an airing: a stretch of the query that matches a stretch of a track.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) reference: Arc<Reference>,
    pub(crate) line: Line,
    /// Start and end in the query, in ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Bounds of the start and of the end in the query.
    pub(crate) ends: [EdgeBounds; 2],
    pub(crate) evidence: PeakEvidence,
    /// Outcomes of the track's peaks within the stretch.
    pub(crate) outcomes: Vec<PeakOutcome>,
    /// Number of outcomes among which the two ends were selected. The probability of chance is corrected for this
    /// choice.
    pub(crate) choices: f64,
    /// Natural logarithm of the probability of chance in the window where the alignment was found, after discounting
    /// competing alignments.
    pub(crate) window_log_p: f64,
    /// Natural logarithm of the factor by which the probability of chance is corrected for the scales that were tried.
    pub(crate) tried: f64,
}

/// Starting point of a trace.
#[derive(Debug)]
pub(crate) struct TraceStart<'a> {
    pub(crate) reference: &'a Arc<Reference>,
    pub(crate) line: Line,
    /// Start and end of the stretch of the query that is known to belong to the airing, in ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) survival: Survival,
    /// Natural logarithm of the probability of chance in the window where the alignment was found, after discounting
    /// competing alignments.
    pub(crate) window_log_p: f64,
    /// Natural logarithm of the factor by which the probability of chance is corrected for the scales that were tried.
    pub(crate) tried: f64,
}

impl Trace {
    /// Follows an alignment of a window in both directions. Peaks of the query that are marked in `used` belong to
    /// other airings and do not count. Returns `None` if no peaks support the alignment.
    pub(crate) fn follow(
        (seed, window_log_p): (&Alignment, f64),
        window: &Window<'_>,
        query: &Query<'_>,
        used: &[bool],
    ) -> Option<Self> {
        let seed = TraceStart {
            reference: &seed.reference,
            line: seed.line,
            from: window.from,
            to: window.to,
            survival: seed.evidence.survival(),
            window_log_p,
            tried: seed.tried,
        };
        Self::grow(&seed, query, used)
    }

    /// Extends a stretch to the ends of its airing. Returns `None` if no outcome supports the line.
    pub(crate) fn grow(seed: &TraceStart<'_>, query: &Query<'_>, used: &[bool]) -> Option<Self> {
        let TraceStart { reference, mut line, mut from, mut to, mut survival, .. } = *seed;
        let mut outcomes = Vec::new();
        let mut choices = 1.0;
        for _ in 0..MAX_ROUNDS {
            let step = (to - from).max(MIN_ROUND_TICKS);
            let span = ((from - step).max(query.from), (to + step).min(query.to));
            compare(&reference.peaks, query.peaks, &line, span, FOLLOWING, &mut outcomes);
            outcomes.iter_mut().for_each(|o| o.query = o.query.filter(|q| !used[*q as usize]));
            // The stretch is selected before the fit, because peaks outside of the airing are chance hits and would
            // turn the line.
            let (first, end) = stretch(reference, &outcomes, &line, query, survival)?;
            choices = outcomes.len() as f64;
            let before = line;
            line = fit(&reference.peaks, query.peaks, &outcomes[first..end], &line);
            let turned = [span.0, span.1].map(|time| (line.reference(time) - before.reference(time)).abs());
            // The change is measured at the ends of the searched span, where an error of the speed has the largest
            // effect.
            let settled = turned.iter().all(|ticks| *ticks < SETTLED_TICKS);
            survival = evidence_of(reference, &outcomes[first..end], &line, query).survival();
            let time = |i: usize| line.query(f64::from(reference.peaks[outcomes[i].reference as usize].time));
            let next = (time(first).max(query.from), time(end - 1).min(query.to));
            let grown = (from - next.0).max(next.1 - to);
            // A round that found both ends well inside its span cannot find more.
            let open = (next.0 - span.0).min(span.1 - next.1) < step / 4.0;
            (from, to) = next;
            if settled && (grown < TICKS_PER_SECOND || !open) {
                break;
            }
        }
        let mut this = Self {
            reference: Arc::clone(reference),
            line,
            from,
            to,
            ends: [EdgeBounds::at(from), EdgeBounds::at(to)],
            evidence: PeakEvidence::default(),
            outcomes,
            choices,
            window_log_p: seed.window_log_p,
            tried: seed.tried,
        };
        this.finish(query, used, survival)?;
        Some(this)
    }

    /// Determines the ends with the tolerance of the final evidence. Returns `None` if no outcome supports the line.
    fn finish(&mut self, query: &Query<'_>, used: &[bool], survival: Survival) -> Option<()> {
        let Self { reference, line, outcomes, .. } = self;
        let span = ((self.from - MAX_EDGE_TICKS).max(query.from), (self.to + MAX_EDGE_TICKS).min(query.to));
        compare(&reference.peaks, query.peaks, line, span, FINE, outcomes);
        outcomes.iter_mut().for_each(|o| o.query = o.query.filter(|q| !used[*q as usize]));
        let (first, end) = stretch(reference, outcomes, line, query, survival)?;
        self.ends = edges(reference, outcomes, line, query, survival, (first, end));
        (self.from, self.to) = (self.ends[0].time(), self.ends[1].time());
        outcomes.truncate(end);
        outcomes.drain(..first);
        self.evidence = evidence_of(reference, outcomes, line, query);
        Some(())
    }

    /// Returns true if this trace overlaps the window of an alignment of the same track.
    pub(crate) fn overlaps_window(&self, other: &Alignment, window: &Window<'_>) -> bool {
        self.reference.number == other.reference.number && self.from < window.to && window.from < self.to
    }

    /// Returns the times in the query of the first and the last peak of the track within the trace, in ticks; `None` if
    /// the trace contains no peak.
    pub(crate) fn peaks_span(&self) -> Option<(f64, f64)> {
        let time = |outcome: &PeakOutcome| {
            self.line.query(f64::from(self.reference.peaks[outcome.reference as usize].time))
        };
        Some((time(self.outcomes.first()?), time(self.outcomes.last()?)))
    }

    /// Returns true if the trace is at least 1 s long, the length of the shortest airing.
    pub(crate) fn is_airing(&self) -> bool {
        self.to - self.from >= MIN_AIRING_TICKS
    }

    /// Returns true if the trace `other` continues this trace along the same line (within [`SAME_TICKS`]) of the same
    /// track, before or after this trace, with a gap of less than 1 s.
    pub(crate) fn continues(&self, other: &Self) -> bool {
        let middle = (other.from + other.to) / 2.0;
        self.reference.number == other.reference.number
            && other.from - self.to < MAX_GAP_TICKS
            && self.from - other.to < MAX_GAP_TICKS
            && (self.line.reference(middle) - other.line.reference(middle)).abs() <= SAME_TICKS
    }

    /// Extends this trace to the outer ends of `other`, which continues this trace.
    pub(crate) fn join(&mut self, other: &Self) {
        if other.from < self.from {
            (self.from, self.ends[0]) = (other.from, other.ends[0]);
        }
        if other.to > self.to {
            (self.to, self.ends[1]) = (other.to, other.ends[1]);
        }
    }

    /// Returns true if the alignment `other` of a window has the same track as this trace, and its line is within
    /// [`SAME_TICKS`] of the line of this trace, in the middle of the time that the window and this trace share.
    pub(crate) fn covers(&self, other: &Alignment, window: &Window<'_>) -> bool {
        let middle = (window.from.max(self.from) + window.to.min(self.to)) / 2.0;
        self.reference.number == other.reference.number
            && (self.from..=self.to).contains(&middle)
            && (self.line.reference(middle) - other.line.reference(middle)).abs() <= SAME_TICKS
    }
}

/// Returns the evidence of these outcomes. Probabilities of chance hits are those of [`Query::chance`].
pub(crate) fn evidence_of(
    reference: &Reference,
    outcomes: &[PeakOutcome],
    line: &Line,
    query: &Query<'_>,
) -> PeakEvidence {
    let mut evidence = PeakEvidence::default();
    for outcome in outcomes {
        let peak = &reference.peaks[outcome.reference as usize];
        let found = outcome.query.map(|q| line.deviation(peak, &query.peaks[q as usize]));
        evidence.add(peak, found, query.chance, query.chance.of(peak, line), 0.0);
    }
    evidence
}

/// Largest gap between two stretches of one airing along the same line, in ticks. At half this value, short fades and
/// noise divide a stretch in two; at twice this value, the report does not show gaps of 1 to 2 s.
const MAX_GAP_TICKS: f64 = TICKS_PER_SECOND;
/// Shortest airing that is reported, in ticks: anything shorter is a chord or a drum roll. At half this value,
/// coincidences of single chords are reported; at twice this value, clips of 1 to 2 s are not.
const MIN_AIRING_TICKS: f64 = TICKS_PER_SECOND;
/// Largest distance between lines of one track that count as the same, in ticks (58 ms). At half this value, inexact
/// lines of one play count as two; at twice this value, a loop that is repeated after 0.1 s counts as one.
pub(crate) const SAME_TICKS: f64 = 10.0;

/// Levels of masking within an airing, because speech starts and stops: numbers of steps by which the survival rates
/// are lower than on average. With one level, a beginning under speech is cut off; with more or larger steps, an airing
/// can extend across unrelated audio.
const MASKING_STEPS: [u8; 3] = [0, 1, 2];
/// Logarithm of the probability that the masking changes at a peak: about once per second. At half this value, the
/// level changes at single peaks, so noise extends airings; at twice this value, speech of less than about a second
/// shortens the airing at its start or end.
const MASKING_CHANGE_LOG_P: f64 = -3.4;

/// Returns the stretch of outcomes that is most likely to be the airing: the stretch with the highest sum of
/// log-likelihood ratios (Kadane's algorithm, with a state for each level of masking: Viterbi 1967). The result is the
/// index of its first outcome and the index after its last one; both of these outcomes were found. `None` if no stretch
/// has a positive sum.
pub(crate) fn stretch(
    reference: &Reference,
    outcomes: &[PeakOutcome],
    line: &Line,
    query: &Query<'_>,
    survival: Survival,
) -> Option<(usize, usize)> {
    let masked = MASKING_STEPS.map(|steps| survival.masked(steps));
    let mut sums = [(0.0, 0); MASKING_STEPS.len()];
    let (mut best, mut stretch) = (0.0, None);
    for (i, outcome) in outcomes.iter().enumerate() {
        let peak = &reference.peaks[outcome.reference as usize];
        let found = outcome.query.map(|q| line.deviation(peak, &query.peaks[q as usize]));
        let chance = query.chance.of(peak, line);
        // Instead of a change of the level, a new stretch may begin at this outcome, with the sum 0.
        let highest = sums.iter().copied().fold((0.0, i), |a, b| if b.0 > a.0 { b } else { a });
        let change = if highest.0 + MASKING_CHANGE_LOG_P > 0.0 {
            (highest.0 + MASKING_CHANGE_LOG_P, highest.1)
        } else {
            (0.0, i)
        };
        for (sum, survival) in sums.iter_mut().zip(masked) {
            if sum.0 < change.0 {
                *sum = change;
            }
            sum.0 += f64::from(survival.gain(peak, found, query.chance, chance));
            if sum.0 > best {
                (best, stretch) = (sum.0, Some((sum.1, i + 1)));
            }
        }
    }
    stretch
}
