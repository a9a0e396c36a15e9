//! Probability of finding a peak by chance.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::super::line::{FINE, Line, PeakDeviation, Tolerance};
use super::ranks::QUERY_RANKS;

/// Probability, by frequency, that a peak of a track is found in a stretch of the query by chance. It is the mean over
/// all shifts in time, so notes that the query sustains are accounted for.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    /// Probability of a chance hit, by frequency in steps.
    by_step: Vec<f32>,
    /// Fraction of the query's peaks that has each rank.
    ranks: [f32; QUERY_RANKS],
}

/// Upper bound of the probability of a chance hit. Without this bound, a missing peak would count as near proof against
/// a track. At half this value, hits in dense passages would count as evidence although chance finds them, too.
const MAX_CHANCE: f32 = 0.9;
/// Lower bound of the probability of a chance hit: the query can have more peaks at one time than on average over the
/// measured stretch. At half this value, a hit at a frequency without other peaks raises the evidence (natural
/// logarithm) by up to ln 2 more, so wrong tracks gain; at twice this value, by up to ln 2 less, so true tracks lose.
const MIN_CHANCE: f32 = 0.004;

impl Chance {
    /// Measures a stretch of the query of `ticks` ticks that has these peaks, and replaces the previous measurement. A
    /// peak that deviates by at most `tolerance` counts as a hit.
    pub(crate) fn measure(&mut self, peaks: &[Peak], ticks: f64, tolerance: Tolerance) {
        const STEPS: usize = (HIGHEST_BIN + 1) * STEPS_PER_BIN as usize;
        self.by_step.clear();
        self.by_step.resize(STEPS + 1, 0.0);
        let each = ((2.0 * tolerance.time + 1.0) / ticks.max(1.0)) as f32;
        let reach = tolerance.frequency as usize;
        // Each rank is counted once in advance (Laplace smoothing), so that no rank has the probability 0.
        let mut counts = [1.0; QUERY_RANKS];
        // First only the changes between neighboring steps are added, which takes two additions per peak; the loop
        // below sums them up.
        for peak in peaks {
            let at = usize::from(peak.frequency).min(STEPS - 1);
            self.by_step[at.saturating_sub(reach)] += each;
            self.by_step[(at + reach + 1).min(STEPS)] -= each;
            counts[usize::from(peak.rank).min(QUERY_RANKS - 1)] += 1.0;
        }
        self.ranks = counts.map(|n| n / (peaks.len() + QUERY_RANKS) as f32);
        let mut sum = 0.0;
        for step in &mut self.by_step {
            sum += *step;
            // Peaks at one frequency overlap in time: if their lengths sum to the fraction x of the stretch, they cover
            // 1 - e^-x of it.
            *step = (1.0 - (-sum).exp()).clamp(MIN_CHANCE, MAX_CHANCE);
        }
    }

    /// Returns the probability of finding a peak of the track by chance at the frequency at which `line` expects it.
    pub(crate) fn of(&self, peak: &Peak, line: &Line) -> f32 {
        self.at(f64::from(peak.frequency) * line.pitch)
    }

    /// Returns the probability of finding a peak of this frequency (steps) in the query by chance.
    pub(crate) fn at(&self, frequency: f64) -> f32 {
        self.by_step[(frequency as usize).min(self.by_step.len() - 1)]
    }

    /// Returns the fraction of the query's peaks that has this rank.
    pub(crate) fn of_rank(&self, rank: u8) -> f32 {
        self.ranks[usize::from(rank).min(QUERY_RANKS - 1)]
    }

    /// Returns the probability density of a found peak under chance, where chance finds a peak with probability
    /// `chance`: its place is uniform within the tolerance, and its rank is distributed like the ranks of the query's
    /// peaks.
    pub(crate) fn density(&self, found: PeakDeviation, chance: f32) -> f32 {
        const POSITIONS: f32 = (2.0 * FINE.time as f32 + 1.0) * (2.0 * FINE.frequency as f32 + 1.0);
        chance / POSITIONS * self.of_rank(found.rank)
    }
}
