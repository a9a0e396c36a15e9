//! Local maxima of the spectrogram: the candidates for a constellation.

use super::maximum::{raise, running_maximum};
use super::params::{HIGHEST_BIN, LOWEST_BIN, STEPS_PER_BIN, TICKS_PER_FRAME};
use super::spectrogram::ROW_BINS;

/// A candidate is the strongest power within this many frames before and after it (46 ms) and within
/// `PEAK_RADIUS_BINS`. The window of 93 ms covers four hops, so closer maxima are the same event. At 1, one event gives
/// several peaks; at 4, fast notes of one pitch lose their peaks.
const PEAK_RADIUS_FRAMES: usize = 2;
/// A candidate is the strongest power within this many bins on both sides (32 Hz): the main lobe of the window is not
/// wider. At 1, sidelobes become peaks; at 7, a note displaces others within 75 Hz, which are different notes below 1
/// kHz.
const PEAK_RADIUS_BINS: usize = 3;
/// Number of rows that are needed to search one frame.
const ROWS: usize = 2 * PEAK_RADIUS_FRAMES + 1;
/// Minimum power of a candidate: -86 dB relative to a full-scale sine in its bin, close to the resolution of 16-bit
/// samples. Lower powers count as silence. At half this value, sines with an amplitude of one step of 16-bit samples
/// count, where rounding distorts the signal; at twice this value, fade-outs lose their peaks 3 dB earlier.
const MIN_POWER: f32 = 2.5e-9;

/// A local maximum, before thinning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeakCandidate {
    pub(crate) frame: u32,
    pub(crate) power: f32,
    /// Interpolated time in ticks.
    pub(crate) time: u32,
    /// Interpolated frequency in steps.
    pub(crate) frequency: u16,
}

/// Streaming search for local maxima, two frames behind its input.
pub(crate) struct PeakFinder {
    /// Ring buffers of the last `ROWS` rows and of their maxima over `PEAK_RADIUS_BINS`.
    rows: [Vec<f32>; ROWS],
    maxima: [Vec<f32>; ROWS],
    above: Vec<f32>,
    frame: u32,
}

impl PeakFinder {
    pub(crate) fn new() -> Self {
        let blank = || std::array::from_fn(|_| vec![0.0; ROW_BINS]);
        Self { rows: blank(), maxima: blank(), above: vec![0.0; ROW_BINS], frame: 0 }
    }

    /// Takes the row of the next frame and passes the candidates of the frame `PEAK_RADIUS_FRAMES` before it to `sink`.
    pub(crate) fn push(&mut self, row: &[f32], sink: impl FnMut(PeakCandidate)) {
        let slot = self.frame as usize % ROWS;
        self.rows[slot].copy_from_slice(row);
        running_maximum::<PEAK_RADIUS_BINS>(row, &mut self.above, &mut self.maxima[slot]);
        self.frame += 1;
        if self.frame as usize > PEAK_RADIUS_FRAMES {
            self.search(self.frame - 1 - PEAK_RADIUS_FRAMES as u32, sink);
        }
    }

    /// Returns the number of frames searched so far.
    pub(crate) fn searched(&self) -> u32 {
        self.frame.saturating_sub(PEAK_RADIUS_FRAMES as u32)
    }

    /// Searches the last frames, as if silence followed.
    pub(crate) fn flush(&mut self, mut sink: impl FnMut(PeakCandidate)) {
        let silence = [0.0; ROW_BINS];
        for _ in 0..PEAK_RADIUS_FRAMES {
            self.push(&silence, &mut sink);
        }
    }

    fn search(&mut self, frame: u32, mut sink: impl FnMut(PeakCandidate)) {
        let at = |offset: usize| (frame as usize + offset) % ROWS;
        self.above.copy_from_slice(&self.maxima[0]);
        for maxima in &self.maxima[1..] {
            raise(&mut self.above, maxima);
        }
        let row = &self.rows[at(0)];
        for bin in LOWEST_BIN..HIGHEST_BIN {
            let power = row[bin];
            // All comparisons with NaN are false, so NaN would pass the other two tests.
            if power.is_nan() || power < self.above[bin] || power < MIN_POWER {
                continue;
            }
            let across = vertex(row[bin - 1], power, row[bin + 1]);
            let along = vertex(self.rows[at(ROWS - 1)][bin], power, self.rows[at(1)][bin]);
            // Computed in f64, because the frame numbers of long audio have more digits than f32 represents.
            let time = (f64::from(frame) + f64::from(along)) * f64::from(TICKS_PER_FRAME);
            let frequency = (bin as f32 + across) * STEPS_PER_BIN as f32;
            sink(PeakCandidate {
                frame,
                power,
                time: time.round().max(0.0) as u32,
                frequency: frequency.round() as u16,
            });
        }
    }
}

/// Returns the offset of the vertex of the parabola through three log powers (Smith and Serra, PARSHL, 1987). The
/// middle power is the largest, so the offset is within ±0.5.
fn vertex(before: f32, middle: f32, after: f32) -> f32 {
    // Digital silence next to a peak has no logarithm. 1e-20 is below the power of a sine of one step of 32-bit
    // samples.
    let (a, b, c) = (before.max(1e-20).ln(), middle.max(1e-20).ln(), after.max(1e-20).ln());
    let bend = a - 2.0 * b + c;
    // Three nearly equal powers have no vertex; the division would amplify rounding errors.
    if bend >= -1e-6 { 0.0 } else { (0.5 * (a - c) / bend).clamp(-0.5, 0.5) }
}
