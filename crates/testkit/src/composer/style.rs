//! The style of a song: key, tempo, feel and instruments.

use std::fmt;

use super::synth::{Patch, Timbre};
use crate::rng::Rng;

/// The scale of a song.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Ionian.
    Major,
    /// Aeolian, with the leading note raised in some dominants.
    Minor,
    /// Minor with a major sixth.
    Dorian,
    /// Major with a minor seventh.
    Mixolydian,
}

impl Mode {
    /// Returns the semitones of the seven degrees above the tonic.
    pub(super) fn scale(self) -> [i32; 7] {
        match self {
            Self::Major => [0, 2, 4, 5, 7, 9, 11],
            Self::Minor => [0, 2, 3, 5, 7, 8, 10],
            Self::Dorian => [0, 2, 3, 5, 7, 9, 10],
            Self::Mixolydian => [0, 2, 4, 5, 7, 9, 10],
        }
    }

    pub(super) fn is_dark(self) -> bool {
        matches!(self, Self::Minor | Self::Dorian)
    }
}

/// A tonic and a mode, for example F♯ dorian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Semitones above C, `0..12`.
    pub tonic: u8,
    /// The scale.
    pub mode: Mode,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 12] = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
        let mode = match self.mode {
            Mode::Major => "major",
            Mode::Minor => "minor",
            Mode::Dorian => "dorian",
            Mode::Mixolydian => "mixolydian",
        };
        write!(f, "{} {mode}", NAMES[usize::from(self.tonic % 12)])
    }
}

/// Type of drum pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Groove {
    Rock,
    FourOnFloor,
    HalfTime,
    Broken,
    Bossa,
    Brushes,
    None,
}

/// Properties that stay the same during a song.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) key: Key,
    pub(super) tempo_bpm: f64,
    pub(super) beats_per_bar: u32,
    /// Share of the first note in the length of two swung eighth notes: 0.5 is straight.
    pub(super) swing: f64,
    /// Deviation of the tuning from A = 440 Hz in cents.
    pub(super) tuning_cents: f64,
    pub(super) groove: Groove,
    pub(super) lead: Patch,
    pub(super) second_lead: Patch,
    pub(super) chords: Patch,
    pub(super) pad: Patch,
    pub(super) arp: Patch,
    pub(super) bass: Patch,
    /// Density of the melody, from 0 (few notes) to 1 (many).
    pub(super) density: f64,
    /// Standard deviation of the players' timing in seconds.
    pub(super) looseness: f64,
    /// Level of the reverberation, 0 to 1.
    pub(super) reverb: f64,
    pub(super) reverb_seconds: f64,
}

impl Style {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        use Timbre as T;
        let mode =
            [Mode::Major, Mode::Minor, Mode::Dorian, Mode::Mixolydian][rng.weighted(&[4.0, 4.0, 1.5, 1.5])];
        let key = Key { tonic: rng.below(12) as u8, mode };
        let tempo_bpm = rng.range(70.0, 170.0);
        let beats_per_bar = if rng.chance(0.15) { 3 } else { 4 };
        let groove = draw_groove(rng, tempo_bpm, beats_per_bar);
        // Timbres with a clear start of each note. Pads and strings begin too slowly for a melody.
        let leads = [
            T::SquareLead,
            T::SawLead,
            T::Flute,
            T::Bell,
            T::Organ,
            T::ElectricPiano,
            T::Guitar,
            T::Brass,
            T::Piano,
        ];
        Self {
            key,
            tempo_bpm,
            beats_per_bar,
            swing: if rng.chance(0.35) { rng.range(0.53, 0.66) } else { 0.5 },
            tuning_cents: rng.range(-18.0, 18.0),
            groove,
            lead: Patch::draw(rng.pick(&leads), rng),
            second_lead: Patch::draw(rng.pick(&leads), rng),
            chords: Patch::draw(rng.pick(&[T::Piano, T::ElectricPiano, T::Organ, T::Guitar, T::Harp]), rng),
            pad: Patch::draw(rng.pick(&[T::Pad, T::Strings, T::Organ, T::Brass]), rng),
            arp: Patch::draw(rng.pick(&[T::Harp, T::Bell, T::Guitar, T::SquareLead, T::ElectricPiano]), rng),
            bass: Patch::draw(rng.pick(&[T::SawBass, T::StringBass, T::FmBass, T::SubBass]), rng),
            density: rng.range(0.2, 0.9),
            looseness: rng.range(0.003, 0.009),
            reverb: rng.range(0.15, 0.6),
            reverb_seconds: rng.range(0.8, 2.6),
        }
    }
}

fn draw_groove(rng: &mut Rng, tempo_bpm: f64, beats_per_bar: u32) -> Groove {
    if beats_per_bar == 3 {
        return rng.pick(&[Groove::Brushes, Groove::Rock, Groove::None]);
    }
    // Bossa and brushes are not played at tempi above 140 beats per minute.
    if tempo_bpm > 140.0 {
        return rng.pick(&[Groove::HalfTime, Groove::Rock, Groove::FourOnFloor, Groove::Broken]);
    }
    let all = [
        Groove::Rock,
        Groove::FourOnFloor,
        Groove::HalfTime,
        Groove::Broken,
        Groove::Bossa,
        Groove::Brushes,
        Groove::None,
    ];
    all[rng.weighted(&[4.0, 3.0, 1.0, 2.0, 1.5, 1.0, 0.5])]
}
