//! Survival of a track's peaks in a query: the rate at which they are found, and their degradation (how far they
//! deviate from the original).
//!
//! The tables were tuned on all conditions of the evaluation together: from clean to noise 5 dB above the music and
//! speech 10 dB above it.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use crate::fingerprint::Peak;

use super::super::line::PeakDeviation;
use super::chance::Chance;
use super::ranks::{QUERY_RANKS, REFERENCE_RANKS};

/// Rates of survival (fractions of the track's peaks that are found), from music buried under noise to clean audio.
/// Their odds differ by a factor of about two, and by more in clean audio. With half as many rates, weak true matches
/// lose evidence; with twice as many, verification costs nearly twice as much for little more evidence.
pub(super) const RATES: [f32; 6] = [0.06, 0.12, 0.2, 0.35, 0.6, 0.9];
/// Factors on the odds of survival by rank: the most outstanding peaks survive longest. Tuned with the other tables.
/// With equal odds, missing outstanding peaks would count too little against a track; with twice the contrast, peaks of
/// high rank hardly count.
const RANK_ODDS: [f32; REFERENCE_RANKS] = [1.5, 1.1, 0.9, 0.7];
/// A value for each of the [`RATES`].
pub(super) type Rates = [f32; RATES.len()];

/// Hypotheses of the degradation of surviving peaks: clean, below speech, through a codec, in noise, far below speech.
/// The values are standard errors in ticks and steps, and a number of ranks. Each hypothesis costs the same time for
/// every peak. Without one of them, queries that are damaged in this way match less often.
pub(super) const DEGRADATIONS: [PeakDegradation; 5] = [
    PeakDegradation { time: 0.35, frequency: 0.6, rank: 0.7 },
    PeakDegradation { time: 0.35, frequency: 0.6, rank: 8.0 },
    PeakDegradation { time: 0.8, frequency: 1.2, rank: 3.0 },
    PeakDegradation { time: 1.6, frequency: 2.4, rank: 3.0 },
    PeakDegradation { time: 1.6, frequency: 2.4, rank: 8.0 },
];

/// Deviation of surviving peaks from the original ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PeakDegradation {
    /// Standard error of the time, in ticks.
    time: f32,
    /// Standard error of the frequency, in steps.
    frequency: f32,
    /// Scale of the change of a peak's rank among its neighbors, in ranks: the probability falls to 1/e over this
    /// number.
    rank: f32,
}

/// Upper ends of the frequency bands in steps (0.3, 0.7, 1.1, 1.6, 2.3, 3.1, 4 kHz). Each band has its own rate,
/// because noise and loudspeakers affect bands differently. Bands are narrower at low frequencies, where most notes
/// are. With half as many, recordings lose evidence if a loudspeaker cuts the bass; with twice as many, short windows
/// have too few peaks in each band.
const BAND_END_STEPS: [u16; 7] = [250, 500, 800, 1200, 1700, 2300, 3000];
pub(crate) const BANDS: usize = BAND_END_STEPS.len() + 1;
/// Weights of the evidence of each band. The highest bands contain percussion, whose strokes and samples many pieces
/// share, so agreement there carries less information: it counts as if fewer peaks had been found. At half of the last
/// weights, bright songs are found less often; at 1, unknown music with the same drum samples matches more often.
const BAND_WEIGHTS: [f32; BANDS] = [1.0, 1.0, 1.0, 1.0, 1.0, 0.85, 0.7, 0.7];
/// Logarithms of the transition probabilities between the rates of neighboring bands, by the distance of the two rates
/// in [`RATES`]. Neighboring bands seldom have very different rates. At half these values, a band with chance hits can
/// take a high rate of its own, which raises the evidence for wrong matches; at twice these values, recordings behind a
/// filter or a small loudspeaker lose evidence.
pub(super) const RATE_TRANSITIONS: Rates = [-0.8, -1.5, -3.0, -4.5, -6.0, -7.5];

/// Returns the index of the band of a frequency in steps.
pub(crate) fn band(frequency: u16) -> usize {
    BAND_END_STEPS.iter().filter(|end| frequency >= **end).count()
}

/// Tables derived from the constants, computed once.
pub(super) struct Tables {
    /// Rates of survival, by rank of the track's peak.
    pub(super) rates: [Rates; REFERENCE_RANKS],
    /// Logarithms of the probabilities that a peak does not survive, by rank of the track's peak.
    pub(super) missing: [Rates; REFERENCE_RANKS],
    /// Probability of each rank in the query, by degradation and by rank of the track's peak.
    ranks: [[[f32; QUERY_RANKS]; REFERENCE_RANKS]; DEGRADATIONS.len()],
}

pub(super) static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let rate = |rank: usize, rate: usize| {
        // Odds and not rates are scaled, so that the result stays below 1.
        let odds = RANK_ODDS[rank] * RATES[rate] / (1.0 - RATES[rate]);
        odds / (1.0 + odds)
    };
    let rates = std::array::from_fn(|rank| std::array::from_fn(|i| rate(rank, i)));
    let missing = std::array::from_fn(|rank| std::array::from_fn(|i| (1.0 - rate(rank, i)).ln()));
    let ranks =
        DEGRADATIONS.map(|degradation| std::array::from_fn(|rank| query_ranks(rank, degradation.rank)));
    Tables { rates, missing, ranks }
});

