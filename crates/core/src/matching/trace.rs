//! Following an alignment beyond its window, to both ends of the song's airing.

use std::sync::Arc;

use crate::fingerprint::{Peak, TICKS_PER_SECOND};

use super::edges::{End, FARTHEST_EDGE, edges};
use super::line::{Line, Outcome, Tolerance, compare, fit};
use super::reference::Reference;
use super::significance::{Chance, Evidence, Survival};
use super::verify::{FINE, Verified, Window};

/// A line is followed by at least this many ticks a round (10 s) …
const SHORTEST_ROUND: f64 = 10.0 * TICKS_PER_SECOND;
/// … for so many rounds, each as long as all before: 10 s to 11 hours.
const MOST_ROUNDS: usize = 12;
/// Peaks are looked for a little wider while the line is still being fitted.
pub(crate) const FOLLOWING: Tolerance = Tolerance { time: 5.0, frequency: 6.0, relative: 0.0 };
/// A line that a round moves by less, ticks, is done.
const SETTLED: f64 = 1.0;
/// An airing: a stretch of the query that is a stretch of a track.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) reference: Arc<Reference>,
    pub(crate) line: Line,
    /// Start and end in the query, ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// What is known of the start and of the end.
    pub(crate) ends: [End; 2],
    pub(crate) evidence: Evidence,
    /// Peaks of the track within the stretch.
    pub(crate) outcomes: Vec<Outcome>,
    /// Number of stretches that it was chosen from.
    pub(crate) choices: f64,
    /// What the window alone proves beside its rivals.
    pub(crate) window_log_p: f64,
    /// Logarithm of the number of scales that were tried for a line like this.
    pub(crate) tried: f64,
}

/// What all traces of a query share.
pub(crate) struct Query<'a> {
    pub(crate) peaks: &'a [Peak],
    /// What is known of it: start and end, ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Chance over the whole query.
    pub(crate) chance: &'a Chance,
}

/// What a trace begins with.
#[derive(Debug)]
pub(crate) struct Seed<'a> {
    pub(crate) reference: &'a Arc<Reference>,
    pub(crate) line: Line,
    /// Stretch of the query that is known to be of the airing, ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) survival: Survival,
    /// What a window alone proves beside its rivals.
    pub(crate) window_log_p: f64,
    /// Logarithm of the number of scales that were tried for a line like this.
    pub(crate) tried: f64,
}

