//! Fingerprints: 44.1 kHz mono PCM → spectrogram → constellation → landmarks.
//!
//! ```text
//! push → decimate (÷4) → spectrogram → peaks (local maxima) → thinning (ranks) → constellation
//!                                   └► picture (for people)
//! ```

mod constellation;
pub(crate) mod decimate;
pub(crate) mod landmark;
pub(crate) mod params;
mod peaks;
mod picture;
pub(crate) mod scale;
pub(crate) mod spectrogram;
mod thinning;

pub use constellation::{Constellation, ConstellationError, Peak};
pub use params::{STEPS_PER_HERTZ, TICKS_PER_SECOND};
pub use picture::{Painter, Picture};
pub use scale::{unwarp_hertz, warp_hertz};

use crate::audio::SAMPLE_RATE;
use decimate::Decimator;
use peaks::PeakFinder;
use spectrogram::Spectrogram;
use thinning::Thinning;

/// Which peaks a [`Fingerprinter`] keeps: references are sparse, queries dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    /// What the catalogue stores for a track: about 30 peaks a second.
    Reference,
    /// What is searched for: a superset of what `Reference` keeps of the same sound.
    Query,
}

impl Density {
    /// Peaks with fewer stronger neighbours than this are kept.
    #[must_use]
    pub fn rank_limit(self) -> u8 {
        match self {
            Self::Reference => 4,
            Self::Query => 20,
        }
    }
}

/// Turns pushed PCM into a constellation; how the sound is cut into chunks changes nothing.
pub struct Fingerprinter {
    decimator: Decimator,
    spectrogram: Spectrogram,
    thinner: Thinner,
    samples: u64,
}

/// What stands behind the spectrogram.
struct Thinner {
    finder: PeakFinder,
    thinning: Thinning,
    peaks: Vec<Peak>,
}

impl Thinner {
    fn row(&mut self, row: &[f32]) {
        let Self { finder, thinning, peaks } = self;
        finder.push(row, |candidate| thinning.push(candidate));
        thinning.advance(finder.searched(), |c, rank| peaks.push(peak(c, rank)));
    }

    fn flush(&mut self) {
        let Self { finder, thinning, peaks } = self;
        finder.flush(|candidate| thinning.push(candidate));
        thinning.flush(finder.searched(), |c, rank| peaks.push(peak(c, rank)));
    }
}

fn peak(candidate: peaks::Candidate, rank: u8) -> Peak {
    Peak { time: candidate.time, frequency: candidate.frequency, rank }
}

impl Fingerprinter {
    /// A fingerprinter at the start of a sound.
    #[must_use]
    pub fn new(density: Density) -> Self {
        Self {
            decimator: Decimator::new(),
            spectrogram: Spectrogram::new(),
            thinner: Thinner {
                finder: PeakFinder::new(),
                thinning: Thinning::new(density.rank_limit()),
                peaks: Vec::new(),
            },
            samples: 0,
        }
    }

    /// Takes the next samples: 44.1 kHz mono, nominally within ±1.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        let Self { decimator, spectrogram, thinner, .. } = self;
        decimator.push(samples, |block| spectrogram.push(block, |row| thinner.row(row)));
    }

    /// Ends the sound and gives its constellation.
    #[must_use]
    pub fn finish(self) -> Constellation {
        let Self { mut decimator, mut spectrogram, mut thinner, samples } = self;
        decimator.flush(|block| spectrogram.push(block, |row| thinner.row(row)));
        spectrogram.push(&[0.0; params::WINDOW], |row| thinner.row(row));
        thinner.flush();
        let seconds = samples as f64 / f64::from(SAMPLE_RATE);
        let mut peaks = thinner.peaks;
        let end = (seconds * TICKS_PER_SECOND) as u32;
        peaks.retain(|p| p.time <= end);
        peaks.sort_unstable_by_key(|p| (p.time, p.frequency));
        Constellation { seconds, peaks }
    }

    /// The constellation of a whole sound.
    #[must_use]
    pub fn fingerprint(density: Density, samples: &[f32]) -> Constellation {
        let mut fingerprinter = Self::new(density);
        fingerprinter.push(samples);
        fingerprinter.finish()
    }
}
