//! A composer: a seed in, a song out.
//!
//! The seed draws a [style](Key) (key, tempo, swing, band), three themes (verse, chorus, bridge: each a chord
//! progression, two motifs, a groove) and a form. Every performance of a section varies its theme: chords are
//! coloured and substituted, motifs transposed, inverted, split; players are never on time and never hit
//! twice as hard; the tempo wanders; oscillators start anywhere. So nothing in a song repeats exactly, and
//! two seeds share nothing but the scale they may happen to be in.
//!
//! Layers, from paper to sound: `style` → `arrange` (form) → `players`, `beat`, `melody`, `harmony` (notes)
//! → `synth` (instruments) → `mix`.

mod arrange;
mod beat;
mod harmony;
mod melody;
mod mix;
mod names;
mod players;
mod score;
mod style;
mod synth;

pub use style::{Key, Mode};

use crate::math::samples_in;
use crate::rng::Rng;

/// A part of a song's form.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// `intro`, `verse`, `chorus` or `bridge`.
    pub name: &'static str,
    /// Where it starts, in seconds.
    pub start: f64,
}

/// A song, finished and mono.
#[derive(Debug, Clone)]
pub struct Song {
    /// What it was composed from.
    pub seed: u64,
    /// Its made-up title.
    pub title: String,
    /// Its made-up artist.
    pub artist: String,
    /// Quarter notes per minute, 70 to 170, on average.
    pub tempo_bpm: f64,
    /// The key it starts in; late choruses may move up.
    pub key: Key,
    /// Its form, in order.
    pub sections: Vec<Section>,
    /// 44.1 kHz mono, within ±1.
    pub samples: Vec<f32>,
}

impl Song {
    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / crate::RATE_F
    }
}

/// A song with its two channels; `song.samples` is their mean.
#[derive(Debug, Clone)]
pub struct StereoSong {
    /// The song and its mono sum.
    pub song: Song,
    /// Left channel, 44.1 kHz, within ±1.
    pub left: Vec<f32>,
    /// Right channel, 44.1 kHz, within ±1.
    pub right: Vec<f32>,
}

/// Composes `seconds` of music from `seed`: the same bits on every machine.
///
/// The song fills its time and fades out at the end. Another length gives the same piece, but mixed anew
/// (levels and fade depend on the length): cut a long one when excerpts must agree.
#[must_use]
pub fn compose(seed: u64, seconds: f64) -> Song {
    compose_stereo(seed, seconds).song
}

/// [`compose`], with both channels.
#[must_use]
pub fn compose_stereo(seed: u64, seconds: f64) -> StereoSong {
    let mut rng = Rng::new(seed);
    let mut names = rng.fork();
    let title = names::title(&mut names);
    let artist = names::artist(&mut names);
    let style = style::Style::draw(&mut rng.fork());
    let mut time = rng.fork();
    let clock = score::Clock::new(style.tempo_bpm, style.beats_per_bar, style.swing, seconds, &mut time);
    let (score, sections) = arrange::write(&style, &clock, seconds, &mut rng.fork());
    let mixed = mix::render(&style, &score, samples_in(seconds), &mut rng.fork());
    let samples = mixed.left.iter().zip(&mixed.right).map(|(l, r)| 0.5 * (l + r)).collect();
    let song = Song { seed, title, artist, tempo_bpm: style.tempo_bpm, key: style.key, sections, samples };
    StereoSong { song, left: mixed.left, right: mixed.right }
}
