//! What is found by chance.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::super::line::{Line, Sighting, Tolerance};
use super::super::verify::FINE;
use super::survival::QUERY_RANKS;

/// For each frequency the part of the time at which a peak of a track would be found in a stretch of the
/// query by chance: the mean over all shifts in time, whatever notes the query holds on to.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    by_step: Vec<f32>,
    /// Part of the query's peaks that has each rank.
    ranks: [f32; QUERY_RANKS],
}

/// Nothing is surer to be found by chance than this, or less.
const HIGHEST_CHANCE: f32 = 0.9;
const LOWEST_CHANCE: f32 = 0.004;

impl Chance {
    /// Measures a stretch of `ticks` with these peaks.
    pub(crate) fn measure(&mut self, peaks: &[Peak], ticks: f64, tolerance: Tolerance) {
        const STEPS: usize = (HIGHEST_BIN + 1) * STEPS_PER_BIN as usize;
        self.by_step.clear();
        self.by_step.resize(STEPS + 1, 0.0);
        let each = ((2.0 * tolerance.time + 1.0) / ticks.max(1.0)) as f32;
        let reach = tolerance.frequency as usize;
        let mut counts = [1.0; QUERY_RANKS];
        // Differences first, summed up afterwards: two additions a peak.
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
            // Peaks at one frequency overlap in time: 1 - e^-x of the stretch is covered.
            *step = (1.0 - (-sum).exp()).clamp(LOWEST_CHANCE, HIGHEST_CHANCE);
        }
    }

    /// The probability to find a peak of the track by chance.
    pub(crate) fn of(&self, peak: &Peak, line: &Line) -> f32 {
        self.at(f64::from(peak.frequency) * line.pitch)
    }

    /// The probability to find a peak of this frequency (steps) in the query.
    pub(crate) fn at(&self, frequency: f64) -> f32 {
        self.by_step[(frequency as usize).min(self.by_step.len() - 1)]
    }

    /// Part of the query's peaks that has this rank.
    pub(crate) fn of_rank(&self, rank: u8) -> f32 {
        self.ranks[usize::from(rank).min(QUERY_RANKS - 1)]
    }

    /// Density of what was found, where chance finds a peak with this probability: it lies anywhere within
    /// the tolerance, and its rank is any peak's of the query.
    pub(crate) fn density(&self, found: Sighting, chance: f32) -> f32 {
        const PLACES: f32 = (2.0 * FINE.time as f32 + 1.0) * (2.0 * FINE.frequency as f32 + 1.0);
        chance / PLACES * self.of_rank(found.rank)
    }
}
