//! Chord progressions and the voicing of chords.

use super::style::{Key, Mode};
use crate::rng::Rng;

/// A chord as pitch classes above the tonic of the key, root first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chord {
    /// Pitch classes 0..12 relative to the tonic.
    pub(super) tones: Vec<i32>,
}

impl Chord {
    /// Creates the chord on scale degree `degree` (0..7). With probability `color`, the chord gets an added or
    /// suspended note.
    fn on_degree(mode: Mode, degree: usize, color: f64, rng: &mut Rng) -> Self {
        let scale = mode.scale();
        let at = |step: usize| scale[(degree + step) % 7];
        let mut tones = vec![at(0), at(2), at(4)];
        if mode == Mode::Minor && degree == 4 && rng.chance(0.6) {
            // The raised leading note makes the dominant a major chord.
            tones[1] = 11;
        }
        if rng.chance(color) {
            // A seventh, a ninth, or a suspended fourth instead of the third.
            match rng.below(4) {
                0 | 1 => tones.push(at(6)),
                2 => tones.push(at(1)),
                _ => tones[1] = at(3),
            }
        }
        Self { tones }
    }

    pub(super) fn root(&self) -> i32 {
        self.tones[0]
    }

    pub(super) fn fifth(&self) -> i32 {
        self.tones[2]
    }

    /// Returns true if a pitch (semitones above the tonic, in any octave) belongs to the chord.
    pub(super) fn contains(&self, pitch: i32) -> bool {
        self.tones.contains(&pitch.rem_euclid(12))
    }
}

/// The chords of one bar, each with the sixteenth on which it starts.
pub(super) type BarChords = Vec<(u32, Chord)>;

/// Weights of the degrees that can follow each degree, in bright modes: the row is the current degree, and the column
/// the next one. `DARK` is the table of dark modes.
const BRIGHT: [[f64; 7]; 7] = [
    [0.5, 1.5, 1.0, 4.0, 4.0, 3.0, 0.2],
    [1.0, 0.0, 0.5, 1.0, 5.0, 0.5, 0.5],
    [0.3, 0.7, 0.0, 3.0, 0.5, 4.0, 0.0],
    [3.0, 1.5, 0.5, 0.3, 4.0, 1.5, 0.2],
    [4.0, 0.3, 0.5, 2.0, 0.2, 3.0, 0.0],
    [0.8, 2.0, 1.0, 4.0, 2.0, 0.0, 0.0],
    [3.0, 0.0, 1.5, 0.0, 0.0, 1.0, 0.0],
];
const DARK: [[f64; 7]; 7] = [
    [0.5, 0.3, 1.5, 3.0, 2.0, 4.0, 3.0],
    [0.5, 0.0, 0.0, 0.5, 4.0, 0.0, 0.0],
    [0.5, 0.0, 0.0, 2.0, 0.5, 3.0, 3.0],
    [2.5, 0.3, 1.0, 0.3, 2.5, 1.0, 2.5],
    [4.0, 0.0, 0.5, 1.0, 0.0, 2.5, 0.5],
    [1.0, 0.5, 2.0, 2.0, 1.5, 0.0, 3.5],
    [3.5, 0.0, 2.5, 1.0, 0.5, 2.5, 0.0],
];

/// A progression of one or two scale degrees per bar. Each performance can colour its chords differently.
#[derive(Debug, Clone)]
pub(super) struct Progression {
    bars: Vec<Vec<usize>>,
    color: f64,
}

impl Progression {
    pub(super) fn draw(key: Key, bars: usize, rng: &mut Rng) -> Self {
        let table = if key.mode.is_dark() { &DARK } else { &BRIGHT };
        let mut degree = [0, 5, 3, 1][rng.weighted(&[5.0, 1.5, 1.5, 0.5])];
        let two_a_bar = rng.pick(&[0.0, 0.1, 0.35]);
        let mut list = Vec::with_capacity(bars);
        for bar in 0..bars {
            let mut here = vec![degree];
            degree = rng.weighted(&table[degree]);
            if rng.chance(two_a_bar) {
                here.push(degree);
                degree = rng.weighted(&table[degree]);
            }
            // Most progressions end on the dominant or the subdominant, which leads back to their start.
            if bar + 1 == bars && rng.chance(0.6) {
                here = vec![if rng.chance(0.7) { 4 } else { 3 }];
            }
            list.push(here);
        }
        Self { bars: list, color: rng.range(0.05, 0.7) }
    }

    /// Returns the chords of `bars` bars: the progression, repeated as needed, with some chords substituted at random.
    pub(super) fn perform(&self, key: Key, bars: usize, steps_per_bar: u32, rng: &mut Rng) -> Vec<BarChords> {
        let mut list = Vec::with_capacity(bars);
        for bar in 0..bars {
            let degrees = &self.bars[bar % self.bars.len()];
            let slot = steps_per_bar / degrees.len() as u32;
            let mut chords = BarChords::new();
            for (i, &degree) in degrees.iter().enumerate() {
                // The chord a third below shares two notes and has a similar function.
                let degree = if rng.chance(0.08) { (degree + 5) % 7 } else { degree };
                chords.push((i as u32 * slot, Chord::on_degree(key.mode, degree, self.color, rng)));
            }
            list.push(chords);
        }
        list
    }
}

/// Converts chords to MIDI notes so that the voices move as little as possible.
#[derive(Debug)]
pub(super) struct Voicer {
    previous: Vec<i32>,
    centre: i32,
}

impl Voicer {
    /// Creates a voicer whose chords stay around MIDI note `centre`.
    pub(super) fn new(centre: i32) -> Self {
        Self { previous: Vec::new(), centre }
    }

    /// Returns the notes of `chord` in the key whose tonic is the pitch class `tonic`, lowest first.
    pub(super) fn voice(&mut self, chord: &Chord, tonic: i32) -> Vec<i32> {
        let mut best: Option<(i32, Vec<i32>)> = None;
        // There are at most 16 voicings, so all of them are compared.
        for bottom in 0..chord.tones.len() {
            for octave in -2..=1 {
                let notes = self.close_position(chord, tonic, bottom, octave);
                let cost = self.cost(&notes);
                if best.as_ref().is_none_or(|(lowest_cost, _)| cost < *lowest_cost) {
                    best = Some((cost, notes));
                }
            }
        }
        let notes = best.map(|(_, notes)| notes).unwrap_or_default();
        self.previous.clone_from(&notes);
        notes
    }

    fn close_position(&self, chord: &Chord, tonic: i32, bottom: usize, octave: i32) -> Vec<i32> {
        let mut notes: Vec<i32> = Vec::with_capacity(chord.tones.len());
        let mut last = self.centre + octave * 12;
        for i in 0..chord.tones.len() {
            let class = chord.tones[(bottom + i) % chord.tones.len()] + tonic;
            let note = last + (class - last).rem_euclid(12);
            notes.push(note);
            last = note + 1;
        }
        notes
    }

    fn cost(&self, notes: &[i32]) -> i32 {
        let middle = notes.iter().sum::<i32>() / notes.len().max(1) as i32;
        let moved: i32 = notes.iter().zip(&self.previous).map(|(a, b)| (a - b).abs()).sum();
        let spread = notes.last().zip(notes.first()).map_or(0, |(a, b)| a - b);
        // Voicings that are wider than an octave cost more, because they sound thin.
        moved + (middle - self.centre).abs() + (spread - 12).max(0) * 2
    }
}
