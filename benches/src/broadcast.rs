//! Programmes: sequences of song excerpts with hard cuts and silences, as on a radio station, and their ground truth.
//!
//! A programme is planned first and rendered piece by piece, so that even a programme of a day needs little memory.

use std::ops::Range;
use std::path::PathBuf;

use refrain_core::audio::SAMPLE_RATE;
use refrain_testkit::effects::babble;

use crate::music::{BenchError, excerpt, seconds, walk};
use crate::synthetic::Random;

/// Time in seconds by which speech continues after the music that it covers.
const SPEECH_TAIL_SECONDS: f64 = 2.0;
/// Minimum level (root mean square) of audible music: −50 dBFS.
const AUDIBLE_RMS: f64 = 0.003;
/// Number of samples over which the level is measured: 50 ms.
const LEVEL_SAMPLES: usize = SAMPLE_RATE as usize / 20;

/// Audio files for programmes, with their lengths in seconds.
#[derive(Debug, Clone, Default)]
pub struct MusicLibrary {
    /// Songs in the catalog. The number of a song is its index in this list.
    pub songs: Vec<(PathBuf, f64)>,
    /// Music that is not in the catalog.
    pub unknown_songs: Vec<(PathBuf, f64)>,
    /// Files of speech. If empty, synthetic chatter is used.
    pub speech: Vec<(PathBuf, f64)>,
}

impl MusicLibrary {
    /// Collects the files of folders and reads their lengths.
    ///
    /// # Errors
    /// Fails if a folder or a file cannot be read.
    pub fn open(
        songs: &PathBuf,
        unknown_songs: Option<&PathBuf>,
        speech: Option<&PathBuf>,
    ) -> Result<Self, BenchError> {
        let files = |folder: &PathBuf| -> Result<Vec<(PathBuf, f64)>, BenchError> {
            let timed = |path: PathBuf| seconds(&path).map(|seconds| (path, seconds));
            walk(folder)?.into_iter().map(timed).collect()
        };
        let optional =
            |folder: Option<&PathBuf>| folder.map(files).transpose().map(Option::unwrap_or_default);
        Ok(Self { songs: files(songs)?, unknown_songs: optional(unknown_songs)?, speech: optional(speech)? })
    }

    /// Returns `samples` samples of speech, or of synthetic chatter.
    ///
    /// # Errors
    /// Fails if a file cannot be read.
    pub fn speech_samples(&self, samples: usize, seed: u64) -> Result<Vec<f32>, BenchError> {
        let mut random = Random::new(seed);
        let mut speech_samples = Vec::with_capacity(samples);
        while speech_samples.len() < samples {
            let Some((path, length)) = self.speech.get(random.below(self.speech.len())) else {
                return Ok(babble(samples, seed));
            };
            let wanted = samples - speech_samples.len();
            let from = (random.unit() * length * f64::from(SAMPLE_RATE)) as usize;
            speech_samples.extend(excerpt(path, from, wanted)?);
        }
        Ok(speech_samples)
    }
}

