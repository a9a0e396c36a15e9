//! The spectrogram itself, for people to look at: the powers that peaks are chosen from.

use super::decimate::Decimator;
use super::maximum::raise;
use super::params::{ANALYSIS_RATE, DECIMATION, HOP, WINDOW};
use super::spectrogram::{ROW, Spectrogram};

/// Frames of the spectrogram per second.
const FRAMES_PER_SECOND: f64 = ANALYSIS_RATE / HOP as f64;
/// Fewest columns that a painter is content with: fewer are no picture, and halving needs two.
const FEWEST_COLUMNS: usize = 2;

/// Power over time and frequency of a stretch of sound.
///
/// A matrix of [`columns`](Self::columns) × [`bins`](Self::bins) powers; 1 is a full-scale sine. A column is one frame
/// of the fingerprint's spectrogram (23 ms apart, 93 ms long) or the greatest powers of several in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    first_frame: u64,
    frames_per_column: u64,
    powers: Vec<f32>,
}

impl Picture {
    /// Number of columns; 0 where the sound ended before the stretch began.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.powers.len() / ROW
    }

    /// Number of bins, from 0 Hz to 5 kHz.
    #[must_use]
    pub fn bins(&self) -> usize {
        ROW
    }

    /// The powers of a column's bins, lowest first; empty if there is no such column.
    #[must_use]
    pub fn column(&self, index: usize) -> &[f32] {
        self.powers.chunks_exact(ROW).nth(index).unwrap_or_default()
    }

    /// Where a time (seconds) lies among the columns: 0.0 is the middle of the first one, 0.5 its end.
    #[must_use]
    pub fn column_at(&self, seconds: f64) -> f64 {
        let per_column = self.frames_per_column as f64;
        (seconds * FRAMES_PER_SECOND - self.first_frame as f64 + 0.5) / per_column - 0.5
    }

    /// Where a frequency (hertz) lies among the bins: 0.0 is the middle of the first one, 0 Hz.
    #[must_use]
    pub fn bin_at(&self, hertz: f64) -> f64 {
        hertz * WINDOW as f64 / ANALYSIS_RATE
    }
}

/// Makes a [`Picture`] of pushed PCM; how the sound is cut into chunks changes nothing.
///
/// Memory is bounded by the number of columns, whatever the length of the sound: when there are too many, two
/// neighbours become one.
pub struct Painter {
    decimator: Decimator,
    spectrogram: Spectrogram,
    sketch: Sketch,
    samples: u64,
}

/// What stands behind the spectrogram.
struct Sketch {
    /// Number of the next frame.
    frame: u64,
    first: u64,
    /// First frame that is not painted any more.
    end: u64,
    most_columns: usize,
    per_column: u64,
    powers: Vec<f32>,
}

impl Painter {
    /// A painter at the start of a sound, of the stretch between two times (seconds), in at most so many columns.
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
        // What comes after the stretch need not be looked at.
        if sketch.frame < sketch.end {
            decimator.push(samples, |block| spectrogram.push(block, |row| sketch.row(row)));
        }
    }

    /// Ends the sound and gives the picture.
    #[must_use]
    pub fn finish(self) -> Picture {
        let Self { mut decimator, mut spectrogram, mut sketch, samples } = self;
        // Frames whose middle lies behind the sound would show silence that nobody recorded.
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

    /// Makes one column of two neighbours each.
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
