//! The melody that scripts/make-fixtures encodes, and a measure of the similarity of decoded audio to it.

use std::f64::consts::TAU;

const RATE: f64 = 44_100.0;
const NOTES: [i32; 18] = [0, 7, 3, 10, 12, 5, 15, 8, 2, 14, 7, 19, 10, 0, 17, 5, 12, 22];
const NOTES_PER_SECOND: f64 = 6.0;

/// Returns the mono mix of the melody at 44.1 kHz.
pub(crate) fn melody(seconds: f64) -> Vec<f32> {
    let sample = |i: usize| {
        let t = i as f64 / RATE;
        let n = (t * NOTES_PER_SECOND) as usize;
        let since = t - n as f64 / NOTES_PER_SECOND;
        let f = 220.0 * f64::from(NOTES[n % NOTES.len()] as f32 / 12.0).exp2();
        let envelope = (-4.0 * since).exp() * (1.0 - (-200.0 * since).exp());
        let voices = 0.6 * (TAU * f * since).sin() + 0.4 * (TAU * 1.5 * f * since).sin();
        (envelope * voices / 2.0) as f32
    };
    (0..(RATE * seconds).round() as usize).map(sample).collect()
}

/// Returns the normalised correlation of `samples` delayed by `lag` samples with `reference`, over the part that they
/// share.
fn correlation(samples: &[f32], reference: &[f32], lag: isize) -> f64 {
    let (samples, reference) = match usize::try_from(lag) {
        Ok(late) => (samples.get(late..).unwrap_or(&[]), reference),
        Err(_) => (samples, &reference[lag.unsigned_abs().min(reference.len())..]),
    };
    let (mut both, mut a2, mut b2) = (0.0, 1e-12, 1e-12);
    for (&a, &b) in samples.iter().zip(reference) {
        let (a, b) = (f64::from(a), f64::from(b));
        both += a * b;
        a2 += a * a;
        b2 += b * b;
    }
    both / (a2 * b2).sqrt()
}

/// Returns the lag in samples at which `samples` is most similar to `reference` (positive if it is late), and the
/// correlation.
pub(crate) fn best_lag(samples: &[f32], reference: &[f32], max_lag: usize) -> (isize, f64) {
    const STEP: usize = 8;
    let coarse = |s: &[f32]| s.chunks_exact(STEP).map(|c| c.iter().sum::<f32>()).collect::<Vec<_>>();
    let (small, small_reference) = (coarse(samples), coarse(reference));
    let best = |a: &[f32], b: &[f32], lags: std::ops::RangeInclusive<isize>| {
        lags.map(|lag| (lag, correlation(a, b, lag))).max_by(|x, y| x.1.total_cmp(&y.1)).unwrap()
    };
    let reach = (max_lag / STEP + 4) as isize;
    let around = best(&small, &small_reference, -reach..=reach).0 * STEP as isize;
    let reach = 2 * STEP as isize;
    best(samples, reference, around - reach..=around + reach)
}
