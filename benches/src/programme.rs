//! Programmes: stretches of songs with hard cuts and silences between, as a station plays them, and the truth about them.
//!
//! A programme is drawn first and made into sound piece by piece, so a day of it needs no memory.

use std::ops::Range;
use std::path::PathBuf;

use refrain_core::audio::SAMPLE_RATE;
use refrain_testkit::effects::babble;

use crate::music::{Failure, seconds, stretch, walk};
use crate::synthetic::Random;

/// Seconds that speech goes on after the music that it covers.
const TALKED_ON: f64 = 2.0;
/// Lowest level of a piece, root mean square, at which its start is taken to be heard: −50 dBFS.
const AUDIBLE: f64 = 0.003;
/// Samples over which that is measured: 50 ms.
const LEVEL: usize = SAMPLE_RATE as usize / 20;

/// Where programmes take their sound from.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    /// Songs that the catalogue holds; a song's number is its place here.
    pub songs: Vec<(PathBuf, f64)>,
    /// Music that it does not hold.
    pub strangers: Vec<(PathBuf, f64)>,
    /// Speech; none: chatter is generated.
    pub speech: Vec<(PathBuf, f64)>,
}

impl Shelf {
    /// The files of folders, with their lengths in seconds.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn open(
        songs: &PathBuf,
        strangers: Option<&PathBuf>,
        speech: Option<&PathBuf>,
    ) -> Result<Self, Failure> {
        let files = |folder: &PathBuf| -> Result<Vec<(PathBuf, f64)>, Failure> {
            let timed = |path: PathBuf| seconds(&path).map(|seconds| (path, seconds));
            walk(folder)?.into_iter().map(timed).collect()
        };
        let optional =
            |folder: Option<&PathBuf>| folder.map(files).transpose().map(Option::unwrap_or_default);
        Ok(Self { songs: files(songs)?, strangers: optional(strangers)?, speech: optional(speech)? })
    }

    /// `samples` samples of speech, or of chatter.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn talk(&self, samples: usize, seed: u64) -> Result<Vec<f32>, Failure> {
        let mut random = Random::new(seed);
        let mut talk = Vec::with_capacity(samples);
        while talk.len() < samples {
            let Some((path, length)) = self.speech.get(random.below(self.speech.len())) else {
                return Ok(babble(samples, seed));
            };
            let wanted = samples - talk.len();
            let from = (random.unit() * length * f64::from(SAMPLE_RATE)) as usize;
            talk.extend(stretch(path, from, wanted)?);
        }
        Ok(talk)
    }
}

/// How a programme is drawn.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Songs in it.
    pub airings: usize,
    /// Length of each stretch, seconds.
    pub seconds: Range<f64>,
    /// Silence before each, seconds.
    pub pause: Range<f64>,
    /// Part of the songs that stand under speech, silence before them included.
    pub speech: f64,
    /// Level of the music against the speech, decibels.
    pub speech_db: f64,
    /// Part of the songs that an unknown stretch precedes.
    pub unknown: f64,
    /// Draws it.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            airings: 60,
            seconds: 25.0..60.0,
            pause: 0.0..5.0,
            speech: 0.2,
            speech_db: -6.0,
            unknown: 0.15,
            seed: 1,
        }
    }
}

/// A stretch of music, and the silence before it.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Number of the song; `None`: it is unknown.
    pub song: Option<usize>,
    /// Its file.
    pub path: PathBuf,
    /// Start in the song, samples.
    pub from: usize,
    /// Start in the programme, samples: where the silence before it ends.
    pub start: usize,
    /// Length, samples.
    pub length: usize,
    /// Silence before it, and speech behind it, samples.
    pub around: (usize, usize),
    /// Level of the music against speech over it, decibels; `None`: nobody talks.
    pub speech_db: Option<f64>,
    seed: u64,
}

/// Pieces in a row.
#[derive(Debug, Clone)]
pub struct Programme {
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// Length, samples.
    pub length: usize,
}

