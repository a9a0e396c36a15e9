//! Frequency modulation: electric piano, brass and bass.

use super::parts::{AmplitudeEnvelope, CONTROL_BLOCK_SAMPLES};
use super::{Keystroke, Patch, Timbre};
use crate::RATE_F;
use crate::dsp::Oscillator;
use crate::math::{quick_sin, samples_in, sin_turns};
use crate::rng::Rng;

/// Parameters of a sound of two operator pairs, `body` and `tine`. Each pair is (carrier ratio, modulator ratio,
/// modulation index in turns, fall time of the index in seconds).
struct FmParameters {
    body: (f64, f64, f64, f64),
    tine: (f64, f64, f64, f64),
    tine_level: f64,
    attack: f64,
    fall: f64,
    sustain: f64,
    release: f64,
    /// True if the modulation index follows the envelope, as for brass.
    follows: bool,
}

fn fm_parameters(patch: &Patch, key: &Keystroke) -> FmParameters {
    let bright = (0.4 + 0.8 * patch.brightness) * (0.3 + 0.7 * key.velocity);
    match patch.timbre {
        // A fall time of 1e6 s keeps the index from falling. The index follows the envelope instead: brass is brighter
        // when it is louder.
        Timbre::Brass => FmParameters {
            body: (1.0, 1.0, 0.55 * bright, 1e6),
            tine: (1.003, 1.0, 0.4 * bright, 1e6),
            tine_level: 0.5,
            attack: 0.03 + 0.05 * patch.colors[0],
            fall: 1.5,
            sustain: 0.75,
            release: 0.18,
            follows: true,
        },
        Timbre::FmBass => FmParameters {
            body: (1.0, if patch.colors[0] < 0.5 { 1.0 } else { 2.0 }, 0.7 * bright, 0.5 * patch.ring),
            tine: (1.0, 3.0, 0.3 * bright, 0.12),
            tine_level: 0.3,
            attack: 0.004,
            fall: 2.5 * patch.ring,
            sustain: 0.25,
            release: 0.1,
            follows: false,
        },
        // An electric piano: the second pair imitates the metal tine, whose high partials fade quickly.
        _ => FmParameters {
            body: (1.0, 1.0, 0.4 * bright, 1.5 * patch.ring),
            tine: (1.0, 9.0 + (patch.colors[0] * 6.0).floor(), 0.16 * bright, 0.3),
            tine_level: 0.45,
            attack: 0.002,
            fall: 4.0 * patch.ring,
            sustain: 0.0,
            release: 0.2,
            follows: false,
        },
    }
}

pub(super) fn render(patch: &Patch, key: &Keystroke, rng: &mut Rng, out: &mut Vec<f32>) {
    let r = fm_parameters(patch, key);
    let total = samples_in(key.seconds + r.release);
    let mut envelope = AmplitudeEnvelope::new(r.attack, r.fall, r.sustain, key.seconds, r.release);
    let mut body_index = AmplitudeEnvelope::new(0.001, r.body.3, 0.15, key.seconds, r.release);
    let mut tine_index = AmplitudeEnvelope::new(0.001, r.tine.3, 0.02, key.seconds, r.release);
    let mut phase = |ratio: f64| Oscillator::new(rng.unit(), key.hz * ratio);
    let mut operators = [phase(r.body.0), phase(r.body.1), phase(r.tine.0), phase(r.tine.1)];
    let ratios = [r.body.0, r.body.1, r.tine.0, r.tine.1];
    let (index, tine, tine_level) = (r.body.2 as f32, r.tine.2 as f32, r.tine_level as f32);
    // A modulator near half the sample rate would only cause aliasing.
    let tine = if key.hz * r.tine.1 > 0.4 * RATE_F { 0.0 } else { tine };
    let loud = (0.6 * key.velocity) as f32;
    let swing = rng.unit();
    out.reserve(total);
    while out.len() < total {
        if r.follows {
            let t = out.len() as f64 / RATE_F;
            let depth = patch.vibrato_cents * (t * 2.0).min(1.0);
            // ln 2 / 1200 is 0.000578, so the factor converts cents to a relative change of the frequency.
            let bend = 1.0 + depth * 0.000_578 * sin_turns(swing + t * patch.vibrato_hz);
            for (operator, ratio) in operators.iter_mut().zip(ratios) {
                operator.tune(key.hz * ratio * bend);
            }
        }
        for _ in 0..CONTROL_BLOCK_SAMPLES.min(total - out.len()) {
            let level = envelope.next();
            let (mut i1, mut i2) = (index * body_index.next(), tine * tine_index.next());
            if r.follows {
                i1 *= level;
                i2 *= level;
            }
            let [c1, m1, c2, m2] = &mut operators;
            let body = quick_sin(c1.next() + i1 * quick_sin(m1.next()));
            let bell = quick_sin(c2.next() + i2 * quick_sin(m2.next()));
            out.push((body + tine_level * bell) * level * loud);
        }
    }
}
