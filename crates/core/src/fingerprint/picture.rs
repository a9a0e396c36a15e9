//! The spectrogram as a picture for display: the powers that peaks are chosen from.

use super::decimate::Decimator;
use super::maximum::raise;
use super::params::{ANALYSIS_RATE, DECIMATION, HOP, WINDOW};
use super::spectrogram::{ROW, Spectrogram};

/// Frames of the spectrogram per second.
const FRAMES_PER_SECOND: f64 = ANALYSIS_RATE / HOP as f64;
/// Minimum number of columns of a painter: a picture needs more than one, and halving needs two. It is a lower bound
/// for a parameter, not a tuned value.
const FEWEST_COLUMNS: usize = 2;

/// Power over time and frequency of a section of audio.
///
/// A matrix of [`columns`](Self::columns) × [`bins`](Self::bins) powers; 1 is a full-scale sine. A column contains
/// one frame of the fingerprint's spectrogram (frames are 93 ms long and 23 ms apart), or the maxima of several
/// consecutive frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    first_frame: u64,
    frames_per_column: u64,
    powers: Vec<f32>,
}

impl Picture {
    /// Returns the number of columns. It is 0 if the audio ended before the section began.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.powers.len() / ROW
    }

    /// Returns the number of bins, which range from 0 Hz to 5 kHz.
    #[must_use]
    pub fn bins(&self) -> usize {
        ROW
    }

    /// Returns the powers of the bins of a column, lowest bin first, or an empty slice if the column does not exist.
    #[must_use]
    pub fn column(&self, index: usize) -> &[f32] {
        self.powers.chunks_exact(ROW).nth(index).unwrap_or_default()
    }

    /// Returns the position of a time (seconds) on the axis of columns: 0.0 is the middle of the first column, 0.5
    /// its end.
    #[must_use]
    pub fn column_at(&self, seconds: f64) -> f64 {
        let per_column = self.frames_per_column as f64;
        (seconds * FRAMES_PER_SECOND - self.first_frame as f64 + 0.5) / per_column - 0.5
    }

    /// Returns the position of a frequency (hertz) on the axis of bins: 0.0 is the middle of the first bin, 0 Hz.
    #[must_use]
    pub fn bin_at(&self, hertz: f64) -> f64 {
        hertz * WINDOW as f64 / ANALYSIS_RATE
    }
}

/// Makes a [`Picture`] of pushed PCM. The result does not depend on how the audio is split into chunks.
///
/// Memory is bounded by the number of columns, regardless of the length of the audio: if there are too many columns,
/// pairs of neighbours are merged.
pub struct Painter {
    decimator: Decimator,
    spectrogram: Spectrogram,
    sketch: Sketch,
    samples: u64,
}

/// Collects the rows of the spectrogram into columns.
struct Sketch {
    /// Number of the next frame.
    frame: u64,
    first: u64,
    /// First frame after the section.
    end: u64,
    most_columns: usize,
    per_column: u64,
    powers: Vec<f32>,
}

impl Painter {
    /// Creates a painter of the section between two times (seconds from the start of the audio) with at most
    /// `most_columns` columns.
    #[must_use]
    pub fn new(from: f64, to: f64, most_columns: usize) -> Self {
        let first = (from * FRAMES_PER_SECOND).floor().max(0.0) as u64;
        let last = (to * FRAMES_PER_SECOND).ceil().max(0.0) as u64;
        Self {
            decimator: Decimator::new(),
            spectrogram: Spectrogram::new(),
            sketch: Sketch {
                frame: 0,
                first,
                end: last.saturating_add(1),
                most_columns: most_columns.max(FEWEST_COLUMNS),
                per_column: 1,
                powers: Vec::new(),
            },
            samples: 0,
        }
    }

    /// Takes the next samples: 44.1 kHz mono, nominally within ±1.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        let Self { decimator, spectrogram, sketch, .. } = self;
        // Samples after the section are not needed.
        if sketch.frame < sketch.end {
            decimator.push(samples, |block| spectrogram.push(block, |row| sketch.row(row)));
        }
    }

    /// Ends the audio and returns the picture.
    #[must_use]
    pub fn finish(self) -> Picture {
        let Self { mut decimator, mut spectrogram, mut sketch, samples } = self;
        // Frames with their middle after the end of the audio would show silence that is not part of the recording.
        sketch.end = sketch.end.min(samples.div_ceil((DECIMATION * HOP) as u64));
        decimator.flush(|block| spectrogram.push(block, |row| sketch.row(row)));
        spectrogram.push(&[0.0; WINDOW], |row| sketch.row(row));
        Picture { first_frame: sketch.first, frames_per_column: sketch.per_column, powers: sketch.powers }
    }
}

impl Sketch {
    fn row(&mut self, row: &[f32]) {
        let frame = self.frame;
        self.frame += 1;
        if frame < self.first || frame >= self.end {
            return;
        }
        let nth = frame - self.first;
        let begins = |per_column: u64| nth.is_multiple_of(per_column);
        if begins(self.per_column) && self.powers.len() / ROW == self.most_columns {
            self.halve();
        }
        // Halving an odd number of columns leaves the last one half full.
        if begins(self.per_column) {
            self.powers.extend_from_slice(row);
        } else {
            let last = self.powers.len().saturating_sub(ROW);
            raise(&mut self.powers[last..], row);
        }
    }

    /// Merges each pair of neighbouring columns into one.
    fn halve(&mut self) {
        let columns = self.powers.len() / ROW;
        for pair in 0..columns.div_ceil(2) {
            self.powers.copy_within(2 * pair * ROW..(2 * pair + 1) * ROW, pair * ROW);
            if 2 * pair + 1 < columns {
                let (done, rest) = self.powers.split_at_mut((2 * pair + 1) * ROW);
                raise(&mut done[pair * ROW..(pair + 1) * ROW], &rest[..ROW]);
            }
        }
        self.powers.truncate(columns.div_ceil(2) * ROW);
        self.per_column *= 2;
    }
}
