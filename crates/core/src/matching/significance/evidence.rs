//! Evidence for an alignment.

use crate::fingerprint::Peak;

use super::super::line::PeakDeviation;
use super::chance::Chance;
use super::spread::Spread;
use super::survival::{
    BANDS, DEGRADATIONS, RATE_TRANSITIONS, RATES, Rates, Survival, TABLES, band, density, mean,
    most_likely_rates, reference_rank,
};

/// A value for each hypothesis of survival, by degradation, band and rate.
type PerHypothesis<T> = [[[T; RATES.len()]; BANDS]; DEGRADATIONS.len()];

/// Number of likelihood ratios that are multiplied before the logarithm is taken. Each ratio is between 1e-2 and 1e11,
/// so the product fits into an `f64`. At twice this value, the largest product (1e352) would overflow; at half this
/// value, twice as many logarithms are computed.
const RATIOS_PER_LOG: u8 = 16;

/// Evidence for an alignment: the likelihood ratios of its e-value, and counts of peaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PeakEvidence {
    /// Number of peaks of the track in the stretch.
    pub(crate) expected: u32,
    /// Number of the expected peaks of the track that were found.
    pub(crate) found: u32,
    /// Sums of the logarithms of likelihood ratios.
    logs: PerHypothesis<f32>,
    /// Products of the likelihood ratios that are not yet in `logs`; a logarithm costs as much as many multiplications.
    products: PerHypothesis<f64>,
    /// Number of ratios in the products, by band.
    multiplied: [u8; BANDS],
    spread: Spread,
}

impl Default for PeakEvidence {
    fn default() -> Self {
        Self {
            expected: 0,
            found: 0,
            logs: PerHypothesis::default(),
            products: [[[1.0; RATES.len()]; BANDS]; DEGRADATIONS.len()],
            multiplied: [0; BANDS],
            spread: Spread::default(),
        }
    }
}

impl PeakEvidence {
    /// Adds one expected peak of the track; peaks are added in order of time. `found` is the deviation of the query's
    /// peak that was found at the expected place, or `None` if no peak was found. `chance` is the probability of
    /// finding a peak there by chance, `all` contains the distribution of the query's ranks, and `competitor` is the
    /// probability that a competing alignment explains the found peak.
    pub(crate) fn add(
        &mut self,
        peak: &Peak,
        found: Option<PeakDeviation>,
        all: &Chance,
        chance: f32,
        competitor: f32,
    ) {
        // Peaks of all ranks count here: the spread measures at which times peaks are found, not their ranks.
        self.spread.add(peak.time, found.is_some());
        self.expected += 1;
        let (rank, band) = (reference_rank(peak), band(peak.frequency));
        let Some(found) = found else {
            for bands in &mut self.logs {
                bands[band].iter_mut().zip(TABLES.missing[rank]).for_each(|(sum, missing)| *sum += missing);
            }
            return;
        };
        self.found += 1;
        let by_chance = all.density(found, chance);
        for (degradation, bands) in self.products.iter_mut().enumerate() {
            let density = density(rank, found, degradation);
            // A competitor that explains the peak is a second cause of it, so its density is added to that of chance.
            let ratio = density / (by_chance + competitor * density);
            for (product, rate) in bands[band].iter_mut().zip(TABLES.rates[rank]) {
                *product *= f64::from(1.0 - rate + rate * ratio);
            }
        }
        self.multiplied[band] += 1;
        if self.multiplied[band] == RATIOS_PER_LOG {
            self.multiplied[band] = 0;
            for (logs, products) in self.logs.iter_mut().zip(&mut self.products) {
                add_logs(&mut logs[band], &products[band]);
                products[band] = [1.0; RATES.len()];
            }
        }
    }

    /// Returns the logarithms of all likelihood ratios.
    fn likelihoods(&self) -> PerHypothesis<f32> {
        let mut all = self.logs;
        for (logs, products) in all.iter_mut().zip(&self.products) {
            for band in (0..BANDS).filter(|band| self.multiplied[*band] > 0) {
                add_logs(&mut logs[band], &products[band]);
            }
        }
        all
    }

    /// Returns the most likely survival of the peaks.
    pub(crate) fn survival(&self) -> Survival {
        let likelihoods = self.likelihoods();
        let hypotheses = likelihoods
            .iter()
            .enumerate()
            .map(|(degradation, bands)| (most_likely_rates(bands), degradation));
        let best = hypotheses.max_by(|a, b| a.0.0.total_cmp(&b.0.0));
        best.map_or(Survival { rates: [0; BANDS], degradation: 0 }, |((_, rates), degradation)| Survival {
            rates,
            degradation,
        })
    }

    /// Returns the exponent, at most 1, to which the likelihood of each peak is raised. It is small if peaks are found
    /// in bursts, because such peaks are not independent evidence.
    pub(crate) fn power(&self) -> f32 {
        (1.0 / self.spread.dispersion()) as f32
    }

    /// Returns the natural logarithm of the probability that chance gives at least this much evidence; at most 0.
    pub(crate) fn log_p(&self) -> f64 {
        if self.expected == 0 {
            return 0.0;
        }
        let power = self.power();
        let means = self.likelihoods().map(|bands| f64::from(mean(&bands, &RATE_TRANSITIONS, power)));
        // The maximum is subtracted before `exp`, because likelihoods exceed the range of an `f64`.
        let best = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all = means.iter().map(|log| (log - best).exp()).sum::<f64>() / DEGRADATIONS.len() as f64;
        // Markov's inequality turns the e-value into a probability; an e-value below 1 proves nothing.
        -(best + all.ln()).max(0.0)
    }
}

/// Adds the logarithms of products to `logs`.
fn add_logs(logs: &mut Rates, products: &[f64; RATES.len()]) {
    logs.iter_mut().zip(products).for_each(|(log, product)| *log += product.ln() as f32);
}
