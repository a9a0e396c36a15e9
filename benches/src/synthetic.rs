//! Synthetic ("drawn") constellations. Generating them without audio is fast enough for a hundred thousand tracks.
//!
//! A drawn song has the properties that make the hashes of music uneven. Its notes are the partials of a few scale degrees
//! of one key, so they are repeated often; its onsets follow the sixteenths of one tempo; some of the peaks are noise
//! at any frequency and time, like drums. Thinning gives every neighbourhood its share of peaks, so each
//! second of each band contains the same number, one of each rank.
//!
//! `scale --statistics` compares drawn and composed songs; the constants here were fitted with it.

use std::ops::Range;

use refrain_core::fingerprint::{Constellation, Density, Peak, STEPS_PER_HERTZ, TICKS_PER_SECOND};

/// Edges in Hz of bands that contain the same number of peaks. The first is 97 Hz; they are about equidistant on the warped
/// scale.
const BANDS: [f64; 9] = [97.0, 398.0, 700.0, 1002.0, 1394.0, 1946.0, 2716.0, 3790.0, 4990.0];
/// Share of the peaks in each band that belong to a note. The others are noise.
const TONAL: [f64; 8] = [0.95, 0.9, 0.85, 0.8, 0.75, 0.65, 0.55, 0.5];
/// Share of the onsets that follow the grid of sixteenth notes.
const IN_TIME: f64 = 0.8;
/// Length of a phrase in seconds.
const PHRASE: u32 = 4;
/// Probability that a phrase repeats an earlier phrase.
const REPEATED: f64 = 0.15;
/// Semitones of the degrees of a major and a minor scale.
const SCALES: [[f64; 7]; 2] = [[0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 11.0], [0.0, 2.0, 3.0, 5.0, 7.0, 8.0, 10.0]];
/// Relative frequency with which a song uses each degree of its scale, from the first degree on.
const WEIGHTS: [f64; 7] = [0.25, 0.1, 0.17, 0.12, 0.2, 0.1, 0.06];
/// Number of partials of a note.
const PARTIALS: u32 = 6;

/// A SplitMix64 random number generator. The same seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Creates a generator whose numbers depend on every bit of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a uniform number in `0..1`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Returns a uniform number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Returns an approximately normal number with mean 0 and standard deviation 1 (a sum of four uniform numbers).
    pub fn normal(&mut self) -> f64 {
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.732
    }
}

/// Properties that stay the same within a drawn song.
#[derive(Debug, Clone)]
pub struct DrawnSong {
    random: Random,
    /// Length of a sixteenth note in ticks.
    grid: f64,
    /// Notes of each band: pairs of a frequency in steps and the sum of the weights of the notes up to this one.
    notes: Vec<Vec<(f64, f64)>>,
}

