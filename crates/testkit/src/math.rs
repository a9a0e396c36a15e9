//! Elementary functions with the same bits on every machine: polynomials instead of the platform's libm.

use std::f64::consts::{LN_2, LOG2_10, TAU};

use crate::RATE_F;

/// Returns `sin(2π · turns)` with an error below 1e-11.
pub(crate) fn sin_turns(turns: f64) -> f64 {
    // Within a quarter turn of 0, few terms of the series are sufficient.
    let mut x = turns - turns.floor();
    if x > 0.75 {
        x -= 1.0;
    } else if x > 0.25 {
        x = 0.5 - x;
    }
    let a = x * TAU;
    let a2 = a * a;
    let mut sum = 0.0;
    // Taylor series to a^17, from the smallest term up.
    for k in (1..=8).rev() {
        let k = f64::from(k);
        sum = (1.0 + sum) * (-a2 / ((2.0 * k) * (2.0 * k + 1.0)));
    }
    a * (1.0 + sum)
}

/// Returns `cos(2π · turns)` with an error below 1e-11.
pub(crate) fn cos_turns(turns: f64) -> f64 {
    sin_turns(turns + 0.25)
}

/// Returns `2^x`. Exponents are limited to ±1000.
pub(crate) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-1000.0, 1000.0);
    let whole = (x + 0.5).floor();
    // The Taylor series of e^r, for |r| of at most ln 2 / 2, by the scheme of Horner.
    let r = (x - whole) * LN_2;
    let mut sum = 1.0;
    for k in (1..=13).rev() {
        sum = 1.0 + sum * r / f64::from(k);
    }
    // `whole` is within ±1000, so that the biased exponent is positive and valid.
    let scale = f64::from_bits(((whole as i64 + 1023) as u64) << 52);
    sum * scale
}

/// Converts decibels to an amplitude factor.
pub(crate) fn db_to_gain(db: f64) -> f64 {
    exp2(db * (LOG2_10 / 20.0))
}

/// Returns the frequency in Hz of a MIDI note number (69 is A4, 440 Hz). A fraction of 0.01 is one cent.
pub(crate) fn midi_to_hz(note: f64) -> f64 {
    440.0 * exp2((note - 69.0) / 12.0)
}

/// Returns the factor per sample of an exponential decay by 60 dB in `seconds`.
pub(crate) fn decay_per_sample(seconds: f64) -> f64 {
    exp2(-3.0 * LOG2_10 / (seconds.max(1e-4) * RATE_F))
}

/// Returns a fast approximation of `sin(2π · phase)` for oscillators, with overtones below −60 dB.
#[inline]
pub(crate) fn quick_sin(phase: f32) -> f32 {
    // Phases are a few turns at most, so that the conversion to i32 cannot overflow.
    let mut x = phase - (phase as i32) as f32;
    if x > 0.5 {
        x -= 1.0;
    } else if x < -0.5 {
        x += 1.0;
    }
    // A parabola with the zeros and extremes of the sine, and a correction of its shape.
    let y = 8.0 * x - 16.0 * x * x.abs();
    y + 0.225 * (y * y.abs() - y)
}

/// Limits a sample softly: linear for small values, ±1 for inputs beyond ±3.
#[inline]
pub(crate) fn soft_clip(x: f32) -> f32 {
    let x = x.clamp(-3.0, 3.0);
    let x2 = x * x;
    x * (27.0 + x2) / (27.0 + 9.0 * x2)
}

/// Returns the root mean square; 0 for an empty slice.
pub(crate) fn rms(samples: &[f32]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (sum / samples.len() as f64).sqrt()
}

/// Converts seconds to a number of samples, rounded. Negative times become 0.
pub(crate) fn samples_in(seconds: f64) -> usize {
    (seconds * RATE_F + 0.5).max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_agree_with_the_platform() {
        for i in -4000..4000 {
            let x = f64::from(i) * 0.00137;
            assert!((sin_turns(x) - (x * TAU).sin()).abs() < 1e-11, "sin {x}");
            assert!((cos_turns(x) - (x * TAU).cos()).abs() < 1e-11, "cos {x}");
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 1e-13, "exp2 {x}");
            let quick = f64::from(quick_sin(x as f32));
            assert!((quick - (x * TAU).sin()).abs() < 2e-3, "quick {x}");
            assert!((f64::from(soft_clip(x as f32)) - x.tanh()).abs() < 0.03, "clip {x}");
        }
        assert!((db_to_gain(20.0) - 10.0).abs() < 1e-12);
        assert!((midi_to_hz(60.0) - 261.625_565).abs() < 1e-5);
    }

    #[test]
    fn a_decay_reaches_minus_sixty_db() {
        let per_sample = decay_per_sample(0.5);
        let mut level = 1.0;
        for _ in 0..22_050 {
            level *= per_sample;
        }
        assert!((level - 1e-3).abs() < 1e-8);
    }
}
