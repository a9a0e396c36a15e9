//! How likely it is that an alignment is chance.
//!
//! For each peak of the track that should be heard there is a probability to find a peak in its place by
//! chance. The likelihood of what was found, if each peak survives with some rate, over its likelihood by
//! chance is an e-value: chance exceeds `x` with probability at most `1 / x` (Vovk and Wang 2021), whatever
//! the number of peaks. The mean over several rates is one too.
//!
//! Chance is more than the density of peaks. Two pieces of music with the same tempo and the same drums agree
//! in a third of their peaks wherever their beats coincide. So a peak's chance is also measured at the other
//! alignments, of this track and of others, that fit the query well: what they explain too proves little.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::line::{Line, Tolerance};
use super::verify::FINE;

/// For each frequency the part of the time at which a peak of a track would be found in a stretch of the
/// query by chance: the mean over all shifts in time, whatever notes the query holds on to.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    by_step: Vec<f32>,
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
        // Differences first, summed up afterwards: two additions a peak.
        for peak in peaks {
            let at = usize::from(peak.frequency).min(STEPS - 1);
            self.by_step[at.saturating_sub(reach)] += each;
            self.by_step[(at + reach + 1).min(STEPS)] -= each;
        }
        let mut sum = 0.0;
        for step in &mut self.by_step {
            sum += *step;
            // Peaks at one frequency overlap in time: 1 - e^-x of the stretch is covered.
            *step = (1.0 - (-sum).exp()).clamp(LOWEST_CHANCE, HIGHEST_CHANCE);
        }
    }

    /// The probability to find a peak of the track by chance.
    pub(crate) fn of(&self, peak: &Peak, line: &Line) -> f32 {
        let step = (f64::from(peak.frequency) * line.pitch) as usize;
        self.by_step[step.min(self.by_step.len() - 1)]
    }
}

/// Alternatives that are asked what they explain.
pub(crate) const MOST_ALTERNATIVES: usize = 8;
/// Weight of "no alternative explains it", in alternatives.
const PRIOR_ALTERNATIVES: f32 = 1.0;

/// The part of the alternatives that explain a peak.
pub(crate) fn shared(explained: usize, tried: usize) -> f32 {
    explained as f32 / (tried as f32 + PRIOR_ALTERNATIVES)
}

/// Rates of survival of the track's peaks, from buried under speech to clean.
const RATES: [f32; 6] = [0.06, 0.12, 0.2, 0.35, 0.6, 0.9];
/// Standard errors of a surviving peak's place, ticks and steps: heard cleanly, through a codec, in noise.
const ERRORS: [(f32, f32); 3] = [(0.35, 0.6), (0.8, 1.2), (1.6, 2.4)];
const HYPOTHESES: usize = RATES.len() * ERRORS.len();
/// Peaks are not found independently: notes begin together and last. This many count as one. Measured on
/// unknown music; see the evaluation of the null in the README.
const DISPERSION: f64 = 2.3;

/// What speaks for an alignment: the logarithm of its e-value, and the counts behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Evidence {
    /// Peaks of the track in the stretch.
    pub(crate) expected: u32,
    /// Those found.
    pub(crate) found: u32,
    /// Those that chance would find.
    pub(crate) by_chance: f32,
    by_hypothesis: [f32; HYPOTHESES],
    clusters: Clusters,
}

impl Evidence {
    /// Adds one peak of the track, in order of time (ticks): how far from its place it was found (ticks,
    /// steps), if it was; its chance; and the part of the alternatives that put it there too.
    pub(crate) fn add(&mut self, time: u32, found: Option<(f32, f32)>, chance: f32, shared: f32) {
        self.clusters.add(time, found.is_some());
        self.expected += 1;
        self.by_chance += chance;
        let Some((late, aside)) = found else {
            for (sum, rate) in self.by_hypothesis.iter_mut().zip(RATES.iter().cycle()) {
                *sum += (1.0 - rate).ln();
            }
            return;
        };
        self.found += 1;
        for (sums, (time, frequency)) in self.by_hypothesis.chunks_mut(RATES.len()).zip(ERRORS) {
            // Chance spreads peaks evenly over the tolerance.
            let density = normal(late, time) * normal(aside, frequency);
            let even = chance / ((2.0 * FINE.time as f32 + 1.0) * (2.0 * FINE.frequency as f32 + 1.0));
            for (sum, rate) in sums.iter_mut().zip(RATES) {
                *sum += (1.0 - rate + rate * density / (even + shared * density)).ln();
            }
        }
    }

    /// Natural logarithm of the probability that chance gives as much: at most 0.
    pub(crate) fn log_p(&self) -> f64 {
        let best = self.by_hypothesis.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.expected == 0 {
            return 0.0;
        }
        let dispersion = DISPERSION * self.clusters.excess();
        let spread = |l: &f32| (f64::from(l - best) / dispersion).exp();
        let mean = self.by_hypothesis.iter().map(spread).sum::<f64>() / HYPOTHESES as f64;
        -(f64::from(best) / dispersion + mean.ln()).max(0.0)
    }
}

/// Peaks of one moment, ticks: 46 ms.
const MOMENT: u32 = 8;

/// How much the found peaks crowd in single moments. A surviving recording is found here and there; music
/// that only shares the beat is found in whole chords and drum strokes, or not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Clusters {
    moment: u32,
    /// In this moment: expected, found.
    now: (u32, u32),
    /// Ordered pairs within a moment, of all before.
    pairs: (u32, u32),
    all: (u32, u32),
}

impl Clusters {
    fn add(&mut self, time: u32, found: bool) {
        if time / MOMENT != self.moment {
            *self = self.closed();
            self.moment = time / MOMENT;
        }
        self.now = (self.now.0 + 1, self.now.1 + u32::from(found));
    }

    fn closed(mut self) -> Self {
        let pairs = |n: u32| n * n.saturating_sub(1);
        self.pairs = (self.pairs.0 + pairs(self.now.0), self.pairs.1 + pairs(self.now.1));
        self.all = (self.all.0 + self.now.0, self.all.1 + self.now.1);
        self.now = (0, 0);
        self
    }

    /// Found pairs over those that independence gives; at least 1. A few pairs prove nothing, so some are
    /// added on both sides.
    fn excess(self) -> f64 {
        const PRIOR: f64 = 10.0;
        let this = self.closed();
        let rate = f64::from(this.all.1) / f64::from(this.all.0.max(1));
        ((f64::from(this.pairs.1) + PRIOR) / (f64::from(this.pairs.0) * rate * rate + PRIOR)).max(1.0)
    }
}

/// Density of a normal distribution.
fn normal(x: f32, deviation: f32) -> f32 {
    const PEAK: f32 = 0.398_942_3;
    let z = x / deviation;
    PEAK / deviation * (-0.5 * z * z).exp()
}
