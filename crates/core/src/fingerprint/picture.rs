//! The spectrogram as a picture for display. It shows the same powers from which peaks are chosen.

use super::decimate::Decimator;
use super::maximum::raise;
use super::params::{ANALYSIS_RATE, DECIMATION, HOP, WINDOW};
use super::spectrogram::{ROW_BINS, Spectrogram};

/// Frames of the spectrogram per second: about 43.
const FRAMES_PER_SECOND: f64 = ANALYSIS_RATE / HOP as f64;
/// Lower limit of the parameter `max_columns` of [`PictureBuilder::new`], because merging pairs of columns needs two.
const MIN_COLUMNS: usize = 2;

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
    /// Returns the number of columns; 0 if the audio ended before the section began.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.powers.len() / ROW_BINS
    }

    /// Returns the number of bins, which range from 0 Hz to 5 kHz.
    #[must_use]
    pub fn bins(&self) -> usize {
        ROW_BINS
    }

    /// Returns the powers of the bins of a column, lowest bin first, or an empty slice if the column does not exist.
    #[must_use]
    pub fn column(&self, index: usize) -> &[f32] {
        self.powers.chunks_exact(ROW_BINS).nth(index).unwrap_or_default()
    }

    /// Returns the position of a time (seconds from the start of the audio) on the axis of columns: 0.0 is the middle
    /// of the first column, 0.5 its end. The position of a time before the section is negative.
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

/// Makes a [`Picture`] from pushed PCM. The result does not depend on how the audio is split into chunks.
///
/// Memory is limited by the number of columns, regardless of the length of the audio. If there would be more columns
/// than the maximum, pairs of adjacent columns are merged.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::PictureBuilder;
///
/// let tone = |i: u32| (f64::from(i) * 1_000.0 * std::f64::consts::TAU / 44_100.0).sin() as f32;
/// let samples: Vec<f32> = (0..44_100).map(tone).collect();
/// let mut builder = PictureBuilder::new(0.0, 1.0, 100);
/// builder.push(&samples);
/// let picture = builder.finish();
///
/// // The loudest bin is at 1 kHz.
/// let column = picture.column(picture.column_at(0.5).round() as usize);
/// let loudest = (0..picture.bins()).max_by(|a, b| column[*a].total_cmp(&column[*b]));
/// assert_eq!(loudest, Some(picture.bin_at(1_000.0).round() as usize));
/// ```
pub struct PictureBuilder {
    decimator: Decimator,
    spectrogram: Spectrogram,
    column_merger: ColumnMerger,
    samples: u64,
}

/// Collects the rows of the spectrogram into columns.
struct ColumnMerger {
    /// Number of the next frame.
    frame: u64,
    first: u64,
    /// Number of the first frame after the section.
    end: u64,
    max_columns: usize,
    per_column: u64,
    powers: Vec<f32>,
}

impl PictureBuilder {
    /// Creates a builder for the section from `from` to `to`, in seconds from the start of the audio. The picture has
    /// at most `max_columns` columns; values below 2 count as 2.
    #[must_use]
    pub fn new(from: f64, to: f64, max_columns: usize) -> Self {
        let first = (from * FRAMES_PER_SECOND).floor().max(0.0) as u64;
        let last = (to * FRAMES_PER_SECOND).ceil().max(0.0) as u64;
        Self {
            decimator: Decimator::new(),
            spectrogram: Spectrogram::new(),
            column_merger: ColumnMerger {
                frame: 0,
                first,
                end: last.saturating_add(1),
                max_columns: max_columns.max(MIN_COLUMNS),
                per_column: 1,
                powers: Vec::new(),
            },
            samples: 0,
        }
    }

    /// Processes the next samples: 44.1 kHz mono, nominally within ±1.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        let Self { decimator, spectrogram, column_merger, .. } = self;
        // Samples after the section are not needed.
        if column_merger.frame < column_merger.end {
            decimator.push(samples, |block| spectrogram.push(block, |row| column_merger.row(row)));
        }
    }

    /// Ends the audio and returns the picture.
    #[must_use]
    pub fn finish(self) -> Picture {
        let Self { mut decimator, mut spectrogram, mut column_merger, samples } = self;
        // Frames whose middle is after the end of the audio would show silence that is not part of the recording.
        column_merger.end = column_merger.end.min(samples.div_ceil((DECIMATION * HOP) as u64));
        decimator.flush(|block| spectrogram.push(block, |row| column_merger.row(row)));
        spectrogram.push(&[0.0; WINDOW], |row| column_merger.row(row));
        Picture {
            first_frame: column_merger.first,
            frames_per_column: column_merger.per_column,
            powers: column_merger.powers,
        }
    }
}

impl ColumnMerger {
    fn row(&mut self, row: &[f32]) {
        let frame = self.frame;
        self.frame += 1;
        if frame < self.first || frame >= self.end {
            return;
        }
        let nth = frame - self.first;
        let starts_column = |per_column: u64| nth.is_multiple_of(per_column);
        if starts_column(self.per_column) && self.powers.len() / ROW_BINS == self.max_columns {
            self.halve();
        }
        // After merging an odd number of columns, the last one contains only half of its frames.
        if starts_column(self.per_column) {
            self.powers.extend_from_slice(row);
        } else {
            let last = self.powers.len().saturating_sub(ROW_BINS);
            raise(&mut self.powers[last..], row);
        }
    }

    /// Merges each pair of neighbouring columns into one.
    fn halve(&mut self) {
        let columns = self.powers.len() / ROW_BINS;
        for pair in 0..columns.div_ceil(2) {
            self.powers.copy_within(2 * pair * ROW_BINS..(2 * pair + 1) * ROW_BINS, pair * ROW_BINS);
            if 2 * pair + 1 < columns {
                let (done, rest) = self.powers.split_at_mut((2 * pair + 1) * ROW_BINS);
                raise(&mut done[pair * ROW_BINS..(pair + 1) * ROW_BINS], &rest[..ROW_BINS]);
            }
        }
        self.powers.truncate(columns.div_ceil(2) * ROW_BINS);
        self.per_column *= 2;
    }
}
