//! Following an alignment beyond its window, to both ends of the song's airing.

use std::sync::Arc;

use crate::fingerprint::{Peak, TICKS_PER_SECOND};

use super::line::{Line, Outcome, Tolerance, compare, fit};
use super::significance::{Chance, Evidence};
use super::verify::{FINE, Reference, Verified, Window};

/// A line is followed by at least this many ticks a round (10 s) …
const SHORTEST_ROUND: f64 = 10.0 * TICKS_PER_SECOND;
/// … for so many rounds, each as long as all before: 10 s to 11 hours.
const MOST_ROUNDS: usize = 12;
/// Peaks are looked for a little wider while the line is still being fitted.
const FOLLOWING: Tolerance = Tolerance { time: 5.0, frequency: 6.0, relative: 0.0 };
/// Rates of survival that an end is judged by.
const LOWEST_RATE: f64 = 0.1;
const HIGHEST_RATE: f64 = 0.95;
/// Beyond the last found peak an airing reaches half-way to the first missing one, at most so far (ticks).
const FARTHEST_EDGE: f64 = 0.5 * TICKS_PER_SECOND;

/// An airing: a stretch of the query that is a stretch of a track.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) reference: Arc<Reference>,
    pub(crate) line: Line,
    /// Start and end in the query, ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) evidence: Evidence,
    /// Peaks of the track within the stretch.
    pub(crate) outcomes: Vec<Outcome>,
    /// Number of stretches that it was chosen from.
    pub(crate) choices: f64,
    /// What the window alone proves.
    pub(crate) window_log_p: f64,
}

/// What all traces of a query share.
pub(crate) struct Query<'a> {
    pub(crate) peaks: &'a [Peak],
    pub(crate) ticks: f64,
    /// Chance over the whole query.
    pub(crate) chance: &'a Chance,
}

impl Trace {
    /// Follows what was found in a window. Peaks in `used` belong to other airings.
    pub(crate) fn follow(
        seed: &Verified,
        window: &Window<'_>,
        query: &Query<'_>,
        used: &[bool],
    ) -> Option<Self> {
        let reference = &seed.reference;
        let mut line = seed.line;
        let (mut from, mut to) = (window.from, window.to);
        let mut outcomes = Vec::new();
        let mut choices = 1.0;
        let rate = seed.rate();
        for _ in 0..MOST_ROUNDS {
            let step = (to - from).max(SHORTEST_ROUND);
            let span = ((from - step).max(0.0), (to + step).min(query.ticks));
            compare(&reference.peaks, query.peaks, &line, span, FOLLOWING, &mut outcomes);
            outcomes.iter_mut().for_each(|o| o.query = o.query.filter(|q| !used[*q as usize]));
            let (first, end) = stretch(reference, &outcomes, &line, query, (from + to) / 2.0, rate)?;
            choices = outcomes.len() as f64;
            line = fit(&reference.peaks, query.peaks, &outcomes[first..end], &line);
            let time = |i: usize| line.query(f64::from(reference.peaks[outcomes[i].reference as usize].time));
            let next = (time(first).max(0.0), time(end - 1).min(query.ticks));
            let grown = (from - next.0).max(next.1 - to);
            // Beyond one round's reach lies nothing new once an end was found inside it.
            let open = (next.0 - span.0).min(span.1 - next.1) < step / 4.0;
            (from, to) = next;
            if grown < TICKS_PER_SECOND || !open {
                break;
            }
        }
        Self::finish(seed, line, (from, to), query, used, choices)
    }

    fn finish(
        seed: &Verified,
        line: Line,
        (from, to): (f64, f64),
        query: &Query<'_>,
        used: &[bool],
        choices: f64,
    ) -> Option<Self> {
        let reference = Arc::clone(&seed.reference);
        let mut outcomes = Vec::new();
        let span = ((from - FARTHEST_EDGE).max(0.0), (to + FARTHEST_EDGE).min(query.ticks));
        compare(&reference.peaks, query.peaks, &line, span, FINE, &mut outcomes);
        outcomes.iter_mut().for_each(|o| o.query = o.query.filter(|q| !used[*q as usize]));
        let middle = (from + to) / 2.0;
        let (first, end) = stretch(&reference, &outcomes, &line, query, middle, seed.rate())?;
        let (from, to) = edges(&reference, &outcomes, &line, query, (first, end));
        let outcomes = outcomes[first..end].to_vec();
        let mut this = Self {
            reference,
            line,
            from,
            to,
            evidence: Evidence::default(),
            outcomes,
            choices,
            window_log_p: seed.evidence.log_p(),
        };
        this.evidence = this.weigh(query);
        Some(this)
    }

