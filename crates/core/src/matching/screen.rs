//! Screening: a cheap look at many candidates, to choose those worth a verification.
//!
//! A map of the window holds for every place how much a peak of a track gains if it is expected there. A
//! candidate's promise is the sum over the track's peaks: one load each.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::line::Line;
use super::reference::Reference;
use super::significance::{BROKEN_PROMISE, Chance, promise};
use super::verify::Window;

/// Ticks and steps of a cell.
const TICKS: u32 = 4;
const STEPS: u32 = 4;
const COLUMNS: usize = ((HIGHEST_BIN + 1) * STEPS_PER_BIN as usize) / STEPS as usize + 1;
/// A peak counts in its cell and this many to both sides.
const REACH: usize = 1;
/// Gains are kept in parts of this.
const PARTS: f32 = 16.0;

/// The map; owns its buffer.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    cells: Vec<u8>,
    rows: usize,
}

impl Screen {
    /// Maps a window's peaks.
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
                    *cell = (*cell).max(gain);
                }
            }
        }
    }

    /// How much speaks for a track along a line.
    pub(crate) fn promise(&self, reference: &Reference, line: &Line, window: &Window<'_>) -> f32 {
        let at = |time: f64| reference.peaks.partition_point(|p| f64::from(p.time) < line.reference(time));
        let peaks = &reference.peaks[at(window.from)..at(window.to).max(at(window.from))];
        let inverse = 1.0 / line.speed;
        let mut sum = 0u32;
        for peak in peaks {
            let time = ((f64::from(peak.time) - line.offset) * inverse - window.from).max(0.0) as u32;
            let column = (f64::from(peak.frequency) * line.pitch) as u32 / STEPS;
            let row = ((time / TICKS) as usize).min(self.rows - 1);
            sum += u32::from(self.cells[row * COLUMNS + (column as usize).min(COLUMNS - 1)]);
        }
        sum as f32 / PARTS + BROKEN_PROMISE * peaks.len() as f32
    }
}
