//! A composer that generates a song from a seed.
//!
//! The seed determines a style ([key](Key), tempo, swing, instruments), three themes and a form. The themes are those
//! of verse, chorus and bridge; each has a chord progression, two motifs and a groove. Every performance of a section
//! varies its theme: chords are coloured and substituted; motifs are transposed, inverted and split. The timing and
//! velocity of each note vary at random, the tempo drifts, and oscillators start at a random phase. So nothing in a
//! song repeats exactly, and songs of different seeds have at most the scale in common.
//!
//! Layers, from notes to audio: `style` → `arrange` (form) → `players`, `beat`, `melody`, `harmony` (notes)
//! → `synth` (instruments) → `mix`.

mod arrange;
mod beat;
mod harmony;
mod melody;
mod mix;
mod names;
mod performance;
mod players;
mod score;
mod style;
mod synth;

pub use style::{Key, Mode};

use crate::math::samples_in;
use crate::rng::Rng;

/// A section of a song.
#[derive(Debug, Clone, PartialEq)]
pub struct SongSection {
    /// `intro`, `verse`, `chorus` or `bridge`.
    pub name: &'static str,
    /// Start in seconds.
    pub start: f64,
}

/// A finished song in mono.
#[derive(Debug, Clone)]
pub struct Song {
    /// Seed from which the song was composed.
    pub seed: u64,
    /// Generated title.
    pub title: String,
    /// Generated name of the artist.
    pub artist: String,
    /// Average tempo in quarter notes per minute, 70 to 170.
    pub tempo_bpm: f64,
    /// Key at the start. Late choruses can modulate upward.
    pub key: Key,
    /// Sections in order.
    pub sections: Vec<SongSection>,
    /// Samples: 44.1 kHz mono, within ±1.
    pub samples: Vec<f32>,
}

impl Song {
    /// Returns the length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / crate::RATE_F
    }
}

/// A song in stereo. `song.samples` is the mean of both channels.
#[derive(Debug, Clone)]
pub struct StereoSong {
    /// The song in mono.
    pub song: Song,
    /// Left channel, 44.1 kHz, within ±1.
    pub left: Vec<f32>,
    /// Right channel, 44.1 kHz, within ±1.
    pub right: Vec<f32>,
}

/// Composes `seconds` of music from `seed`. The result has the same bits on every machine.
///
/// The song lasts the whole time and fades out at the end. Another length gives the same piece with another mix,
/// because levels and fade depend on the length. To get matching excerpts, cut them from one long song.
#[must_use]
pub fn compose(seed: u64, seconds: f64) -> Song {
    compose_stereo(seed, seconds).song
}

/// Like [`compose`], but returns both channels.
#[must_use]
pub fn compose_stereo(seed: u64, seconds: f64) -> StereoSong {
    let mut rng = Rng::new(seed);
    let mut names = rng.fork();
    let title = names::title(&mut names);
    let artist = names::artist(&mut names);
    let style = style::Style::draw(&mut rng.fork());
    let mut time = rng.fork();
    let clock = score::SongClock::new(style.tempo_bpm, style.beats_per_bar, style.swing, seconds, &mut time);
    let (score, sections) = arrange::write(&style, &clock, seconds, &mut rng.fork());
    let mixed = mix::render(&style, &score, samples_in(seconds), &mut rng.fork());
    let samples = mixed.left.iter().zip(&mixed.right).map(|(l, r)| 0.5 * (l + r)).collect();
    let song = Song { seed, title, artist, tempo_bpm: style.tempo_bpm, key: style.key, sections, samples };
    StereoSong { song, left: mixed.left, right: mixed.right }
}
