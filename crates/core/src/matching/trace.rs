//! Following an alignment beyond its window, to both ends of the song's airing.

use std::sync::Arc;

use crate::fingerprint::params::{HOP, TICKS_PER_FRAME, WINDOW};
use crate::fingerprint::{Peak, TICKS_PER_SECOND};

use super::line::{Line, Outcome, Tolerance, compare, fit};
use super::significance::{Chance, Evidence, Survival};
use super::verify::{FINE, Reference, Verified, Window};

/// A line is followed by at least this many ticks a round (10 s) …
const SHORTEST_ROUND: f64 = 10.0 * TICKS_PER_SECOND;
/// … for so many rounds, each as long as all before: 10 s to 11 hours.
const MOST_ROUNDS: usize = 12;
/// Peaks are looked for a little wider while the line is still being fitted.
pub(crate) const FOLLOWING: Tolerance = Tolerance { time: 5.0, frequency: 6.0, relative: 0.0 };
/// A line that a round moves by less, ticks, is done.
const SETTLED: f64 = 1.0;
/// Beyond the last found peak an airing reaches half-way to the first missing one, at most so far (ticks).
const FARTHEST_EDGE: f64 = 0.5 * TICKS_PER_SECOND;
/// A peak nearer to a cut than half a window of the transform (46 ms) is made of what lies on both sides of
/// it: whether it is found says nothing.
const BLURRED: f64 = (WINDOW / 2 * TICKS_PER_FRAME as usize / HOP) as f64;

/// An airing that reaches to a cut's or track's end is so much likelier than one that ends a little before
/// it (natural logarithm).
const WHOLE: f32 = 6.5;

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

/// Times in the query that bound an end, ticks, from within to without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// The outermost peak that was found.
    found: f64,
    /// The next one, which is missing, be it by chance.
    missing: f64,
    /// One before which too many are missing for chance.
    lost: f64,
}

impl End {
    pub(crate) fn at(time: f64) -> Self {
        Self { found: time, missing: time, lost: time }
    }

    /// Where an airing that ends here and one that begins there follow each other without a gap.
    pub(crate) fn meets(self, behind: Self) -> Option<f64> {
        // First as if no peak were missing by chance, then as if some were.
        let bounds = [(self.missing + BLURRED, behind.missing - BLURRED), (self.lost, behind.lost)];
        let cuts = bounds.map(|(last, first)| (self.found.max(first), behind.found.min(last)));
        cuts.into_iter().find(|(from, to)| from <= to).map(|(from, to)| (from + to) / 2.0)
    }

    /// The best guess: between the found and the missing peak, near the found one if they are far apart.
    fn time(self) -> f64 {
        self.found + ((self.missing - self.found) / 2.0).clamp(-FARTHEST_EDGE, FARTHEST_EDGE)
    }
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

/// The stretch of outcomes that is likeliest to be the airing: the one whose sum of what speaks for and
/// against it is highest (Kadane's algorithm). Index of its first one and behind its last; both were found.
pub(crate) fn stretch(
    reference: &Reference,
    outcomes: &[Outcome],
    line: &Line,
    query: &Query<'_>,
    survival: Survival,
) -> Option<(usize, usize)> {
    let (mut sum, mut start, mut best, mut stretch) = (0.0, 0, 0.0, None);
    for (i, outcome) in outcomes.iter().enumerate() {
        if sum <= 0.0 {
            (sum, start) = (0.0, i);
        }
        let peak = &reference.peaks[outcome.reference as usize];
        let found = outcome.query.map(|q| line.sighting(peak, &query.peaks[q as usize]));
        sum += f64::from(survival.gain(peak, found, query.chance, query.chance.of(peak, line)));
        if sum > best {
            (best, stretch) = (sum, Some((start, i + 1)));
        }
    }
    stretch
}

/// What is known of start and end. They are those of track or query where too little is missing before them
/// to speak against that.
fn edges(
    reference: &Reference,
    outcomes: &[Outcome],
    line: &Line,
    query: &Query<'_>,
    survival: Survival,
    (first, end): (usize, usize),
) -> [End; 2] {
    let at = |index: usize| line.query(f64::from(reference.peaks[index].time));
    let clear = |time: f64, from: f64, to: f64| (from + BLURRED..=to - BLURRED).contains(&time);
    let (head, tail) = (outcomes[first].reference as usize, outcomes[end - 1].reference as usize);
    // Missing peaks that speak more against the limit than it is likelier; none if the limit comes before.
    let missing = |indices: &mut dyn Iterator<Item = usize>| -> Vec<f64> {
        let (mut times, mut loss) = (Vec::new(), 0.0);
        for index in indices {
            let (time, peak) = (at(index), &reference.peaks[index]);
            if !clear(f64::from(peak.time), 0.0, reference.ticks) || !clear(time, query.from, query.to) {
                break;
            }
            times.push(time);
            loss -= survival.gain(peak, None, query.chance, 0.0);
            if loss > WHOLE {
                return times;
            }
        }
        Vec::new()
    };
    let edge = |found: f64, missing: Vec<f64>, limit: f64| match missing.as_slice() {
        [nearest, .., lost] => End { found, missing: *nearest, lost: *lost },
        [nearest] => End { found, missing: *nearest, lost: *nearest },
        [] => End::at(limit),
    };
    let before = missing(&mut (0..head).rev());
    let behind = missing(&mut (tail + 1..reference.peaks.len()));
    [
        edge(at(head), before, line.query(0.0).max(query.from)),
        edge(at(tail), behind, line.query(reference.ticks).min(query.to)),
    ]
}

/// Airings that follow each other without a gap meet at one moment, which lies between the bounds of both.
pub(crate) fn join(traces: &mut [Trace]) {
    traces.sort_by(|a, b| a.from.total_cmp(&b.from));
    for i in 1..traces.len() {
        let (before, behind) = (traces[i - 1].ends[1], traces[i].ends[0]);
        if let Some(cut) = before.meets(behind) {
            (traces[i - 1].to, traces[i].from) = (cut, cut);
        }
    }
}
