//! Screening: a cheap score that selects the candidates worth verifying.
//!
//! A map of the window contains, for every place, the gain if a peak of a track is expected there. The score of a candidate
//! is the sum over the track's peaks, which costs one memory access per peak.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::line::Line;
use super::reference::Reference;
use super::significance::{BROKEN_PROMISE, Chance, promise};
use super::verify::Window;

/// Size of a cell: 4 ticks (23 ms) and 4 steps. With the neighboring cells, a peak counts one to two cells away, which is about the final tolerance. At half of it, the map has four times as many cells and misses lines that are slightly
/// off; at twice, unrelated peaks count, and the screening selects worse.
const TICKS: u32 = 4;
const STEPS: u32 = 4;
const COLUMNS: usize = ((HIGHEST_BIN + 1) * STEPS_PER_BIN as usize) / STEPS as usize + 1;
/// Number of neighboring cells on each side in which a peak also counts. At 0, a peak near the border of a cell is
/// missed; at 2, five instead of three cells to each dimension count, so chance finds nearly three times as many.
const REACH: usize = 1;
/// Gains are stored in integer units of 1/16. A byte holds gains up to 16. At half of it, gains are rounded to 1/8,
/// which changes the order of some candidates; at twice, gains above 8 are cut.
const PARTS: f32 = 16.0;

/// Map of the gains of a window. Owns a reusable buffer.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    cells: Vec<u8>,
    rows: usize,
}

impl Screen {
    /// Maps the peaks of a window.
    pub(crate) fn map(&mut self, peaks: &[Peak], window: &Window<'_>, chance: &Chance) {
        self.rows = ((window.to - window.from).max(0.0) as usize) / TICKS as usize + 1;
        self.cells.clear();
        self.cells.resize(self.rows * COLUMNS, 0);
        for peak in peaks {
            let row = ((peak.time.saturating_sub(window.from as u32) / TICKS) as usize).min(self.rows - 1);
            let column = ((u32::from(peak.frequency) / STEPS) as usize).min(COLUMNS - 1);
            let gain = ((promise(chance, peak) - BROKEN_PROMISE) * PARTS).clamp(0.0, 255.0) as u8;
            for row in row.saturating_sub(REACH)..=(row + REACH).min(self.rows - 1) {
                let cells = &mut self.cells[row * COLUMNS..][..COLUMNS];
                for cell in &mut cells[column.saturating_sub(REACH)..=(column + REACH).min(COLUMNS - 1)] {
                    // The maximum and not the sum: a place can hold only one peak of the track.
                    *cell = (*cell).max(gain);
                }
            }
        }
    }

    /// Returns the score of a track along a line: the sum of log-likelihood ratios of its peaks.
    pub(crate) fn promise(&self, reference: &Reference, line: &Line, window: &Window<'_>) -> f32 {
        let at = |time: f64| reference.peaks.partition_point(|p| f64::from(p.time) < line.reference(time));
        let peaks = &reference.peaks[at(window.from)..at(window.to).max(at(window.from))];
        let inverse = 1.0 / line.speed;
        let mut sum = 0u32;
        for peak in peaks {
            // The inverse is computed once, because a division for each peak would dominate the loop.
            let time = ((f64::from(peak.time) - line.offset) * inverse - window.from).max(0.0) as u32;
            let column = (f64::from(peak.frequency) * line.pitch) as u32 / STEPS;
            let row = ((time / TICKS) as usize).min(self.rows - 1);
            sum += u32::from(self.cells[row * COLUMNS + (column as usize).min(COLUMNS - 1)]);
        }
        sum as f32 / PARTS + BROKEN_PROMISE * peaks.len() as f32
    }
}
