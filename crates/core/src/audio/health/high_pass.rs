//! The second stage of the K-weighting filter for two channels.

use super::biquad::{Coefficients, HIGH_PASS, HIGH_PASS_CORNER};

/// Number of samples whose mean is an input of the filter. It changes frequencies near 38 Hz only, so it needs a low sample
/// rate. At half this value, it takes twice the time; at twice this value, the loudness of audio at 16 kHz is wrong by
/// 0.2 dB near 250 Hz.
const MEAN_SAMPLES: usize = 16;

/// A filter of second order in the transposed direct form II, for the means of [`MEAN_SAMPLES`] samples.
#[derive(Debug, Clone)]
pub(super) struct HighPass {
    coefficients: Coefficients,
    /// Gain above the low frequencies, as a power. It is slightly above 1.
    gain: f64,
    state: [[f64; 2]; 2],
    /// Sums and number of the samples after the last complete mean.
    sums: [f32; 2],
    count: usize,
}

impl HighPass {
    /// Creates a filter for a sample rate of `rate` hertz.
    pub(super) fn new(rate: f64) -> Self {
        let coefficients = HIGH_PASS.at_rate(rate / MEAN_SAMPLES as f64, HIGH_PASS_CORNER);
        let Coefficients { b, a } = coefficients;
        // At half the sample rate, z⁻¹ is −1.
        let gain = (b[0] - b[1] + b[2]) / (1.0 - a[0] + a[1]);
        Self {
            coefficients,
            gain: gain * gain,
            state: Default::default(),
            sums: Default::default(),
            count: 0,
        }
    }

    /// Returns the gain above the low frequencies, as a power.
    pub(super) fn gain(&self) -> f64 {
        self.gain
    }

    /// Filters samples of two channels, of the same length. Returns the energy that the filter removes from each, in
    /// comparison with its gain at all frequencies.
    pub(super) fn removed_energy(&mut self, left: &[f32], right: &[f32]) -> [f64; 2] {
        let missing = ((MEAN_SAMPLES - self.count) % MEAN_SAMPLES).min(left.len()).min(right.len());
        let ((head_left, left), (head_right, right)) = (left.split_at(missing), right.split_at(missing));
        let mut removed = [0.0; 2];
        self.add(head_left, head_right, &mut removed);
        let ((lefts, left), (rights, right)) = (left.as_chunks(), right.as_chunks());
        // A local copy stays in registers.
        let mut state = self.state;
        for (left, right) in lefts.iter().zip(rights) {
            filter(&mut state, (&self.coefficients, self.gain), [sum(left), sum(right)], &mut removed);
        }
        self.state = state;
        self.add(left, right, &mut removed);
        removed.map(|removed| removed * MEAN_SAMPLES as f64)
    }

    /// Adds at most as many samples as the next mean needs.
    fn add(&mut self, left: &[f32], right: &[f32], removed: &mut [f64; 2]) {
        for (sum, samples) in self.sums.iter_mut().zip([left, right]) {
            *sum += samples.iter().sum::<f32>();
        }
        self.count += left.len();
        if self.count >= MEAN_SAMPLES {
            filter(&mut self.state, (&self.coefficients, self.gain), std::mem::take(&mut self.sums), removed);
            self.count = 0;
        }
    }
}

/// Filters the means of samples with these sums. Adds the differences of their squares, times the gain, and those after the
/// filter to `removed`.
#[inline(always)]
fn filter(
    state: &mut [[f64; 2]; 2],
    (c, gain): (&Coefficients, f64),
    sums: [f32; 2],
    removed: &mut [f64; 2],
) {
    let [first, second] = state;
    for channel in 0..2 {
        let x = f64::from(sums[channel]) * (1.0 / MEAN_SAMPLES as f64);
        let y = c.b[0] * x + first[channel];
        first[channel] = (c.b[1] * x + second[channel]) - c.a[0] * y;
        second[channel] = c.b[2] * x - c.a[1] * y;
        removed[channel] += gain * x * x - y * y;
    }
}

/// Returns the sum of samples, in an order for which the compiler uses vector instructions.
#[inline(always)]
fn sum(samples: &[f32; MEAN_SAMPLES]) -> f32 {
    let sums: [f32; 4] =
        std::array::from_fn(|n| (samples[n] + samples[n + 4]) + (samples[n + 8] + samples[n + 12]));
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}
