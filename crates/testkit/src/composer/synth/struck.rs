//! Additive synthesis of piano, bell and organ with eight partials each, computed as rotating vectors.

use super::parts::AmplitudeEnvelope;
use super::{Keystroke, Patch, Timbre};
use crate::RATE_F;
use crate::math::{cos_turns, decay_per_sample, exp2, samples_in, sin_turns};
use crate::rng::Rng;

const PARTIALS: usize = 8;

/// Each partial's frequency as a multiple of the note's, its amplitude, and its decay time to −60 dB in seconds.
type PartialTable = [(f64, f64, f64); PARTIALS];

pub(super) fn render(patch: &Patch, key: &Keystroke, rng: &mut Rng, out: &mut Vec<f32>) {
    let (recipe, attack, release) = match patch.timbre {
        Timbre::Bell => (bell(patch, key), 0.001, 0.6 * patch.ring),
        Timbre::Organ => (organ(patch), 0.012, 0.08),
        _ => (piano(patch, key), 0.002, 0.25),
    };
    let mut bank = Bank::new(&recipe, key, rng);
    let mut envelope = AmplitudeEnvelope::new(attack, 1.0, 1.0, key.seconds, release);
    let total = samples_in(key.seconds + release);
    out.reserve(total);
    while out.len() < total {
        // The check for inaudible partials runs once per block, because it takes as much time as a sample.
        for _ in 0..256.min(total - out.len()) {
            out.push(bank.next() * envelope.next());
        }
        bank.rest();
    }
}

fn piano(patch: &Patch, key: &Keystroke) -> PartialTable {
    let stiffness = 0.0002 + 0.0008 * patch.colors[0];
    // A harder stroke sounds brighter.
    let slope = 1.6 - 0.6 * patch.brightness - 0.5 * key.velocity;
    // Low strings ring longer.
    let ring = patch.ring * 6.0 * exp2(-key.hz / 500.0) + 0.4;
    std::array::from_fn(|i| {
        let k = (i + 1) as f64;
        // Stiffness makes the partials of a string sharper than multiples of its frequency, increasingly with their
        // number.
        let ratio = k * (1.0 + stiffness * k * k).sqrt();
        // The hammer strikes near the nodes of some partials, which are therefore weaker.
        let hammer = sin_turns(k * (0.06 + 0.03 * patch.colors[1])).abs() + 0.15;
        (ratio, 0.5 * hammer * exp2(-slope * (i as f64) * 0.8), ring / (1.0 + 0.35 * i as f64))
    })
}

fn bell(patch: &Patch, key: &Keystroke) -> PartialTable {
    const RATIOS: [f64; PARTIALS] = [1.0, 2.0, 2.76, 3.01, 4.07, 5.4, 6.8, 8.93];
    std::array::from_fn(|i| {
        let bend = if i < 2 { 0.0 } else { 0.25 * (patch.colors[i] - 0.5) };
        let amplitude = 0.45 * exp2(-(i as f64) * (0.9 - 0.5 * patch.brightness * key.velocity));
        (RATIOS[i] + bend, amplitude, patch.ring * 2.5 / (1.0 + 0.5 * i as f64))
    })
}

fn organ(patch: &Patch) -> PartialTable {
    const FEET: [f64; PARTIALS] = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0];
    std::array::from_fn(|i| {
        // The 8-foot register always sounds, so that every organ has its fundamental frequency.
        let drawn = if i == 1 { 1.0 } else { patch.colors[i] };
        let tilt = exp2(-(i as f64) * (0.7 - 0.5 * patch.brightness));
        // A pipe does not fade while its key is held, so its decay time is practically infinite.
        (FEET[i], 0.4 * drawn * drawn * tilt, 1e6)
    })
}

/// Eight decaying vectors that rotate at the frequencies of the partials. The sum of their imaginary parts is the
/// output.
struct Bank {
    re: [f32; PARTIALS],
    im: [f32; PARTIALS],
    turn_re: [f32; PARTIALS],
    turn_im: [f32; PARTIALS],
}

impl Bank {
    fn new(recipe: &PartialTable, key: &Keystroke, rng: &mut Rng) -> Self {
        let zero = [0.0; PARTIALS];
        let mut bank = Self { re: zero, im: zero, turn_re: zero, turn_im: zero };
        for (i, &(ratio, amplitude, ring)) in recipe.iter().enumerate() {
            let turns = key.hz * ratio / RATE_F;
            let start = rng.unit();
            // Partials near half of the sample rate would be aliased.
            let amplitude = if turns < 0.42 { amplitude * key.velocity } else { 0.0 };
            let decay = decay_per_sample(ring);
            bank.re[i] = (amplitude * cos_turns(start)) as f32;
            bank.im[i] = (amplitude * sin_turns(start)) as f32;
            bank.turn_re[i] = (decay * cos_turns(turns)) as f32;
            bank.turn_im[i] = (decay * sin_turns(turns)) as f32;
        }
        bank
    }

    #[inline]
    fn next(&mut self) -> f32 {
        // Four sums can be added in parallel. The order of the additions is fixed, so the bits are the same on every
        // machine.
        let mut sum = [0.0_f32; 4];
        for i in 0..PARTIALS {
            let (re, im) = (self.re[i], self.im[i]);
            self.re[i] = re * self.turn_re[i] - im * self.turn_im[i];
            self.im[i] = re * self.turn_im[i] + im * self.turn_re[i];
            sum[i % 4] += im;
        }
        (sum[0] + sum[1]) + (sum[2] + sum[3])
    }

    /// Sets inaudible partials to zero, because calculations with denormal numbers are slow.
    fn rest(&mut self) {
        for i in 0..PARTIALS {
            if self.re[i].abs() + self.im[i].abs() < 1e-12 {
                self.re[i] = 0.0;
                self.im[i] = 0.0;
            }
        }
    }
}
