//! Computes samples from frequency coefficients: inverse transform, window and overlap (ATSC A/52:2018, 7.9).
//!
//! All steps are linear, and all channels have the same window. So the channels are mixed before the transform, and a
//! block takes at most one long transform and a pair of short ones, for any number of channels.

use super::dct::CosineTransform;
use super::header::BLOCK_SAMPLES;

/// Half the number of samples of a block: the size of a short transform.
const HALF: usize = BLOCK_SAMPLES / 2;

/// Frequency coefficients of a block, mixed to mono.
#[derive(Debug, Clone)]
pub(super) struct MonoSpectrum {
    /// Sum of the channels with a long transform.
    pub(super) long: [f32; BLOCK_SAMPLES],
    /// Sum of the channels with two short transforms, whose coefficients alternate.
    pub(super) short: [f32; BLOCK_SAMPLES],
    /// True if a channel has short transforms.
    pub(super) has_short: bool,
}

impl MonoSpectrum {
    /// Creates a spectrum of silence.
    pub(super) fn new() -> Self {
        Self { long: [0.0; BLOCK_SAMPLES], short: [0.0; BLOCK_SAMPLES], has_short: false }
    }

    /// Adds the coefficients of a channel, multiplied by `gain`.
    pub(super) fn add(&mut self, coefficients: &[f32], short: bool, gain: f32) {
        self.has_short |= short;
        let sum = if short { &mut self.short } else { &mut self.long };
        for (sum, &coefficient) in sum.iter_mut().zip(coefficients) {
            *sum += gain * coefficient;
        }
    }
}

/// The inverse transform of a stream. Keeps the second half of a block, which overlaps the next block.
#[derive(Debug)]
pub(super) struct InverseTransform {
    long: CosineTransform,
    short: CosineTransform,
    /// Rising half of the window.
    window: Vec<f32>,
    overlap: [f32; BLOCK_SAMPLES],
}

impl InverseTransform {
    /// Creates the transform at the start of a stream.
    pub(super) fn new() -> Self {
        Self {
            long: CosineTransform::new(BLOCK_SAMPLES),
            short: CosineTransform::new(HALF),
            window: window(),
            overlap: [0.0; BLOCK_SAMPLES],
        }
    }

    /// Discards the overlap with the next block.
    pub(super) fn reset(&mut self) {
        self.overlap = [0.0; BLOCK_SAMPLES];
    }

    /// Appends the [`BLOCK_SAMPLES`] samples of a block to `samples`. Changes `spectrum`.
    pub(super) fn block(&mut self, spectrum: &mut MonoSpectrum, samples: &mut Vec<f32>) {
        self.long.apply(&mut spectrum.long);
        // The first half of the block depends on the upper half of the transform, the second half on the lower half.
        let (second, first) = spectrum.long.split_at_mut(HALF);
        if spectrum.has_short {
            let (mut even, mut odd) = ([0.0; HALF], [0.0; HALF]);
            for (pair, (even, odd)) in spectrum.short.chunks_exact(2).zip(even.iter_mut().zip(&mut odd)) {
                (*even, *odd) = (pair[0], pair[1]);
            }
            self.short.apply(&mut even);
            self.short.apply(&mut odd);
            first.iter_mut().zip(even).for_each(|(sum, value)| *sum += value);
            second.iter_mut().zip(odd).for_each(|(sum, value)| *sum += value);
        }
        let start = samples.len();
        samples.extend_from_slice(&self.overlap);
        let out = &mut samples[start..];
        // A window of 512 samples over a transform of 256 values: the first half is odd around its center, and the
        // second half is even. The factor of 2 inverts the scale of the encoder.
        for (n, (&first, &second)) in first.iter().zip(second.iter()).enumerate() {
            let mirrored = BLOCK_SAMPLES - 1 - n;
            out[n] -= 2.0 * self.window[n] * first;
            out[mirrored] += 2.0 * self.window[mirrored] * first;
            self.overlap[HALF - 1 - n] = 2.0 * self.window[HALF + n] * second;
            self.overlap[HALF + n] = 2.0 * self.window[HALF - 1 - n] * second;
        }
    }
}