/// Parameters of a random programme.
#[derive(Debug, Clone)]
pub struct BroadcastPlan {
    /// Number of songs.
    pub airings: usize,
    /// Range of the length of each excerpt in seconds.
    pub seconds: Range<f64>,
    /// Range of the silence before each excerpt in seconds.
    pub pause: Range<f64>,
    /// Share of the songs with speech over them, and over the silence before them.
    pub speech: f64,
    /// Level of the music relative to the speech in decibels.
    pub speech_db: f64,
    /// Share of the songs with an excerpt of unknown music before them.
    pub unknown: f64,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Default for BroadcastPlan {
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

/// An excerpt of music in a programme, with the silence before the excerpt and the speech after it.
#[derive(Debug, Clone)]
pub struct BroadcastPiece {
    /// Number of the song; `None` for unknown music.
    pub song: Option<usize>,
    /// Audio file.
    pub path: PathBuf,
    /// Start of the excerpt in the audio file, in samples.
    pub from: usize,
    /// Start of the excerpt in the programme, in samples. The silence before the excerpt ends there.
    pub start: usize,
    /// Length in samples.
    pub length: usize,
    /// Lengths of the silence before the excerpt and of the speech after the excerpt, in samples.
    pub around: (usize, usize),
    /// Level of the music relative to the speech in decibels; `None` if the excerpt has no speech.
    pub speech_db: Option<f64>,
    seed: u64,
}

/// A sequence of pieces.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// Pieces in order.
    pub pieces: Vec<BroadcastPiece>,
    /// Length in samples.
    pub length: usize,
}

/// Converts a number of samples to seconds.
#[must_use]
pub fn time(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

fn samples(seconds: f64) -> usize {
    (seconds * f64::from(SAMPLE_RATE)) as usize
}

impl Broadcast {
    /// Draws a random programme. Every song is played once before any song is repeated.
    #[must_use]
    pub fn draw(library: &MusicLibrary, plan: &BroadcastPlan) -> Self {
        let mut random = Random::new(plan.seed);
        let mut this = Self { pieces: Vec::new(), length: 0 };
        let mut round: Vec<usize> = Vec::new();
        for _ in 0..plan.airings {
            if random.unit() < plan.unknown && !library.unknown_songs.is_empty() {
                let stranger = random.below(library.unknown_songs.len());
                this.add(&library.unknown_songs[stranger], None, plan, &mut random);
            }
            if round.is_empty() {
                round = (0..library.songs.len()).collect();
            }
            let last = this.pieces.last().and_then(|piece| piece.song);
            let mut at = random.below(round.len());
            if round.len() > 1 && round.get(at).copied() == last {
                at = (at + 1) % round.len();
            }
            let song = round.swap_remove(at);
            this.add(&library.songs[song], Some(song), plan, &mut random);
        }
        this
    }

    fn add(
        &mut self,
        (path, song_seconds): &(PathBuf, f64),
        song: Option<usize>,
        plan: &BroadcastPlan,
        random: &mut Random,
    ) {
        let mut between = |range: &Range<f64>| range.start + (range.end - range.start) * random.unit();
        let (pause, seconds) = (between(&plan.pause), between(&plan.seconds).min(*song_seconds));
        let speech_db = (random.unit() < plan.speech).then_some(plan.speech_db);
        let from = random.unit() * (song_seconds - seconds);
        let speech_tail = if speech_db.is_some() { SPEECH_TAIL_SECONDS } else { 0.0 };
        let around = (samples(pause), samples(speech_tail));
        let (start, length) = (self.length + around.0, samples(seconds));
        let seed = plan.seed << 20 | self.pieces.len() as u64;
        let from = samples(from);
        self.pieces.push(BroadcastPiece {
            song,
            path: path.clone(),
            from,
            start,
            length,
            around,
            speech_db,
            seed,
        });
        self.length = start + length + around.1;
    }

    /// Returns the length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        time(self.length)
    }
}

impl BroadcastPiece {
    /// Renders the piece, including the silence before it. Returns the samples, and the airing if the piece is a song
    /// of the catalog. If the file is too short, the rest of the excerpt is silence.
    ///
    /// # Errors
    /// Fails if a file cannot be read.
    pub fn sound(&self, library: &MusicLibrary) -> Result<(Vec<f32>, Option<PlayedAiring>), BenchError> {
        let (before, speech_tail) = self.around;
        let music = excerpt(&self.path, self.from, self.length)?;
        let airing = self.song.map(|song| self.airing(song, &music));
        let mut sound = vec![0.0; before];
        sound.extend(&music);
        sound.resize(before + self.length + speech_tail, 0.0);
        if let Some(db) = self.speech_db {
            let speech_samples = library.speech_samples(sound.len(), self.seed)?;
            let gain = (level(&music) / level(&speech_samples).max(f64::MIN_POSITIVE)
                * 10_f64.powf(-db / 20.0)) as f32;
            sound.iter_mut().zip(&speech_samples).for_each(|(sum, sample)| *sum += gain * sample);
        }
        let peak = sound.iter().fold(1.0_f32, |peak, sample| peak.max(sample.abs()));
        sound.iter_mut().for_each(|sample| *sample /= peak);
        Ok((sound, airing))
    }

    fn airing(&self, song: usize, music: &[f32]) -> PlayedAiring {
        let loud = |block: &[f32]| level(block) >= AUDIBLE_RMS;
        let first = music.chunks(LEVEL_SAMPLES).position(loud).unwrap_or(0);
        let last = music.rchunks(LEVEL_SAMPLES).position(loud).unwrap_or(0);
        let quiet = (time(first * LEVEL_SAMPLES), time(last * LEVEL_SAMPLES));
        PlayedAiring {
            song,
            start: time(self.start),
            end: time(self.start + self.length),
            quiet,
            ready: time(self.start) + quiet.0,
            under_speech: self.speech_db.is_some(),
        }
    }
}

/// Returns the root mean square of `samples`; 0 if `samples` is empty.
fn level(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// A song that is played. Times are in seconds since the programme's start.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayedAiring {
    /// Number of the song.
    pub song: usize,
    /// Start of the airing.
    pub start: f64,
    /// End of the airing.
    pub end: f64,
    /// Lengths of the (almost) silent parts at the start and the end of the excerpt. The exact edges are not audible there.
    pub quiet: (f64, f64),
    /// Time at which the song becomes audible, and from which on it can be detected.
    pub ready: f64,
    /// True if speech covers the song.
    pub under_speech: bool,
}
