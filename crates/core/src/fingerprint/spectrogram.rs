//! Computes the rows of a power spectrogram from decimated samples.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::params::{HIGHEST_BIN, HOP, WINDOW};

/// Number of bins of a row. The bins above the highest bin with peaks serve interpolation and running maxima. The
/// number is even, because a relief stores two bins per byte.
pub(crate) const ROW_BINS: usize = HIGHEST_BIN + 4;

/// Short-time Fourier transform with a Hann window, for samples in pieces of any size. Frame `t` is centred on
/// decimated sample `t · HOP`.
pub(crate) struct Spectrogram {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    input: Vec<f32>,
    filled: usize,
    work: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    row: Vec<f32>,
}

impl Spectrogram {
    pub(crate) fn new() -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
        // Scaled so that a full-scale sine has power 1 in its bin.
        let scale = 4.0 / WINDOW as f64;
        let window = (0..WINDOW)
            .map(|i| {
                let phase = 2.0 * std::f64::consts::PI * i as f64 / WINDOW as f64;
                ((0.5 - 0.5 * phase.cos()) * scale) as f32
            })
            .collect();
        Self {
            window,
            input: vec![0.0; WINDOW],
            filled: WINDOW / 2,
            work: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            row: vec![0.0; ROW_BINS],
            fft,
        }
    }

    /// Processes decimated samples (11.025 kHz). Passes one row of powers per frame to `sink`; a full-scale sine has
    /// power 1.
    pub(crate) fn push(&mut self, mut samples: &[f32], mut sink: impl FnMut(&[f32])) {
        while !samples.is_empty() {
            let n = samples.len().min(WINDOW - self.filled);
            self.input[self.filled..self.filled + n].copy_from_slice(&samples[..n]);
            self.filled += n;
            samples = &samples[n..];
            if self.filled == WINDOW {
                self.frame();
                sink(&self.row);
                self.input.copy_within(HOP.., 0);
                self.filled = WINDOW - HOP;
            }
        }
    }

    fn frame(&mut self) {
        for ((out, x), w) in self.work.iter_mut().zip(&self.input).zip(&self.window) {
            *out = x * w;
        }
        // The buffer lengths are fixed at construction, so the transform cannot fail.
        let done = self.fft.process_with_scratch(&mut self.work, &mut self.spectrum, &mut self.scratch);
        debug_assert!(done.is_ok());
        for (power, x) in self.row.iter_mut().zip(&self.spectrum) {
            *power = x.re * x.re + x.im * x.im;
        }
    }
}
