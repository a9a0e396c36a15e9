//! Screening: a cheap score that selects the candidates worth verifying.
//!
//! A map of the window contains a gain for each cell of time and frequency. The gain is the amount by which the score
//! rises if a peak of a track is expected in this cell. The score of a candidate is the sum over the track's peaks,
//! which costs one memory access per peak.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::line::Line;
use super::query::Window;
use super::reference::Reference;
use super::significance::{Chance, MISSING_PEAK_SCORE, screening_score};

/// Length of a cell in ticks (23 ms). Its height is [`CELL_STEPS`] frequency steps. A peak also counts in the
/// neighboring cells, so it counts up to a distance of one or two cells, which is about the final tolerance. At half of
/// both sizes, true tracks whose line is slightly off get a low score and can be lost; at twice both sizes, unrelated
/// peaks count, and wrong candidates can displace the right one.
const CELL_TICKS: u32 = 4;
const CELL_STEPS: u32 = 4;
const COLUMNS: usize = ((HIGHEST_BIN + 1) * STEPS_PER_BIN as usize) / CELL_STEPS as usize + 1;
/// Number of neighboring cells on each side in which a peak also counts. At 0, a peak near the border of a cell is
/// missed; at 2, five instead of three cells in each dimension count, so nearly three times as many peaks are found by
/// chance.
const REACH_CELLS: usize = 1;
/// Number of integer units per unit of gain. A byte then holds gains up to 16. At half this value, gains are rounded to
/// 1/8, which changes the order of some candidates; at twice this value, gains above 8 are cut.
const GAIN_PARTS: f32 = 16.0;

/// Gains of a window, by cell of time and frequency. Owns a reusable buffer.
#[derive(Debug, Default)]
pub(crate) struct ScreeningMap {
    cells: Vec<u8>,
    rows: usize,
}

impl ScreeningMap {
    /// Replaces the map by the gains of the peaks of a window.
    pub(crate) fn map(&mut self, peaks: &[Peak], window: &Window<'_>, chance: &Chance) {
        self.rows = ((window.to - window.from).max(0.0) as usize) / CELL_TICKS as usize + 1;
        self.cells.clear();
        self.cells.resize(self.rows * COLUMNS, 0);
        for peak in peaks {
            let row =
                ((peak.time.saturating_sub(window.from as u32) / CELL_TICKS) as usize).min(self.rows - 1);
            let column = ((u32::from(peak.frequency) / CELL_STEPS) as usize).min(COLUMNS - 1);
            let gain =
                ((screening_score(chance, peak) - MISSING_PEAK_SCORE) * GAIN_PARTS).clamp(0.0, 255.0) as u8;
            for row in row.saturating_sub(REACH_CELLS)..=(row + REACH_CELLS).min(self.rows - 1) {
                let cells = &mut self.cells[row * COLUMNS..][..COLUMNS];
                for cell in
                    &mut cells[column.saturating_sub(REACH_CELLS)..=(column + REACH_CELLS).min(COLUMNS - 1)]
                {
                    // The maximum and not the sum, because a peak of the track can match only one peak of the query.
                    *cell = (*cell).max(gain);
                }
            }
        }
    }

    /// Returns the score of a track along a line: the sum of the log-likelihood ratios of its peaks that are expected
    /// in the window.
    pub(crate) fn screening_score(&self, reference: &Reference, line: &Line, window: &Window<'_>) -> f32 {
        let at = |time: f64| reference.peaks.partition_point(|p| f64::from(p.time) < line.reference(time));
        let peaks = &reference.peaks[at(window.from)..at(window.to).max(at(window.from))];
        let inverse = 1.0 / line.speed;
        let mut sum = 0u32;
        for peak in peaks {
            // The inverse is computed once, because a division for each peak would dominate the loop.
            let time = ((f64::from(peak.time) - line.offset) * inverse - window.from).max(0.0) as u32;
            let column = (f64::from(peak.frequency) * line.pitch) as u32 / CELL_STEPS;
            let row = ((time / CELL_TICKS) as usize).min(self.rows - 1);
            sum += u32::from(self.cells[row * COLUMNS + (column as usize).min(COLUMNS - 1)]);
        }
        sum as f32 / GAIN_PARTS + MISSING_PEAK_SCORE * peaks.len() as f32
    }
}