/// The time of a sample, seconds.
#[must_use]
pub fn time(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

fn samples(seconds: f64) -> usize {
    (seconds * f64::from(SAMPLE_RATE)) as usize
}

impl Programme {
    /// Draws a programme. Songs come in rounds, each once a round.
    #[must_use]
    pub fn draw(shelf: &Shelf, plan: &Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let mut this = Self { pieces: Vec::new(), length: 0 };
        let mut round: Vec<usize> = Vec::new();
        for _ in 0..plan.airings {
            if random.unit() < plan.unknown && !shelf.strangers.is_empty() {
                let stranger = random.below(shelf.strangers.len());
                this.add(&shelf.strangers[stranger], None, plan, &mut random);
            }
            if round.is_empty() {
                round = (0..shelf.songs.len()).collect();
            }
            let last = this.pieces.last().and_then(|piece| piece.song);
            let mut at = random.below(round.len());
            if round.len() > 1 && round.get(at).copied() == last {
                at = (at + 1) % round.len();
            }
            let song = round.swap_remove(at);
            this.add(&shelf.songs[song], Some(song), plan, &mut random);
        }
        this
    }

    fn add(&mut self, (path, whole): &(PathBuf, f64), song: Option<usize>, plan: &Plan, random: &mut Random) {
        let mut between = |range: &Range<f64>| range.start + (range.end - range.start) * random.unit();
        let (pause, seconds) = (between(&plan.pause), between(&plan.seconds).min(*whole));
        let speech_db = (random.unit() < plan.speech).then_some(plan.speech_db);
        let from = random.unit() * (whole - seconds);
        let behind = if speech_db.is_some() { TALKED_ON } else { 0.0 };
        let around = (samples(pause), samples(behind));
        let (start, length) = (self.length + around.0, samples(seconds));
        let seed = plan.seed << 20 | self.pieces.len() as u64;
        let from = samples(from);
        self.pieces.push(Piece { song, path: path.clone(), from, start, length, around, speech_db, seed });
        self.length = start + length + around.1;
    }

    /// Length, seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        time(self.length)
    }
}

impl Piece {
    /// Its sound, silence before it included, and what is played in it. What a file lacks is silence.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn sound(&self, shelf: &Shelf) -> Result<(Vec<f32>, Option<Airing>), Failure> {
        let (before, behind) = self.around;
        let music = stretch(&self.path, self.from, self.length)?;
        let airing = self.song.map(|song| self.airing(song, &music));
        let mut sound = vec![0.0; before];
        sound.extend(&music);
        sound.resize(before + self.length + behind, 0.0);
        if let Some(db) = self.speech_db {
            let talk = shelf.talk(sound.len(), self.seed)?;
            let gain = (level(&music) / level(&talk).max(f64::MIN_POSITIVE) * 10_f64.powf(-db / 20.0)) as f32;
            sound.iter_mut().zip(&talk).for_each(|(sum, sample)| *sum += gain * sample);
        }
        let peak = sound.iter().fold(1.0_f32, |peak, sample| peak.max(sample.abs()));
        sound.iter_mut().for_each(|sample| *sample /= peak);
        Ok((sound, airing))
    }

    fn airing(&self, song: usize, music: &[f32]) -> Airing {
        let loud = |block: &[f32]| level(block) >= AUDIBLE;
        let first = music.chunks(LEVEL).position(loud).unwrap_or(0);
        let last = music.rchunks(LEVEL).position(loud).unwrap_or(0);
        let quiet = (time(first * LEVEL), time(last * LEVEL));
        Airing {
            song,
            start: time(self.start),
            end: time(self.start + self.length),
            quiet,
            ready: time(self.start) + quiet.0,
            under_speech: self.speech_db.is_some(),
        }
    }
}

/// Root mean square.
fn level(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// A song that was played. Times are seconds since the programme's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Airing {
    /// Number of the song.
    pub song: usize,
    /// Start.
    pub start: f64,
    /// End.
    pub end: f64,
    /// Silence or near silence of the song itself at its start and its end: nobody can hear where it begins and ends
    /// there.
    pub quiet: (f64, f64),
    /// From when on it could be told of: where it can be heard first.
    pub ready: f64,
    /// Whether somebody talks over it.
    pub under_speech: bool,
}
