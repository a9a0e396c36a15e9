//! Instruments: a note in, its sound out.

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

/// A family of sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timbre {
    /// Struck strings: partials stretched by stiffness.
    Piano,
    /// Struck metal: partials that are no harmonics.
    Bell,
    /// Drawbars.
    Organ,
    /// Two operator pairs, one of them a short tine.
    ElectricPiano,
    /// One operator pair whose brightness follows its loudness.
    Brass,
    FmBass,
    /// Plucked strings.
    Guitar,
    Harp,
    StringBass,
    /// Detuned saws.
    Pad,
    Strings,
    SawLead,
    SquareLead,
    SawBass,
    SubBass,
    Flute,
}

/// An instrument as one song's player set it up.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    pub(super) timbre: Timbre,
    /// 0 dull to 1 bright.
    pub(super) brightness: f64,
    /// How long it rings, as a factor.
    pub(super) ring: f64,
    pub(super) detune_cents: f64,
    pub(super) vibrato_hz: f64,
    pub(super) vibrato_cents: f64,
    /// Something about the timbre's structure: drawbars, ratios, pulse width, pick position.
    pub(super) colours: [f64; 8],
    /// −1 left to 1 right.
    pub(super) pan: f64,
    /// Tremolo in Hz and depth 0 to 1.
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
            colours: std::array::from_fn(|_| rng.unit()),
            pan: rng.range(-0.5, 0.5),
            tremolo: (rng.range(3.0, 7.0), if rng.chance(0.3) { rng.range(0.1, 0.5) } else { 0.0 }),
        }
    }

    /// Renders `note` into `out`, which is cleared first. Peaks are around ±1 for the loudest notes.
    pub(super) fn render(&self, note: &Note, tuning_cents: f64, rng: &mut Rng, out: &mut Vec<f32>) {
        // No player hits a pitch twice to the same hundredth of a semitone.
        let cents = tuning_cents + rng.normal() * 1.5;
        let key = Key {
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

/// A key pressed: what an instrument needs to know of a note.
#[derive(Debug, Clone, Copy)]
struct Key {
    hz: f64,
    seconds: f64,
    velocity: f64,
}
