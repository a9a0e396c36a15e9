//! Verification: the peaks of the track themselves, aligned into the query, prove or reject a candidate
//! (Sonnleitner and Widmer 2016, VI-C).

use std::collections::HashMap;
use std::sync::Arc;

use crate::fingerprint::Peak;
use crate::index::{IndexError, POSTING_TICKS, Snapshot, TRACK_MARGIN, TrackNumber};

use super::line::{Line, Outcome, Tolerance, compare, fit};
use super::search::Candidate;
use super::significance::{Chance, Evidence, MOST_ALTERNATIVES, shared};

/// Where a peak is expected in the end: about three standard errors of a peak heard through a codec.
pub(crate) const FINE: Tolerance = Tolerance { time: 4.0, frequency: 6.0, relative: 0.0 };
/// Rounds of fitting for a line that is nearly right …
const NARROW: [Tolerance; 1] = [Tolerance { time: 6.0, frequency: 8.0, relative: 0.002 }];
/// … for one whose speed may be off by a per cent …
const WIDE: [Tolerance; 3] = [
    Tolerance { time: 14.0, frequency: 8.0, relative: 0.012 },
    Tolerance { time: 8.0, frequency: 7.0, relative: 0.004 },
    Tolerance { time: 5.0, frequency: 7.0, relative: 0.001 },
];
/// … and for one that is right.
const AGAIN: [Tolerance; 1] = [Tolerance { time: 4.0, frequency: 7.0, relative: 0.0 }];

/// Rounds of fitting once more, at most …
const MOST_FITS: usize = 8;
/// … as long as each lowers the logarithm of the probability of chance by this.
const WORTH_FITTING: f64 = 2.0;

/// Alternatives that chance explains (natural logarithm of the probability) are not compared with.
const WORTH_COMPARING: f64 = -6.0;
/// Nor are those with less than this part of the evidence (of its logarithm): where only a beat is shared,
/// many places fit about as well; beside a true match, its own repetitions fit far less.
const RIVAL: f64 = 0.3;
/// Part of the peaks of two tracks that agree where one is a copy or a variation of the other: they are one
/// explanation, not two. Tracks that share no more than a beat agree in less.
const SAME_SOUND: f64 = 0.35;

/// A track as verification needs it.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) number: TrackNumber,
    pub(crate) peaks: Vec<Peak>,
    /// Length in ticks.
    pub(crate) ticks: f64,
}

/// Tracks unpacked during one identification.
#[derive(Debug)]
pub(crate) struct References<'a> {
    snapshot: &'a Snapshot,
    loaded: HashMap<(usize, usize), Arc<Reference>>,
}

impl<'a> References<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, loaded: HashMap::new() }
    }

    /// The track of a candidate, and the time in it at the window's start; `None` if it was removed.
    pub(crate) fn of(&mut self, candidate: &Candidate) -> Result<Option<(Arc<Reference>, f64)>, IndexError> {
        let run = &self.snapshot.runs()[candidate.run];
        let Some(index) = run.track_at(candidate.offset.saturating_add(TRACK_MARGIN))? else {
            return Ok(None);
        };
        let track = run.track(index)?;
        let number = TrackNumber(track.number);
        if self.snapshot.is_removed(number) {
            return Ok(None);
        }
        let units = i64::from(candidate.offset) - i64::from(track.start);
        let reference = match self.loaded.get(&(candidate.run, index)) {
            Some(reference) => Arc::clone(reference),
            None => {
                let constellation = run.constellation(&track)?;
                let ticks = constellation.seconds * crate::fingerprint::TICKS_PER_SECOND;
                let reference = Arc::new(Reference { number, peaks: constellation.peaks, ticks });
                self.loaded.insert((candidate.run, index), Arc::clone(&reference));
                reference
            }
        };
        Ok(Some((reference, (units * i64::from(POSTING_TICKS)) as f64)))
    }
}

/// A stretch of the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// All peaks of the query.
    pub(crate) peaks: &'a [Peak],
    /// Start and end, ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// A line with what speaks for it.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    pub(crate) reference: Arc<Reference>,
    pub(crate) line: Line,
    pub(crate) evidence: Evidence,
    /// A cheap stand-in for the evidence's logarithm, to choose what is weighed.
    pub(crate) quick: f64,
    /// Peaks of the track within the window, and where they were found.
    pub(crate) outcomes: Vec<Outcome>,
    /// For each of them the probability to be found by chance.
    pub(crate) chances: Vec<f32>,
    /// And the part of the alternatives that explain it too.
    pub(crate) shared: Vec<f32>,
}

impl Verified {
    /// A track in a window along a line that may be off by a few ticks.
    pub(crate) fn near(
        reference: &Arc<Reference>,
        rough: Line,
        window: &Window<'_>,
        chance: &Chance,
    ) -> Self {
        Self::along(reference, rough, &NARROW, false, window, chance)
    }

    /// A track in a window along a line whose speed and pitch may be off by a per cent: independently, or
    /// both by as much, as where a turntable is too fast. High notes are too far off at first to tell the
    /// pitch; the times do.
    pub(crate) fn far(reference: &Arc<Reference>, rough: Line, window: &Window<'_>, chance: &Chance) -> Self {
        let along = |tied| Self::along(reference, rough, &WIDE, tied, window, chance);
        let (free, tied) = (along(false), along(true));
        if tied.quick < free.quick { tied } else { free }
    }