/// Returns the rising half of the window (table 7.33): a Kaiser-Bessel derived window with α = 5.
fn window() -> Vec<f32> {
    const ALPHA: f64 = 5.0;
    let kaiser = |n: usize| {
        let position = 2.0 * n as f64 / BLOCK_SAMPLES as f64 - 1.0;
        bessel(std::f64::consts::PI * ALPHA * (1.0 - position * position).sqrt())
    };
    let total: f64 = (0..=BLOCK_SAMPLES).map(kaiser).sum();
    let sums = (0..BLOCK_SAMPLES).scan(0.0, |sum, n| {
        *sum += kaiser(n);
        Some(*sum)
    });
    sums.map(|sum| (sum / total).sqrt() as f32).collect()
}

/// Returns the modified Bessel function of the first kind of order 0.
fn bessel(x: f64) -> f64 {
    // 60 terms are enough for arguments up to 5π: the last one is below 1e-40 of the sum.
    let terms = (1..60).scan(1.0, |term, k| {
        *term *= (x / (2.0 * f64::from(k))).powi(2);
        Some(*term)
    });
    1.0 + terms.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// Transforms 512 samples as an encoder does (8.2.3.2). `alpha` is 0 for a long transform, -1 and 1 for the first
    /// and the second short one.
    fn forward(samples: &[f64], alpha: f64) -> Vec<f32> {
        let size = samples.len() as f64;
        let coefficient = |k: usize| {
            let odd = 2.0 * k as f64 + 1.0;
            let angle =
                |n: usize| PI / (2.0 * size) * (2.0 * n as f64 + 1.0) * odd + PI / 4.0 * odd * (1.0 + alpha);
            let sum: f64 = samples.iter().enumerate().map(|(n, x)| x * angle(n).cos()).sum();
            (-2.0 / size * sum) as f32
        };
        (0..samples.len() / 2).map(coefficient).collect()
    }

    #[test]
    fn the_window_has_the_values_of_the_standard() {
        let window = window();
        let values = [0, 1, 2, 100, 255].map(|i: usize| (f64::from(window[i]) * 1e5).round() as i32);
        assert_eq!(values[..3], [14, 24, 37]);
        assert_eq!(values[4], 100_000);
        for n in 0..BLOCK_SAMPLES {
            let power = window[n].powi(2) + window[BLOCK_SAMPLES - 1 - n].powi(2);
            assert!((power - 1.0).abs() < 1e-5, "{n}: {power}");
        }
    }

    #[test]
    fn blocks_of_all_kinds_restore_the_samples() {
        let signal: Vec<f64> = (0..256 * 8_i32).map(|i| f64::from(i * i % 1_009 - 504) / 504.0).collect();
        let window = window();
        let mut transform = InverseTransform::new();
        let mut output = Vec::new();
        for (number, short) in [false, true, true, false, false, true, false].into_iter().enumerate() {
            let block = &signal[256 * number..256 * number + 512];
            let slope = |n: usize| f64::from(window[if n < 256 { n } else { 511 - n }]);
            let windowed: Vec<f64> = block.iter().enumerate().map(|(n, x)| x * slope(n)).collect();
            let coefficients: Vec<f32> = if short {
                let (first, second) = (forward(&windowed[..256], -1.0), forward(&windowed[256..], 1.0));
                first.into_iter().zip(second).flat_map(|(a, b)| [a, b]).collect()
            } else {
                forward(&windowed, 0.0)
            };
            let mut spectrum = MonoSpectrum::new();
            spectrum.add(&coefficients, short, 1.0);
            transform.block(&mut spectrum, &mut output);
        }
        for (n, (&value, &expected)) in output.iter().zip(&signal).enumerate().skip(256) {
            assert!((f64::from(value) - expected).abs() < 1e-3, "{n}: {value} {expected}");
        }
    }
}