/// Returns the probability of each rank in the query for a peak of this rank in the track. `reach` is
/// [`PeakDegradation::rank`].
fn query_ranks(rank: usize, reach: f32) -> [f32; QUERY_RANKS] {
    let weights: [f32; QUERY_RANKS] = std::array::from_fn(|q| (-(q.abs_diff(rank) as f32) / reach).exp());
    let sum: f32 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Returns the rank of a track's peak as an index of the tables.
pub(super) fn reference_rank(peak: &Peak) -> usize {
    usize::from(peak.rank).min(REFERENCE_RANKS - 1)
}

/// Returns the probability density of the deviation and rank of `found`, if it is a surviving peak of the track with
/// the rank `rank`. `degradation` is an index into [`DEGRADATIONS`].
pub(super) fn density(rank: usize, found: PeakDeviation, degradation: usize) -> f32 {
    let PeakDegradation { time, frequency, .. } = DEGRADATIONS[degradation];
    let query = usize::from(found.rank).min(QUERY_RANKS - 1);
    let (time_error, frequency_error) = (found.time_error / time, found.frequency_error / frequency);
    let normal = (-0.5 * (time_error * time_error + frequency_error * frequency_error)).exp()
        / (TAU * time * frequency);
    normal * TABLES.ranks[degradation][rank][query]
}

/// A hypothesis of survival: an index into [`RATES`] for each band, and an index into [`DEGRADATIONS`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Survival {
    pub(super) rates: [u8; BANDS],
    pub(super) degradation: usize,
}

impl Survival {
    /// Returns the survival of the same track under more masking: each rate is lower by `steps` entries of [`RATES`],
    /// or the lowest rate.
    pub(crate) fn masked(self, steps: u8) -> Self {
        Self { rates: self.rates.map(|rate| rate.saturating_sub(steps)), ..self }
    }

    /// Returns the log-likelihood ratio of the outcome of a peak: its likelihood with this survival, divided by its
    /// likelihood by chance. `found` is the deviation of the found peak, or `None` if the peak is missing. `chance` is
    /// the probability that chance finds a peak at the expected place, and `all` contains the distribution of the
    /// query's ranks.
    pub(crate) fn gain(self, peak: &Peak, found: Option<PeakDeviation>, all: &Chance, chance: f32) -> f32 {
        let rank = reference_rank(peak);
        let rate = TABLES.rates[rank][usize::from(self.rates[band(peak.frequency)])];
        let ratio =
            found.map_or(0.0, |found| density(rank, found, self.degradation) / all.density(found, chance));
        (1.0 - rate + rate * ratio).ln()
    }
}

/// Returns the log-likelihood ratio, for screening, of a peak of the query as a surviving peak of a track. The track's
/// peak is assumed to have a medium rank, to be degraded as in noise, and to survive at a rate of one third.
pub(crate) fn screening_score(chance: &Chance, query: &Peak) -> f32 {
    // A rate between noise and clean, because screening ranks candidates before the survival in the query is known. At
    // half or twice this value, hits of rare ranks count less or more; the order of most candidates stays the same.
    const RATE: f32 = 1.0 / 3.0;
    const NOISE: usize = 3;
    let rank = usize::from(query.rank).min(QUERY_RANKS - 1);
    let of_rank = TABLES.ranks[NOISE][1][rank] / chance.of_rank(query.rank);
    (1.0 - RATE + RATE * of_rank / chance.at(f64::from(query.frequency))).ln()
}

/// Log-likelihood ratio of a missing peak, under the assumptions of [`screening_score`]. It is ln(1 - 1/3).
pub(crate) const MISSING_PEAK_SCORE: f32 = -0.405_465_1;

/// Returns the logarithm of the mean likelihood over all sequences of the bands' rates (the forward algorithm of hidden
/// Markov models), with each likelihood raised to `power` and to the weight of its band. `bands` contains the logarithm
/// of the likelihood of each band at each rate. `steps` are the logarithms of the transition probabilities between
/// neighboring bands, by the distance of their rates.
pub(crate) fn mean<const N: usize>(bands: &[[f32; N]; BANDS], steps: &[f32; N], power: f32) -> f32 {
    let mut sums = [-(N as f32).ln(); N];
    for (i, band) in bands.iter().enumerate() {
        if i > 0 {
            sums = std::array::from_fn(|rate| {
                let terms: [f32; N] = std::array::from_fn(|from| sums[from] + steps[rate.abs_diff(from)]);
                log_sum(&terms)
            });
        }
        // The exponent tempers each band, not the sum, so that a band of drums cannot hide the others.
        let power = power * BAND_WEIGHTS[i];
        sums.iter_mut().zip(band).for_each(|(sum, likelihood)| *sum += likelihood * power);
    }
    log_sum(&sums)
}

/// Returns the logarithm of the sum of numbers given by their logarithms.
fn log_sum(terms: &[f32]) -> f32 {
    let max = terms.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    max + terms.iter().map(|term| (term - max).exp()).sum::<f32>().ln()
}

/// Returns the logarithm of the likelihood of the most likely sequence of the bands' rates, and that sequence: an index
/// into [`RATES`] for each band (Viterbi 1967).
pub(super) fn most_likely_rates(bands: &[Rates; BANDS]) -> (f32, [u8; BANDS]) {
    let mut best = bands[0];
    let mut from = [[0u8; RATES.len()]; BANDS];
    for (i, band) in bands.iter().enumerate().skip(1) {
        let before = best;
        for rate in 0..RATES.len() {
            let paths = (0..RATES.len()).map(|old| (before[old] + RATE_TRANSITIONS[rate.abs_diff(old)], old));
            let (path_log_p, old) = paths.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
            best[rate] = path_log_p + band[rate];
            from[i][rate] = old as u8;
        }
    }
    let last = (0..RATES.len()).max_by(|a, b| best[*a].total_cmp(&best[*b])).unwrap_or_default();
    let mut rates = [last as u8; BANDS];
    for i in (1..BANDS).rev() {
        rates[i - 1] = from[i][usize::from(rates[i])];
    }
    (best[last], rates)
}