    /// Fits the line until it gets no better and weighs the evidence. A line that is off in speed or pitch
    /// meets few of its peaks at first, and more with every round.
    pub(crate) fn weighed(&self, window: &Window<'_>, chance: &Chance) -> Self {
        let mut best = self.clone();
        for _ in 0..MOST_FITS {
            let again = Self::along(&self.reference, best.line, &AGAIN, false, window, chance);
            let better = best.quick - again.quick;
            if better > 0.0 {
                best = again;
            }
            if better < WORTH_FITTING {
                break;
            }
        }
        best.evidence = best.weigh(window.peaks, |_| true);
        best
    }

    fn along(
        reference: &Arc<Reference>,
        mut line: Line,
        rounds: &[Tolerance],
        tied: bool,
        window: &Window<'_>,
        chance: &Chance,
    ) -> Self {
        let mut outcomes = Vec::new();
        let span = (window.from, window.to);
        for tolerance in rounds {
            compare(&reference.peaks, window.peaks, &line, span, *tolerance, &mut outcomes);
            line = fit(&reference.peaks, window.peaks, &outcomes, &line);
            if tied {
                line.pitch = line.speed;
            }
        }
        compare(&reference.peaks, window.peaks, &line, span, FINE, &mut outcomes);
        let chances =
            outcomes.iter().map(|o| chance.of(&reference.peaks[o.reference as usize], &line)).collect();
        let mut this = Self {
            reference: Arc::clone(reference),
            line,
            evidence: Evidence::default(),
            quick: 0.0,
            shared: vec![0.0; outcomes.len()],
            outcomes,
            chances,
        };
        this.quick = bound(this.outcomes.len(), this.found(), this.chances.iter().sum());
        this
    }

    /// Peaks of the track that were found.
    fn found(&self) -> usize {
        self.outcomes.iter().filter(|o| o.query.is_some()).count()
    }

    /// Whether another alignment is this one.
    pub(crate) fn is_same_line(&self, other: &Self, window: &Window<'_>) -> bool {
        let middle = (window.from + window.to) / 2.0;
        Arc::ptr_eq(&self.reference, &other.reference)
            && (self.line.reference(middle) - other.line.reference(middle)).abs() < FINE.time
    }

    /// Measures the evidence again, with the chance of each found peak raised by the alternatives (best
    /// first) that explain it too.
    pub(crate) fn scrutinize(
        &mut self,
        alternatives: &[&Verified],
        window: &Window<'_>,
        counts: impl Fn(u32) -> bool,
    ) {
        let mut explained = vec![0usize; window.peaks.len()];
        let mut tried = 0;
        let worth_comparing = WORTH_COMPARING.min(RIVAL * self.evidence.log_p());
        for other in alternatives {
            if tried == MOST_ALTERNATIVES {
                break;
            }
            if other.evidence.log_p() > worth_comparing || self.is_same_sound(other, window) {
                continue;
            }
            tried += 1;
            for query in other.outcomes.iter().filter_map(|o| o.query) {
                explained[query as usize] += 1;
            }
        }
        for (outcome, part) in self.outcomes.iter().zip(&mut self.shared) {
            *part = outcome.query.map_or(0.0, |query| shared(explained[query as usize], tried));
        }
        self.evidence = self.weigh(window.peaks, counts);
    }

    /// Whether another alignment puts the same sound in this place: the same line, a copy of the track, an
    /// exact repeat.
    fn is_same_sound(&self, other: &Self, window: &Window<'_>) -> bool {
        let mut outcomes = Vec::new();
        // From this track's times to the other's, through the query's.
        let speed = self.line.speed / other.line.speed;
        let through = Line {
            offset: self.line.offset - speed * other.line.offset,
            speed,
            pitch: other.line.pitch / self.line.pitch,
        };
        let span = (other.line.reference(window.from), other.line.reference(window.to));
        compare(&self.reference.peaks, &other.reference.peaks, &through, span, FINE, &mut outcomes);
        let found = outcomes.iter().filter(|o| o.query.is_some()).count();
        found as f64 >= SAME_SOUND * outcomes.len() as f64
    }

    /// Evidence of the query's peaks that `counts` lets count.
    pub(crate) fn weigh(&self, peaks: &[Peak], counts: impl Fn(u32) -> bool) -> Evidence {
        let mut evidence = Evidence::default();
        for ((outcome, chance), shared) in self.outcomes.iter().zip(&self.chances).zip(&self.shared) {
            let peak = &self.reference.peaks[outcome.reference as usize];
            let found = outcome.query.filter(|q| counts(*q));
            let found = found.map(|q| self.line.residual(peak, &peaks[q as usize]));
            evidence.add(peak.time, found, *chance, *shared);
        }
        evidence
    }
}

/// Chernoff's bound of the binomial tail, `-n · KL(found/n ‖ chance/n)`: the logarithm of the probability
/// that chance finds as many. 0 if it finds more.
fn bound(expected: usize, found: usize, by_chance: f32) -> f64 {
    let (n, found) = (expected.max(1) as f64, found as f64);
    let (rate, chance) = (found / n, (f64::from(by_chance) / n).clamp(1e-6, 1.0 - 1e-6));
    if rate <= chance {
        return 0.0;
    }
    let part = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    -n * (part(rate, chance) + part(1.0 - rate, 1.0 - chance))
}
