//! Plucked strings by the algorithm of Karplus and Strong: a burst of noise circulates in a delay line with a low-pass.

use super::parts::AmplitudeEnvelope;
use super::{Keystroke, Patch, Timbre};
use crate::RATE_F;
use crate::dsp::Filter;
use crate::math::{decay_per_sample, samples_in};
use crate::rng::{Rng, White};

pub(super) fn render(patch: &Patch, key: &Keystroke, rng: &mut Rng, out: &mut Vec<f32>) {
    let (ring, damping, release) = match patch.timbre {
        Timbre::Harp => (3.5 * patch.ring, 0.08, 0.7),
        Timbre::StringBass => (2.5 * patch.ring, 0.45, 0.1),
        _ => (2.5 * patch.ring, 0.2, 0.15),
    };
    // The low-pass in the loop mixes two neighbouring samples. `damping` is the share of the earlier one, and also the
    // delay of the low-pass in samples.
    let damping = (damping + 0.25 * (1.0 - patch.brightness)).clamp(0.02, 0.5);
    let period = RATE_F / key.hz;
    // The delay of the all-pass filter is 0.2 to 1.2 samples: near 0, its pole would be at the limit of stability.
    let whole = (period - damping - 0.2).floor().max(2.0);
    let rest = period - damping - whole;
    let tune = ((1.0 - rest) / (1.0 + rest)) as f32;
    let length = whole as usize;
    // Gain of one circulation through the delay line.
    let mut gain = 1.0;
    let per_sample = decay_per_sample(ring);
    for _ in 0..length {
        gain *= per_sample;
    }
    let mut line = pluck(length, patch, key, rng);
    let (gain, damping) = (gain as f32, damping as f32);
    let mut envelope = AmplitudeEnvelope::new(0.0008, 1.0, 1.0, key.seconds, release);
    let (mut at, mut last, mut pass_in, mut pass_out) = (0, 0.0_f32, 0.0_f32, 0.0_f32);
    for _ in 0..samples_in(key.seconds + release) {
        let x = line[at];
        let smooth = x + damping * (last - x);
        last = x;
        // An all-pass filter adds the fractional part of the period to the delay.
        pass_out = tune * (smooth - pass_out) + pass_in;
        pass_in = smooth;
        // The inaudible offset avoids denormal numbers, which are slow to calculate with.
        line[at] = gain * pass_out + 1e-18;
        at += 1;
        if at == length {
            at = 0;
        }
        out.push(x * envelope.next());
    }
}

/// Returns the initial state of the delay line: the plucked string at the moment of its release.
fn pluck(length: usize, patch: &Patch, key: &Keystroke, rng: &mut Rng) -> Vec<f32> {
    let mut white = White::new(rng);
    let corner = key.hz * 4.0 + 4000.0 * key.velocity * (0.4 + patch.brightness);
    let mut low = Filter::new(corner, 0.7);
    let loud = (1.3 * key.velocity) as f32;
    let burst: Vec<f32> = (0..length).map(|_| loud * low.split(white.next()).0).collect();
    // A string lacks the harmonics that have a node at the point where it is plucked.
    let point = ((0.08 + 0.3 * patch.colors[0]) * length as f64) as usize;
    (0..length).map(|i| 0.7 * (burst[i] - burst[(i + point) % length])).collect()
}
