//! Instruments, which render notes to samples.

mod drums;
mod fm;
mod parts;
mod string;
mod struck;
mod sustained;

pub(super) use drums::Kit;

use super::score::Note;
use crate::math::midi_to_hz;
use crate::rng::Rng;

/// Type of instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timbre {
    /// Struck strings, whose partials are stretched by stiffness.
    Piano,
    /// Struck metal, with inharmonic partials.
    Bell,
    /// Organ with drawbars.
    Organ,
    /// Frequency modulation with two operator pairs, one of which imitates a metal tine.
    ElectricPiano,
    /// Frequency modulation with two operator pairs, whose brightness follows the loudness.
    Brass,
    FmBass,
    /// Plucked strings.
    Guitar,
    Harp,
    StringBass,
    /// Detuned sawtooth waves.
    Pad,
    Strings,
    SawLead,
    SquareLead,
    SawBass,
    SubBass,
    Flute,
}

/// An instrument with the settings of one song.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    pub(super) timbre: Timbre,
    /// Brightness from 0 (dull) to 1 (bright).
    pub(super) brightness: f64,
    /// Factor of the decay time.
    pub(super) ring: f64,
    pub(super) detune_cents: f64,
    pub(super) vibrato_hz: f64,
    pub(super) vibrato_cents: f64,
    /// Parameters from 0 to 1 whose meaning depends on the timbre: drawbars, ratios, pulse width, pick position.
    pub(super) colors: [f64; 8],
    /// Stereo position from −1 (left) to 1 (right).
    pub(super) pan: f64,
    /// Tremolo: frequency in Hz, and depth from 0 to 1.
    pub(super) tremolo: (f64, f64),
}

impl Patch {
    pub(super) fn draw(timbre: Timbre, rng: &mut Rng) -> Self {
        Self {
            timbre,
            brightness: rng.unit(),
            ring: rng.range(0.6, 1.6),
            detune_cents: rng.range(4.0, 16.0),
            vibrato_hz: rng.range(4.5, 6.5),
            vibrato_cents: rng.range(4.0, 28.0),
            colors: std::array::from_fn(|_| rng.unit()),
            pan: rng.range(-0.5, 0.5),
            tremolo: (rng.range(3.0, 7.0), if rng.chance(0.3) { rng.range(0.1, 0.5) } else { 0.0 }),
        }
    }

    /// Clears `out` and renders `note` to it. The loudest notes have peaks of about ±1.
    pub(super) fn render(&self, note: &Note, tuning_cents: f64, rng: &mut Rng, out: &mut Vec<f32>) {
        // A small random detuning makes repeated notes differ, as with a human player.
        let cents = tuning_cents + rng.normal() * 1.5;
        let key = Keystroke {
            hz: midi_to_hz(f64::from(note.pitch) + cents / 100.0),
            seconds: note.seconds,
            velocity: note.velocity,
        };
        out.clear();
        match self.timbre {
            Timbre::Piano | Timbre::Bell | Timbre::Organ => struck::render(self, &key, rng, out),
            Timbre::ElectricPiano | Timbre::Brass | Timbre::FmBass => fm::render(self, &key, rng, out),
            Timbre::Guitar | Timbre::Harp | Timbre::StringBass => string::render(self, &key, rng, out),
            _ => sustained::render(self, &key, rng, out),
        }
    }
}

/// Properties of a note that an instrument renders.
#[derive(Debug, Clone, Copy)]
struct Keystroke {
    hz: f64,
    seconds: f64,
    velocity: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::composer::score::Voice;
    use crate::math::{cos_turns, rms, sin_turns};

    const ALL: [Timbre; 16] = [
        Timbre::Piano,
        Timbre::Bell,
        Timbre::Organ,
        Timbre::ElectricPiano,
        Timbre::Brass,
        Timbre::FmBass,
        Timbre::Guitar,
        Timbre::Harp,
        Timbre::StringBass,
        Timbre::Pad,
        Timbre::Strings,
        Timbre::SawLead,
        Timbre::SquareLead,
        Timbre::SawBass,
        Timbre::SubBass,
        Timbre::Flute,
    ];

    /// Returns the amplitude of the frequency `hz` in `samples`, measured with a Hann window.
    fn strength(samples: &[f32], hz: f64) -> f64 {
        let n = samples.len() as f64;
        let (mut re, mut im) = (0.0, 0.0);
        for (i, s) in samples.iter().enumerate() {
            let i = i as f64;
            let x = f64::from(*s) * (0.5 - 0.5 * cos_turns(i / n));
            re += x * cos_turns(i * hz / crate::RATE_F);
            im += x * sin_turns(i * hz / crate::RATE_F);
        }
        (re * re + im * im).sqrt()
    }

    #[test]
    fn every_instrument_is_in_tune_and_in_level() {
        for timbre in ALL {
            for pitch in [40, 69] {
                let mut rng = Rng::new(11);
                let mut patch = Patch::draw(timbre, &mut rng);
                // Beating and vibrato would make the measured pitch less precise.
                (patch.detune_cents, patch.vibrato_cents) = (0.1, 0.0);
                let note = Note { part: Voice::Lead, start: 0.0, seconds: 1.2, pitch, velocity: 1.0 };
                let mut sound = Vec::new();
                patch.render(&note, 0.0, &mut rng, &mut sound);
                let at = |cents: i32| {
                    let hz = midi_to_hz(f64::from(pitch) + f64::from(cents) / 100.0);
                    strength(&sound[4410..39_690], hz)
                };
                let best = (-30..=30).step_by(3).max_by(|a, b| at(*a).total_cmp(&at(*b))).unwrap();
                assert!(best.abs() <= 9, "{timbre:?} at {pitch} is off by {best} cents");
                let level = rms(&sound[..22_050]);
                assert!((0.01..1.0).contains(&level), "{timbre:?} at {pitch} has level {level}");
                let end = rms(&sound[sound.len() - 100..]);
                assert!(end < 0.01, "{timbre:?} at {pitch} ends at {end}");
            }
        }
    }
}