    fn weigh(&self, query: &Query<'_>) -> Evidence {
        let mut evidence = Evidence::default();
        for outcome in &self.outcomes {
            let peak = &self.reference.peaks[outcome.reference as usize];
            let found = outcome.query.map(|q| self.line.residual(peak, &query.peaks[q as usize]));
            evidence.add(peak.time, found, query.chance.of(peak, &self.line), 0.0);
        }
        evidence
    }

    /// Whether a window's alignment is a part of this airing.
    pub(crate) fn covers(&self, other: &Verified, window: &Window<'_>) -> bool {
        let middle = (window.from.max(self.from) + window.to.min(self.to)) / 2.0;
        self.reference.number == other.reference.number
            && (self.from..=self.to).contains(&middle)
            && (self.line.reference(middle) - other.line.reference(middle)).abs() <= SAME_TICKS
    }
}

/// Lines of one track within this many ticks are the same.
pub(crate) const SAME_TICKS: f64 = 10.0;

/// The stretch of outcomes around the middle that is likeliest to be the airing: on both sides the running
/// sum of what speaks for and against it is highest at its end. Index of its first one and behind its last.
fn stretch(
    reference: &Reference,
    outcomes: &[Outcome],
    line: &Line,
    query: &Query<'_>,
    middle: f64,
    rate: f64,
) -> Option<(usize, usize)> {
    let gain = |o: &Outcome| {
        let chance = f64::from(query.chance.of(&reference.peaks[o.reference as usize], line));
        let log =
            if o.query.is_some() { (1.0 + rate * (1.0 - chance) / chance).ln() } else { (1.0 - rate).ln() };
        (log, o.query.is_some())
    };
    let middle = line.reference(middle);
    let middle = outcomes.partition_point(|o| f64::from(reference.peaks[o.reference as usize].time) < middle);
    let reach = |gains: &mut dyn Iterator<Item = (f64, bool)>| {
        let (mut sum, mut best, mut length) = (0.0, 0.0, 0);
        for (i, (gain, found)) in gains.enumerate() {
            sum += gain;
            if sum > best && found {
                (best, length) = (sum, i + 1);
            }
        }
        length
    };
    let first = middle - reach(&mut outcomes[..middle].iter().rev().map(gain));
    let end = middle + reach(&mut outcomes[middle..].iter().map(gain));
    (end > first).then_some((first, end))
}

/// Start and end in the query: a little beyond the first and last found peak, or to the end of track or
/// query where nothing is missing before it.
fn edges(
    reference: &Reference,
    outcomes: &[Outcome],
    line: &Line,
    query: &Query<'_>,
    (first, end): (usize, usize),
) -> (f64, f64) {
    let at = |index: usize| line.query(f64::from(reference.peaks[index].time));
    let inside = |time: f64| (0.0..=query.ticks).contains(&time);
    let (head, tail) = (outcomes[first].reference as usize, outcomes[end - 1].reference as usize);
    let start = match head.checked_sub(1).map(at).filter(|time| inside(*time)) {
        Some(missing) => at(head) - ((at(head) - missing) / 2.0).min(FARTHEST_EDGE),
        None => line.query(0.0).max(0.0),
    };
    let stop = match reference.peaks.get(tail + 1).map(|_| at(tail + 1)).filter(|time| inside(*time)) {
        Some(missing) => at(tail) + ((missing - at(tail)) / 2.0).min(FARTHEST_EDGE),
        None => line.query(reference.ticks).min(query.ticks),
    };
    (start.min(at(head)), stop.max(at(tail)))
}

impl Verified {
    /// Rate of survival of the track's peaks beyond chance.
    fn rate(&self) -> f64 {
        let expected = f64::from(self.evidence.expected.max(1));
        let chance = f64::from(self.evidence.by_chance) / expected;
        let found = f64::from(self.evidence.found) / expected;
        ((found - chance) / (1.0 - chance).max(0.1)).clamp(LOWEST_RATE, HIGHEST_RATE)
    }
}
