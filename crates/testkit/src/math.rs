//! Elementary functions with the same bits on every machine: polynomials instead of the platform's libm.

use std::f64::consts::{LN_2, LOG2_10, TAU};

use crate::RATE_F;

/// `sin(2π · turns)`, good to 1e-11.
pub(crate) fn sin_turns(turns: f64) -> f64 {
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

/// `cos(2π · turns)`.
pub(crate) fn cos_turns(turns: f64) -> f64 {
    sin_turns(turns + 0.25)
}

/// `2^x`, for exponents within ±1000 (beyond, it saturates there).
pub(crate) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-1000.0, 1000.0);
    let whole = (x + 0.5).floor();
    let r = (x - whole) * LN_2;
    let mut sum = 1.0;
    for k in (1..=13).rev() {
        sum = 1.0 + sum * r / f64::from(k);
    }
    // `whole` lies within ±1000, so the biased exponent is a valid positive one.
    let scale = f64::from_bits(((whole as i64 + 1023) as u64) << 52);
    sum * scale
}

/// Decibels to an amplitude factor.
pub(crate) fn db_to_gain(db: f64) -> f64 {
    exp2(db * (LOG2_10 / 20.0))
}

/// The frequency in Hz of a MIDI note number (69 is A4, 440 Hz); fractions are cents.
pub(crate) fn midi_to_hz(note: f64) -> f64 {
    440.0 * exp2((note - 69.0) / 12.0)
}

/// The factor per sample of an exponential that falls by 60 dB in `seconds`.
pub(crate) fn decay_per_sample(seconds: f64) -> f64 {
    exp2(-3.0 * LOG2_10 / (seconds.max(1e-4) * RATE_F))
}

/// A quick `sin(2π · phase)` for oscillators: overtones below −60 dB, any phase.
#[inline]
pub(crate) fn quick_sin(phase: f32) -> f32 {
    // Phases are a few turns at most, so truncation through i32 cannot overflow.
    let mut x = phase - (phase as i32) as f32;
    if x > 0.5 {
        x -= 1.0;
    } else if x < -0.5 {
        x += 1.0;
    }
    let y = 8.0 * x - 16.0 * x * x.abs();
    y + 0.225 * (y * y.abs() - y)
}

/// A soft limiter: straight for small values, ±1 from ±3 on.
#[inline]
pub(crate) fn soft_clip(x: f32) -> f32 {
    let x = x.clamp(-3.0, 3.0);
    let x2 = x * x;
    x * (27.0 + x2) / (27.0 + 9.0 * x2)
}

/// Root mean square, 0 for nothing.
pub(crate) fn rms(samples: &[f32]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (sum / samples.len() as f64).sqrt()
}

/// Seconds to a sample count or position; negative times are 0.
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
