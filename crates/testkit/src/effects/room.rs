//! Reverberation by a feedback delay network.

use crate::RATE_F;
use crate::math::{decay_per_sample, rms, samples_in};
use crate::rng::Rng;

/// Number of delay lines. With fewer, single echoes are audible; the processor time increases with the number.
const LINE_COUNT: usize = 8;

/// Adds the reverberation of a room in which sound takes `seconds` to fall by 60 dB. `wet` is the share of the
/// reverberation in the result, 0 to 1; the reverberation is scaled to the loudness of the signal. The result is as
/// long as `samples`.
#[must_use]
pub fn reverb(samples: &[f32], seconds: f64, wet: f64, seed: u64) -> Vec<f32> {
    let mut room = Room::new(seconds, &mut Rng::new(seed));
    let reverberation: Vec<f32> = samples.iter().map(|&s| room.next(s).0).collect();
    let level = rms(&reverberation);
    let wet = wet.clamp(0.0, 1.0);
    let gain = if level > 0.0 { (wet * rms(samples) / level) as f32 } else { 0.0 };
    let dry = (1.0 - wet) as f32;
    samples.iter().zip(&reverberation).map(|(s, r)| dry * s + gain * r).collect()
}

/// A mono-to-stereo reverberator.
#[derive(Debug)]
pub(crate) struct Room {
    lines: [DelayLine; LINE_COUNT],
    diffusers: [Diffuser; 3],
}

#[derive(Debug)]
struct DelayLine {
    buffer: Vec<f32>,
    at: usize,
    gain: f32,
    damped: f32,
}

#[derive(Debug)]
struct Diffuser {
    buffer: Vec<f32>,
    at: usize,
}

impl Room {
    /// Creates a room in which sound falls by 60 dB in `seconds`. The lengths of its delay lines are random.
    pub(crate) fn new(seconds: f64, rng: &mut Rng) -> Self {
        let seconds = seconds.clamp(0.05, 20.0);
        let lines = std::array::from_fn(|i| {
            // Different lengths, so that the echoes of the lines do not coincide.
            let length = samples_in((0.023 + 0.0071 * i as f64) * rng.range(0.95, 1.05));
            let per_sample = decay_per_sample(seconds);
            // Each line decays by its own length, so that all lines reach −60 dB at the same time.
            let gain = (0..length).fold(1.0, |gain, _| gain * per_sample);
            DelayLine { buffer: vec![0.0; length], at: 0, gain: gain as f32, damped: 0.0 }
        });
        // Short all-pass filters turn each sample into many echoes, or the start of the reverberation would sound like
        // a rattle.
        let diffusers = [0.0047, 0.0036, 0.0127]
            .map(|s: f64| Diffuser { buffer: vec![0.0; (s * RATE_F) as usize], at: 0 });
        Self { lines, diffusers }
    }

    /// Returns the left and right sample of the reverberation for the next input sample.
    #[inline]
    pub(crate) fn next(&mut self, x: f32) -> (f32, f32) {
        // An inaudible bias avoids denormal numbers during silence, which are slow to calculate with.
        let mut x = x + 1e-18;
        for diffuser in &mut self.diffusers {
            x = diffuser.next(x);
        }
        let mut delayed_samples = [0.0_f32; LINE_COUNT];
        for (line, delayed_samples) in self.lines.iter_mut().zip(&mut delayed_samples) {
            let out = line.buffer[line.at];
            // Air and walls absorb high frequencies more than low ones.
            line.damped = out + 0.3 * (line.damped - out);
            *delayed_samples = line.damped * line.gain;
        }
        // A Householder reflection mixes all lines into each without changing the energy.
        let mean = delayed_samples.iter().sum::<f32>() * (2.0 / LINE_COUNT as f32);
        for (line, delayed_samples) in self.lines.iter_mut().zip(&delayed_samples) {
            line.buffer[line.at] = x + delayed_samples - mean;
            line.at += 1;
            if line.at == line.buffer.len() {
                line.at = 0;
            }
        }
        // Each channel uses other lines, which makes the sound wide.
        let left = delayed_samples[0] - delayed_samples[2] + delayed_samples[4] - delayed_samples[6];
        let right = delayed_samples[1] - delayed_samples[3] + delayed_samples[5] - delayed_samples[7];
        (0.35 * left, 0.35 * right)
    }
}

impl Diffuser {
    #[inline]
    fn next(&mut self, x: f32) -> f32 {
        let delayed = self.buffer[self.at];
        // An all-pass filter: the same amount fed back and subtracted leaves the loudness of every frequency unchanged.
        let stored = x + 0.6 * delayed;
        self.buffer[self.at] = stored;
        self.at += 1;
        if self.at == self.buffer.len() {
            self.at = 0;
        }
        delayed - 0.6 * stored
    }
}
