//! What speaks for an alignment.

use crate::fingerprint::Peak;

use super::super::line::Sighting;
use super::chance::Chance;
use super::spread::Spread;
use super::survival::{
    BANDS, Rates, STEPS, Survival, TABLES, WEARS, band, density, likeliest, mean, reference_rank,
};

/// What speaks for an alignment: the likelihoods behind its e-value, and counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Evidence {
    /// Peaks of the track in the stretch.
    pub(crate) expected: u32,
    /// Those found.
    pub(crate) found: u32,
    /// Logarithms of likelihood ratios by wear, band and rate.
    by_band: [[Rates; BANDS]; WEARS.len()],
    spread: Spread,
}

impl Evidence {
    /// Adds one peak of the track, in order of time: what was found in its place, the chance to find it, and
    /// the probability that a rival put it there.
    pub(crate) fn add(
        &mut self,
        peak: &Peak,
        found: Option<Sighting>,
        all: &Chance,
        chance: f32,
        rival: f32,
    ) {
        self.spread.add(peak.time, found.is_some());
        self.expected += 1;
        let (rank, band) = (reference_rank(peak), band(peak.frequency));
        let Some(found) = found else {
            for bands in &mut self.by_band {
                bands[band].iter_mut().zip(TABLES.missing[rank]).for_each(|(sum, missing)| *sum += missing);
            }
            return;
        };
        self.found += 1;
        let by_chance = all.density(found, chance);
        for (wear, bands) in self.by_band.iter_mut().enumerate() {
            let density = density(rank, found, wear);
            let ratio = density / (by_chance + rival * density);
            for (sum, rate) in bands[band].iter_mut().zip(TABLES.rates[rank]) {
                *sum += (1.0 - rate + rate * ratio).ln();
            }
        }
    }

    /// The likeliest way in which the peaks survived.
    pub(crate) fn survival(&self) -> Survival {
        let ways = self.by_band.iter().enumerate().map(|(wear, bands)| (likeliest(bands), wear));
        let best = ways.max_by(|a, b| a.0.0.total_cmp(&b.0.0));
        best.map_or(Survival { rates: [0; BANDS], wear: 0 }, |((_, rates), wear)| Survival { rates, wear })
    }

    /// Power with which each peak counts: what is found in bursts counts less.
    pub(crate) fn power(&self) -> f32 {
        (1.0 / self.spread.dispersion()) as f32
    }

    /// Natural logarithm of the probability that chance gives as much: at most 0.
    pub(crate) fn log_p(&self) -> f64 {
        if self.expected == 0 {
            return 0.0;
        }
        let power = self.power();
        let means = self.by_band.map(|bands| f64::from(mean(&bands, &STEPS, power)));
        let best = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all = means.iter().map(|log| (log - best).exp()).sum::<f64>() / WEARS.len() as f64;
        -(best + all.ln()).max(0.0)
    }
}