impl DrawnSong {
    /// Creates the song that `seed` determines.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let tempo = 120.0 + 15.0 * random.normal();
        let grid = 60.0 / tempo / 4.0 * TICKS_PER_SECOND;
        let scale = SCALES[random.below(2)];
        let root = 65.4 * ((random.below(12) as f64 + 0.05 * random.normal()) / 12.0).exp2();
        let mut notes: Vec<Vec<(f64, f64)>> = vec![Vec::new(); TONAL.len()];
        for octave in 0..5 {
            for (degree, weight) in scale.iter().zip(WEIGHTS) {
                // Random weights, because songs do not use every note of every octave.
                let weight = weight * random.unit().powi(3);
                let tone = root * (f64::from(octave) + degree / 12.0).exp2();
                for partial in 1..=PARTIALS {
                    let hertz = tone * f64::from(partial);
                    if let Some(band) = BANDS.windows(2).position(|b| (b[0]..b[1]).contains(&hertz)) {
                        let before = notes[band].last().map_or(0.0, |(_, sum)| *sum);
                        let weight = before + weight / f64::from(partial);
                        notes[band].push((hertz * STEPS_PER_HERTZ, weight));
                    }
                }
            }
        }
        Self { random, grid, notes }
    }

    /// Returns the constellation of the song, with the density of references or of queries.
    #[must_use]
    pub fn constellation(mut self, seconds: f64, density: Density) -> Constellation {
        let mut peaks = Vec::new();
        self.add(seconds, 0..density.rank_limit(), &mut peaks);
        sorted(seconds, peaks)
    }

    /// Adds the peaks of `seconds` seconds with the ranks `ranks` to `peaks`, phrase by phrase: mostly new phrases, and
    /// some repetitions of earlier ones.
    fn add(&mut self, seconds: f64, ranks: Range<u8>, peaks: &mut Vec<Peak>) {
        let (mut phrases, mut start) = (vec![0], 0);
        while start < seconds as u32 {
            let end = (start + PHRASE).min(seconds as u32);
            let whole = start + PHRASE == end;
            if phrases.len() > 1 && whole && self.random.unit() < REPEATED {
                let again = self.random.below(phrases.len() - 1);
                let shift = ticks(start) - ticks(again as u32 * PHRASE);
                peaks.extend_from_within(phrases[again]..phrases[again + 1]);
                let from = phrases[phrases.len() - 1];
                peaks[from..].iter_mut().for_each(|peak| peak.time += shift);
            } else {
                self.phrase(start..end, ranks.clone(), peaks);
            }
            phrases.push(peaks.len());
            start = end;
        }
    }

    /// Adds to `peaks` one peak of each rank in `ranks` for every band and every second in `seconds`.
    fn phrase(&mut self, seconds: Range<u32>, ranks: Range<u8>, peaks: &mut Vec<Peak>) {
        for second in seconds {
            for band in 0..TONAL.len() {
                for rank in ranks.clone() {
                    let (time, frequency) = (self.time(second), self.frequency(band));
                    peaks.push(Peak { time, frequency, rank });
                }
            }
        }
    }

    fn time(&mut self, second: u32) -> u32 {
        let any = (f64::from(second) + self.random.unit()) * TICKS_PER_SECOND;
        if self.random.unit() >= IN_TIME {
            return any as u32;
        }
        ((any / self.grid).floor() * self.grid + 1.5 * self.random.normal()).max(0.0) as u32
    }

    fn frequency(&mut self, band: usize) -> u16 {
        let (low, high) = (BANDS[band], BANDS[band + 1]);
        let notes = &self.notes[band];
        let sum = notes.last().map_or(0.0, |(_, sum)| *sum);
        if self.random.unit() >= TONAL[band] || sum <= 0.0 {
            return ((low + (high - low) * self.random.unit()) * STEPS_PER_HERTZ) as u16;
        }
        let at = self.random.unit() * sum;
        let note = notes.partition_point(|(_, sum)| *sum <= at).min(notes.len() - 1);
        (notes[note].0 + 1.5 * self.random.normal()).clamp(72.0, 3711.0) as u16
    }
}

fn ticks(seconds: u32) -> u32 {
    (f64::from(seconds) * TICKS_PER_SECOND) as u32
}

fn sorted(seconds: f64, mut peaks: Vec<Peak>) -> Constellation {
    peaks.sort_unstable_by_key(|p| (p.time, p.frequency));
    peaks.dedup_by_key(|p| (p.time, p.frequency));
    Constellation::new(seconds, peaks)
}

/// Degradation of a query compared with its reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Degradation {
    /// Name in the report.
    pub name: &'static str,
    /// Share of the reference's peaks that the query contains.
    pub survival: f64,
    /// Standard deviation of the positions of the surviving peaks: in ticks, and the same number in frequency steps.
    pub error: f64,
    /// Maximum number by which noise increases the rank of a surviving peak.
    pub rise: usize,
}

/// Degradation of composed songs by noise that is 10 dB quieter than them.
pub const CLEAN: Degradation = Degradation { name: "clean", survival: 0.88, error: 0.5, rise: 0 };
/// Degradation of composed songs by noise that is 3 dB louder than them.
pub const NOISY: Degradation = Degradation { name: "noisy", survival: 0.54, error: 1.0, rise: 2 };

/// Creates a query of `length` seconds from a track, starting at second `start` of the track: the surviving peaks of
/// the track, mixed with peaks of other audio.
#[must_use]
pub fn query(
    track: &Constellation,
    start: f64,
    length: f64,
    degradation: Degradation,
    seed: u64,
) -> Constellation {
    let mut random = Random::new(seed ^ 0x0071_7565_7279);
    let (from, ticks) = (start * TICKS_PER_SECOND, length * TICKS_PER_SECOND);
    let mut peaks = Vec::new();
    DrawnSong::new(random.next()).add(length, 0..Density::Query.rank_limit(), &mut peaks);
    // Peaks of the other audio with a rank of references replace the peaks of the track that do not survive.
    let free = Density::Reference.rank_limit();
    peaks.retain(|peak| peak.rank >= free || random.unit() >= degradation.survival);
    for peak in &track.peaks {
        let time = f64::from(peak.time) - from;
        if (0.0..ticks).contains(&time) && random.unit() < degradation.survival {
            let time = (time + degradation.error * random.normal()).round().max(0.0) as u32;
            let frequency =
                (f64::from(peak.frequency) + degradation.error * random.normal()).round().max(1.0);
            let rank = peak.rank + random.below(degradation.rise + 1) as u8;
            peaks.push(Peak { time, frequency: frequency as u16, rank });
        }
    }
    sorted(length, peaks)
}
