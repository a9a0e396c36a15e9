//! Filter and oscillator that instruments and effects share.

use crate::RATE_F;
use crate::math::{cos_turns, sin_turns};

/// A state-variable filter with low-pass, band-pass and high-pass outputs.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    a1: f32,
    a2: f32,
    a3: f32,
    k: f32,
    s1: f32,
    s2: f32,
}

impl Filter {
    pub(crate) fn new(hz: f64, resonance: f64) -> Self {
        let mut filter = Self::default();
        filter.tune(hz, resonance);
        filter
    }

    /// Sets the corner frequency in Hz, and the resonance (0.7 is flat).
    pub(crate) fn tune(&mut self, hz: f64, resonance: f64) {
        // The frequency is limited, because the tangent grows without limit toward half of the sample rate.
        let turns = hz.clamp(10.0, 0.45 * RATE_F) / RATE_F / 2.0;
        // The tangent of π · hz / rate, from functions with the same bits on every machine.
        let g = sin_turns(turns) / cos_turns(turns);
        let k = 1.0 / resonance;
        let a1 = 1.0 / (1.0 + g * (g + k));
        self.a1 = a1 as f32;
        self.a2 = (g * a1) as f32;
        self.a3 = (g * g * a1) as f32;
        self.k = k as f32;
    }

    /// Filters one sample. Returns the outputs of the low-pass, band-pass and high-pass filter.
    #[inline]
    pub(crate) fn split(&mut self, x: f32) -> (f32, f32, f32) {
        // Trapezoidal integration, which remains stable while the frequency is changed.
        let v3 = x - self.s2;
        let v1 = self.a1 * self.s1 + self.a2 * v3;
        let v2 = self.s2 + self.a2 * self.s1 + self.a3 * v3;
        self.s1 = 2.0 * v1 - self.s1;
        self.s2 = 2.0 * v2 - self.s2;
        (v2, v1, x - self.k * v1 - v2)
    }
}

/// An oscillator: a phase that runs from 0 to 1 in each period, and band-limited waveforms.
#[derive(Debug)]
pub(crate) struct Oscillator {
    at: f32,
    step: f32,
}

impl Oscillator {
    pub(crate) fn new(at: f64, hz: f64) -> Self {
        let mut phase = Self { at: at as f32, step: 0.0 };
        phase.tune(hz);
        phase
    }

    pub(crate) fn tune(&mut self, hz: f64) {
        self.step = (hz.min(0.45 * RATE_F) / RATE_F) as f32;
    }

    #[inline]
    pub(crate) fn next(&mut self) -> f32 {
        self.at += self.step;
        if self.at >= 1.0 {
            // The step is below 0.5, so one subtraction is sufficient.
            self.at -= 1.0;
        }
        self.at
    }

    #[inline]
    pub(crate) fn saw(&mut self) -> f32 {
        let at = self.next();
        2.0 * at - 1.0 - self.edge(at)
    }

    #[inline]
    pub(crate) fn pulse(&mut self, width: f32) -> f32 {
        let at = self.next();
        // The phase since the falling edge, which has its own correction.
        let mut other = at + 1.0 - width;
        if other >= 1.0 {
            other -= 1.0;
        }
        let naive = if at < width { 1.0 } else { -1.0 };
        naive + self.edge(at) - self.edge(other)
    }

    /// Returns the correction at the phase `at` that rounds a jump of a waveform at phase 0 (PolyBLEP). It is 0 far
    /// from the jump.
    #[inline]
    fn edge(&self, at: f32) -> f32 {
        if at < self.step {
            let t = at / self.step;
            t + t - t * t - 1.0
        } else if at > 1.0 - self.step {
            let t = (at - 1.0) / self.step;
            t * t + t + t + 1.0
        } else {
            0.0
        }
    }
}
