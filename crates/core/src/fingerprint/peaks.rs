//! Finds the local maxima of the spectrogram. They are candidates for the peaks of a constellation.

use super::maximum::{raise, running_maximum};
use super::params::{HIGHEST_BIN, LOWEST_BIN, STEPS_PER_BIN, TICKS_PER_FRAME};
use super::spectrogram::ROW_BINS;

/// Time radius of a local maximum: a candidate has the strongest power within this many frames (46 ms) before and after
/// it, and within `PEAK_RADIUS_BINS`. A window of 93 ms covers four hops, so closer maxima have the same cause. At 1,
/// one note gives several peaks. At 4, fast repeated notes of one pitch lose peaks.
const PEAK_RADIUS_FRAMES: usize = 2;
/// Frequency radius of a local maximum: a candidate has the strongest power within this many bins (32 Hz) on both
/// sides. The main lobe of the Hann window is not wider. At 1, sidelobes of one tone become peaks. At 7, a note removes
/// the peaks of other notes within 75 Hz, which is several notes below 1 kHz.
const PEAK_RADIUS_BINS: usize = 3;
/// Number of rows of the spectrogram that are needed to find the candidates of one frame.
const ROWS: usize = 2 * PEAK_RADIUS_FRAMES + 1;
/// Minimum power of a candidate: -86 dB relative to a full-scale sine in its bin, close to the resolution of 16-bit
/// samples. Lower powers count as silence. At half this value, rounding noise of 16-bit samples can cause peaks. At
/// twice this value, fade-outs lose their peaks 3 dB earlier.
const MIN_POWER: f32 = 2.5e-9;

/// A local maximum of the spectrogram, before thinning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeakCandidate {
    pub(crate) frame: u32,
    pub(crate) power: f32,
    /// Interpolated time in ticks.
    pub(crate) time: u32,
    /// Interpolated frequency in steps.
    pub(crate) frequency: u16,
}

/// Finds local maxima in the rows of a spectrogram. The candidates of a frame are found when the row of the second
/// frame after it is pushed.
pub(crate) struct PeakFinder {
    /// Ring buffer of the last `ROWS` rows. `maxima` contains the maxima of the same rows over `PEAK_RADIUS_BINS`.
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

    /// Adds the row of the next frame. Passes the candidates of the frame `PEAK_RADIUS_FRAMES` earlier to `sink`.
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

    /// Passes the candidates of the last frames to `sink`, as if silence followed.
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
            // All comparisons with NaN are false, so without the first test NaN would become a candidate.
            if power.is_nan() || power < self.above[bin] || power < MIN_POWER {
                continue;
            }
            let across = vertex(row[bin - 1], power, row[bin + 1]);
            let along = vertex(self.rows[at(ROWS - 1)][bin], power, self.rows[at(1)][bin]);
            // Computed in f64, because f32 cannot represent the frame numbers of long audio exactly.
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

/// Returns the interpolated position of a maximum, relative to the middle of three adjacent powers. It is the vertex of
/// the parabola through their logarithms (Smith and Serra, PARSHL, 1987). The middle power is the largest, so the
/// position is within ±0.5.
fn vertex(before: f32, middle: f32, after: f32) -> f32 {
    // Digital silence next to a peak has no logarithm, so powers are at least 1e-20. This is below the power of a sine
    // with an amplitude of one step of 32-bit samples.
    let (a, b, c) = (before.max(1e-20).ln(), middle.max(1e-20).ln(), after.max(1e-20).ln());
    let bend = a - 2.0 * b + c;
    // Three nearly equal powers have no vertex; the division would amplify rounding errors.
    if bend >= -1e-6 { 0.0 } else { (0.5 * (a - c) / bend).clamp(-0.5, 0.5) }
}
