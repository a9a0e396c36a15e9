//! Speed changes by resampling, which change tempo and pitch as on a turntable.

use std::f64::consts::PI;

use crate::math::sin_turns;

/// Number of zero crossings of the interpolation function on each side. Fewer would widen the band in which frequencies
/// are weakened or aliased; the processor time increases with the number.
const CROSSINGS: f64 = 32.0;
/// Table entries of the interpolation function per sample. Linear interpolation between them is accurate to 1e-5.
const RESOLUTION: usize = 512;

/// Returns the samples played `factor` times as fast: the result is shorter, and its pitch is higher by the same factor
/// (1.02 is 2 % faster). The sample rate does not change.
///
/// Frequencies up to 95 % of half the sample rate are kept, except those that would exceed this limit after the change
/// of speed. The factor is limited to 0.1 to 10.
#[must_use]
pub fn speed(samples: &[f32], factor: f64) -> Vec<f32> {
    let factor = factor.clamp(0.1, 10.0);
    // Frequencies that would exceed half of the sample rate are removed before, or they would be aliased.
    let cutoff = 0.95 * (1.0 / factor).min(1.0);
    let reach = CROSSINGS / cutoff;
    let table = kernel(cutoff, reach);
    let total = (samples.len() as f64 / factor) as usize;
    (0..total).map(|i| interpolate(samples, i as f64 * factor, reach, &table)).collect()
}

/// Returns one half of a sinc function with a Kaiser window that ends after `reach` samples, with [`RESOLUTION`]
/// entries per sample. `cutoff` is the highest frequency, as a share of half of the sample rate.
fn kernel(cutoff: f64, reach: f64) -> Vec<f32> {
    // With this parameter, frequencies outside the band are attenuated by about 90 dB.
    const BETA: f64 = 9.0;
    let entries = (reach * RESOLUTION as f64) as usize + 2;
    (0..entries)
        .map(|i| {
            let x = i as f64 / RESOLUTION as f64;
            let sinc = if i == 0 { 1.0 } else { sin_turns(0.5 * cutoff * x) / (PI * cutoff * x) };
            let edge = (x / reach).min(1.0);
            let window = bessel(BETA * (1.0 - edge * edge).sqrt()) / bessel(BETA);
            (cutoff * sinc * window) as f32
        })
        .collect()
}

/// Returns the modified Bessel function of order 0, computed by its power series.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    // 40 terms are exact in double precision for all arguments up to 9.
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

fn interpolate(samples: &[f32], at: f64, reach: f64, table: &[f32]) -> f32 {
    let first = (at - reach + 1.0).max(0.0) as usize;
    let last = ((at + reach) as usize).min(samples.len());
    let mut sum = 0.0;
    for (i, sample) in samples.iter().enumerate().take(last).skip(first) {
        let place = (i as f64 - at).abs() * RESOLUTION as f64;
        let entry = place as usize;
        let between = (place - entry as f64) as f32;
        if let [a, b] = table[entry..entry + 2] {
            sum += sample * (a + between * (b - a));
        }
    }
    sum
}