impl Trace {
    /// Follows what was found in a window. Peaks in `used` belong to other airings.
    pub(crate) fn follow(
        (seed, window_log_p): (&Verified, f64),
        window: &Window<'_>,
        query: &Query<'_>,
        used: &[bool],
    ) -> Option<Self> {
        let seed = Seed {
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

    /// Follows a stretch to its ends.
    pub(crate) fn grow(seed: &Seed<'_>, query: &Query<'_>, used: &[bool]) -> Option<Self> {
        let Seed { reference, mut line, mut from, mut to, mut survival, .. } = *seed;
        let mut outcomes = Vec::new();
        let mut choices = 1.0;
        for _ in 0..MOST_ROUNDS {
            let step = (to - from).max(SHORTEST_ROUND);
            let span = ((from - step).max(query.from), (to + step).min(query.to));
            compare(&reference.peaks, query.peaks, &line, span, FOLLOWING, &mut outcomes);
            outcomes.iter_mut().for_each(|o| o.query = o.query.filter(|q| !used[*q as usize]));
            let (first, end) = stretch(reference, &outcomes, &line, query, survival)?;
            choices = outcomes.len() as f64;
            let before = line;
            line = fit(&reference.peaks, query.peaks, &outcomes[first..end], &line);
            let turned = [span.0, span.1].map(|time| (line.reference(time) - before.reference(time)).abs());
            let settled = turned.iter().all(|ticks| *ticks < SETTLED);
            survival = weigh(reference, &outcomes[first..end], &line, query).survival();
            let time = |i: usize| line.query(f64::from(reference.peaks[outcomes[i].reference as usize].time));
            let next = (time(first).max(query.from), time(end - 1).min(query.to));
            let grown = (from - next.0).max(next.1 - to);
            // Beyond one round's reach lies nothing new once an end was found inside it.
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
            ends: [End::at(from), End::at(to)],
            evidence: Evidence::default(),
            outcomes,
            choices,
            window_log_p: seed.window_log_p,
            tried: seed.tried,
        };
        this.finish(query, used, survival)?;
        Some(this)
    }

    /// Settles the ends, with the tolerance of evidence.
    fn finish(&mut self, query: &Query<'_>, used: &[bool], survival: Survival) -> Option<()> {
        let Self { reference, line, outcomes, .. } = self;
        let span = ((self.from - FARTHEST_EDGE).max(query.from), (self.to + FARTHEST_EDGE).min(query.to));
        compare(&reference.peaks, query.peaks, line, span, FINE, outcomes);
        outcomes.iter_mut().for_each(|o| o.query = o.query.filter(|q| !used[*q as usize]));
        let (first, end) = stretch(reference, outcomes, line, query, survival)?;
        self.ends = edges(reference, outcomes, line, query, survival, (first, end));
        (self.from, self.to) = (self.ends[0].time(), self.ends[1].time());
        outcomes.truncate(end);
        outcomes.drain(..first);
        self.evidence = weigh(reference, outcomes, line, query);
        Some(())
    }

    /// Whether this is an airing of the same track in a window.
    pub(crate) fn is_heard(&self, other: &Verified, window: &Window<'_>) -> bool {
        self.reference.number == other.reference.number && self.from < window.to && window.from < self.to
    }

    /// Times in the query of the first and the last peak that it explains, ticks.
    pub(crate) fn peaks_span(&self) -> Option<(f64, f64)> {
        let time = |outcome: &Outcome| {
            self.line.query(f64::from(self.reference.peaks[outcome.reference as usize].time))
        };
        Some((time(self.outcomes.first()?), time(self.outcomes.last()?)))
    }

    /// Whether it is long enough to be heard as music.
    pub(crate) fn is_airing(&self) -> bool {
        self.to - self.from >= SHORTEST_AIRING
    }

    /// Whether another stretch goes on, or begins, where this one ends, along the same line.
    pub(crate) fn continues(&self, other: &Self) -> bool {
        let middle = (other.from + other.to) / 2.0;
        self.reference.number == other.reference.number
            && other.from - self.to < SHORTEST_GAP
            && self.from - other.to < SHORTEST_GAP
            && (self.line.reference(middle) - other.line.reference(middle)).abs() <= SAME_TICKS
    }

    /// Takes in a stretch that continues this one.
    pub(crate) fn join(&mut self, other: &Self) {
        if other.from < self.from {
            (self.from, self.ends[0]) = (other.from, other.ends[0]);
        }
        if other.to > self.to {
            (self.to, self.ends[1]) = (other.to, other.ends[1]);
        }
    }

    /// Whether a window's alignment is a part of this airing.
    pub(crate) fn covers(&self, other: &Verified, window: &Window<'_>) -> bool {
        let middle = (window.from.max(self.from) + window.to.min(self.to)) / 2.0;
        self.reference.number == other.reference.number
            && (self.from..=self.to).contains(&middle)
            && (self.line.reference(middle) - other.line.reference(middle)).abs() <= SAME_TICKS
    }
}

/// What speaks for these outcomes, with the chance of the whole query.
pub(crate) fn weigh(reference: &Reference, outcomes: &[Outcome], line: &Line, query: &Query<'_>) -> Evidence {
    let mut evidence = Evidence::default();
    for outcome in outcomes {
        let peak = &reference.peaks[outcome.reference as usize];
        let found = outcome.query.map(|q| line.sighting(peak, &query.peaks[q as usize]));
        evidence.add(peak, found, query.chance, query.chance.of(peak, line), 0.0);
    }
    evidence
}

/// Stretches along one line with less between them, ticks, are one airing.
const SHORTEST_GAP: f64 = TICKS_PER_SECOND;
/// Shorter airings, ticks, are not told: a chord, a drum roll.
const SHORTEST_AIRING: f64 = TICKS_PER_SECOND;
/// Lines of one track within this many ticks are the same.
pub(crate) const SAME_TICKS: f64 = 10.0;

/// Speech comes and goes: an airing may be covered more than on the whole, by so many steps of the rate of survival …
const COVERS: [u8; 3] = [0, 1, 2];
/// … and the logarithm of the probability that this changes at a peak, about once a second.
const COVER_CHANGES: f64 = -3.4;

/// The stretch of outcomes that is likeliest to be the airing: the one whose sum of what speaks for and
/// against it is highest (Kadane's algorithm, with a state for each cover: Viterbi 1967). Index of its first one and
/// behind its last; both were found.
pub(crate) fn stretch(
    reference: &Reference,
    outcomes: &[Outcome],
    line: &Line,
    query: &Query<'_>,
    survival: Survival,
) -> Option<(usize, usize)> {
    let covered = COVERS.map(|steps| survival.covered(steps));
    let mut sums = [(0.0, 0); COVERS.len()];
    let (mut best, mut stretch) = (0.0, None);
    for (i, outcome) in outcomes.iter().enumerate() {
        let peak = &reference.peaks[outcome.reference as usize];
        let found = outcome.query.map(|q| line.sighting(peak, &query.peaks[q as usize]));
        let chance = query.chance.of(peak, line);
        let highest = sums.iter().copied().fold((0.0, i), |a, b| if b.0 > a.0 { b } else { a });
        let change =
            if highest.0 + COVER_CHANGES > 0.0 { (highest.0 + COVER_CHANGES, highest.1) } else { (0.0, i) };
        for (sum, survival) in sums.iter_mut().zip(covered) {
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
