//! The drum kit, made of swept sines and filtered noise.

use crate::composer::score::Drum;
use crate::dsp::{Filter, Oscillator};
use crate::math::{decay_per_sample, samples_in, soft_clip};
use crate::rng::{Rng, White};

/// A drum kit with the tuning of one song.
#[derive(Debug, Clone)]
pub(in crate::composer) struct Kit {
    kick_hz: f64,
    kick_seconds: f64,
    snare_hz: f64,
    snare_seconds: f64,
    hat_hz: f64,
    tom_hz: f64,
    metal: [f64; 4],
}

/// A sine whose pitch falls from `from` to `to` Hz. The difference falls to a thousandth in `fall` seconds. `seconds`
/// is the duration of the sine.
struct Sweep {
    from: f64,
    to: f64,
    fall: f64,
    seconds: f64,
    level: f64,
}

/// Noise through a filter with the corner `hz`: its high-pass output if `high`, otherwise its band-pass output.
struct Hiss {
    hz: f64,
    resonance: f64,
    high: bool,
    seconds: f64,
    level: f64,
}

impl Kit {
    pub(in crate::composer) fn draw(rng: &mut Rng) -> Self {
        Self {
            kick_hz: rng.range(42.0, 62.0),
            kick_seconds: rng.range(0.18, 0.5),
            snare_hz: rng.range(150.0, 240.0),
            snare_seconds: rng.range(0.12, 0.35),
            hat_hz: rng.range(6000.0, 9500.0),
            tom_hz: rng.range(80.0, 110.0),
            metal: std::array::from_fn(|_| rng.range(3000.0, 9000.0)),
        }
    }

    /// Clears `out` and renders one stroke of `drum` to it.
    pub(in crate::composer) fn render(&self, drum: Drum, velocity: f64, rng: &mut Rng, out: &mut Vec<f32>) {
        out.clear();
        // A random pitch deviation makes all strokes differ.
        let mut hit = Hit { velocity, touch: 1.0 + 0.02 * rng.normal(), rng, out };
        let hiss = |hz, resonance, high, seconds, level| Hiss { hz, resonance, high, seconds, level };
        match drum {
            Drum::Kick => {
                let (to, seconds) = (self.kick_hz, self.kick_seconds);
                // The quick fall of the pitch imitates the stroke on a kick drum, and the short noise the contact of
                // its beater.
                hit.sweep(&Sweep { from: to * 5.0, to, fall: 0.06, seconds, level: 1.2 });
                hit.hiss(&hiss(3500.0, 0.7, false, 0.012, 0.5));
            }
            Drum::Snare => {
                let (to, seconds) = (self.snare_hz, self.snare_seconds);
                // The sweep imitates the skin of a snare drum, and the noise its wires. Loud strokes excite higher
                // frequencies.
                hit.sweep(&Sweep { from: to * 1.6, to, fall: 0.05, seconds: seconds * 0.7, level: 0.5 });
                hit.hiss(&hiss(1800.0 + 600.0 * velocity, 0.7, true, seconds, 0.6));
            }
            Drum::Rim => {
                hit.sweep(&Sweep { from: 1750.0, to: 1650.0, fall: 0.02, seconds: 0.06, level: 0.5 });
                hit.hiss(&hiss(2500.0, 3.0, false, 0.03, 0.3));
            }
            Drum::Clap => {
                hit.hiss(&hiss(1300.0, 2.0, false, 0.03, 0.5));
                // A clap consists of several hands that are a few milliseconds apart.
                hit.later(0.011, |hit| hit.hiss(&hiss(1400.0, 2.0, false, 0.03, 0.5)));
                hit.later(0.023, |hit| hit.hiss(&hiss(1500.0, 1.5, true, 0.22, 0.6)));
            }
            Drum::ClosedHat => {
                hit.hiss(&hiss(self.hat_hz, 0.8, true, 0.07, 0.5));
                hit.metal(&self.metal, 0.05, 0.15);
            }
            Drum::OpenHat => {
                hit.hiss(&hiss(self.hat_hz, 0.8, true, 0.35, 0.5));
                hit.metal(&self.metal, 0.3, 0.15);
            }
            Drum::Ride => {
                hit.hiss(&hiss(self.hat_hz * 0.8, 0.8, true, 0.5, 0.2));
                hit.metal(&self.metal, 0.7, 0.2);
            }
            Drum::Crash => {
                hit.hiss(&hiss(4000.0, 0.7, true, 1.8, 0.6));
                hit.metal(&self.metal, 1.2, 0.2);
            }
            Drum::HighTom | Drum::LowTom => {
                let to = if drum == Drum::HighTom { self.tom_hz * 1.6 } else { self.tom_hz };
                hit.sweep(&Sweep { from: to * 1.7, to, fall: 0.15, seconds: 0.4, level: 0.9 });
                hit.hiss(&hiss(1200.0, 0.7, false, 0.05, 0.3));
            }
            Drum::Shaker => hit.hiss(&hiss(5500.0, 1.2, false, 0.09, 0.8)),
        }
    }
}

/// A stroke that is rendered to `out`.
struct Hit<'a> {
    velocity: f64,
    touch: f64,
    rng: &'a mut Rng,
    out: &'a mut Vec<f32>,
}

impl Hit<'_> {
    fn add(&mut self, seconds: f64, level: f64, mut wave: impl FnMut() -> f32) {
        let total = samples_in(seconds);
        if self.out.len() < total {
            self.out.resize(total, 0.0);
        }
        // The level is at −60 dB at the end, so that the end is inaudible.
        let decay = decay_per_sample(seconds) as f32;
        let mut envelope = (level * self.velocity) as f32;
        for sample in &mut self.out[..total] {
            *sample += envelope * wave();
            envelope *= decay;
        }
    }

    fn sweep(&mut self, s: &Sweep) {
        let (mut over, fall) = (s.from - s.to, decay_per_sample(s.fall));
        let to = s.to * self.touch;
        let mut phase = Oscillator::new(0.02 * self.rng.unit(), to);
        self.add(s.seconds, s.level, || {
            phase.tune(to + over);
            over *= fall;
            soft_clip(1.3 * crate::math::quick_sin(phase.next()))
        });
    }

    fn hiss(&mut self, h: &Hiss) {
        let mut filter = Filter::new(h.hz * self.touch, h.resonance);
        let mut white = White::new(self.rng);
        let high = h.high;
        self.add(h.seconds, h.level, || {
            let (_, band, top) = filter.split(white.next());
            if high { top } else { band }
        });
    }

    fn metal(&mut self, hz: &[f64; 4], seconds: f64, level: f64) {
        // Square waves of unrelated frequencies sound metallic.
        let mut waves = hz.map(|hz| Oscillator::new(self.rng.unit(), hz * self.touch));
        self.add(seconds, level / 4.0, || {
            waves.iter_mut().map(|wave| if wave.next() < 0.5 { 1.0 } else { -1.0 }).sum()
        });
    }

    /// Adds the sound that `what` renders, delayed by `seconds`.
    fn later(&mut self, seconds: f64, what: impl FnOnce(&mut Hit<'_>)) {
        let mut late = Vec::new();
        what(&mut Hit { velocity: self.velocity, touch: self.touch, rng: self.rng, out: &mut late });
        let offset = samples_in(seconds);
        self.out.resize(self.out.len().max(offset + late.len()), 0.0);
        for (sample, add) in self.out[offset..].iter_mut().zip(late) {
            *sample += add;
        }
    }
}
