//! Instruments with filtered oscillators: pads, strings, leads, basses, and a breathy flute.

use super::parts::{AmplitudeEnvelope, CONTROL_BLOCK_SAMPLES};
use super::{Keystroke, Patch, Timbre};
use crate::RATE_F;
use crate::dsp::{Filter, Oscillator};
use crate::math::{exp2, quick_sin, samples_in, sin_turns, soft_clip};
use crate::rng::{Rng, White};

/// Parameters of a sustained sound: the levels of its waveforms, its envelope, and its filter.
struct WaveParameters {
    saws: f32,
    pulse: f32,
    sine: f32,
    breath: f32,
    drive: f32,
    attack: f64,
    fall: f64,
    sustain: f64,
    release: f64,
    /// Corner frequency of the filter as a multiple of the pitch: the constant part, and a part that decays after the
    /// attack.
    corner: (f64, f64),
    resonance: f64,
    vibrato: f64,
}

fn wave_parameters(patch: &Patch) -> WaveParameters {
    let bright = patch.brightness;
    let base = WaveParameters {
        saws: 0.0,
        pulse: 0.0,
        sine: 0.0,
        breath: 0.0,
        drive: 1.0,
        attack: 0.01,
        fall: 0.8,
        sustain: 0.7,
        release: 0.12,
        corner: (4.0 + 8.0 * bright, 6.0 * bright),
        resonance: 0.7 + 0.8 * patch.colors[1],
        vibrato: 1.0,
    };
    match patch.timbre {
        Timbre::Pad => WaveParameters {
            saws: 0.22,
            attack: 0.15 + 0.35 * patch.colors[0],
            release: 0.5,
            corner: (2.5 + 5.0 * bright, 2.0),
            vibrato: 0.3,
            ..base
        },
        Timbre::Strings => WaveParameters { saws: 0.22, attack: 0.09, sustain: 0.9, release: 0.3, ..base },
        Timbre::SquareLead => WaveParameters { pulse: 0.35, ..base },
        Timbre::SawLead => WaveParameters { saws: 0.25, drive: 1.5, ..base },
        Timbre::SawBass => {
            let corner = (2.0 + 4.0 * bright, 10.0);
            WaveParameters {
                saws: 0.3,
                sine: 0.3,
                fall: 0.4,
                sustain: 0.6,
                release: 0.06,
                corner,
                vibrato: 0.0,
                ..base
            }
        }
        Timbre::SubBass => WaveParameters {
            sine: 0.8,
            pulse: 0.08,
            drive: 1.0 + bright as f32,
            release: 0.06,
            corner: (6.0, 2.0),
            vibrato: 0.0,
            ..base
        },
        _ => WaveParameters { sine: 0.6, pulse: 0.05, breath: 0.12, attack: 0.04, sustain: 0.9, ..base },
    }
}

pub(super) fn render(patch: &Patch, key: &Keystroke, rng: &mut Rng, out: &mut Vec<f32>) {
    let r = wave_parameters(patch);
    let total = samples_in(key.seconds + r.release);
    let mut envelope = AmplitudeEnvelope::new(r.attack, r.fall, r.sustain, key.seconds, r.release);
    let spread = exp2(patch.detune_cents / 1200.0);
    // One exact, one sharp and one flat oscillator: their beating makes the sound full.
    let offsets = [1.0, spread, 1.0 / spread];
    let mut waves = offsets.map(|offset| Oscillator::new(rng.unit(), key.hz * offset));
    let mut tone = Oscillator::new(rng.unit(), key.hz);
    let mut filter = Filter::default();
    let mut air = Filter::new(key.hz * 2.0, 3.0);
    let mut white = White::new(rng);
    let (swing, width) = (rng.unit(), 0.5 - 0.35 * patch.colors[2]);
    let loud = key.velocity as f32;
    out.reserve(total);
    while out.len() < total {
        let t = out.len() as f64 / RATE_F;
        // Vibrato starts after the attack and then increases.
        let depth = r.vibrato * patch.vibrato_cents * (t * 2.5 - 0.3).clamp(0.0, 1.0);
        // ln 2 / 1200 is 0.000578, so the factor converts cents to a relative change of the frequency.
        let bend = 1.0 + depth * 0.000_578 * sin_turns(swing + t * patch.vibrato_hz);
        for (wave, offset) in waves.iter_mut().zip(offsets) {
            wave.tune(key.hz * offset * bend);
        }
        tone.tune(key.hz * bend);
        // The filter opens at the stroke and closes by half every eighth of a second.
        let struck = r.corner.1 * key.velocity * exp2(-t * 8.0);
        filter.tune((key.hz * (r.corner.0 * (0.5 + 0.5 * key.velocity) + struck)).min(16_000.0), r.resonance);
        // A slow change of the pulse width keeps long notes from sounding static.
        let width = (width + 0.08 * sin_turns(swing + t * 0.7)) as f32;
        for _ in 0..CONTROL_BLOCK_SAMPLES.min(total - out.len()) {
            let mut x = 0.0;
            if r.saws > 0.0 {
                x += r.saws * waves.iter_mut().map(Oscillator::saw).sum::<f32>();
            }
            if r.pulse > 0.0 {
                x += r.pulse * waves[0].pulse(width);
            }
            if r.sine > 0.0 {
                x += r.sine * quick_sin(tone.next());
            }
            if r.breath > 0.0 {
                x += r.breath * air.split(white.next()).1;
            }
            let y = filter.split(x).0 * envelope.next() * loud;
            out.push(if r.drive > 1.0 { soft_clip(y * r.drive) } else { y });
        }
    }
}
