//! A grid of the peaks of a window.
//!
//! Thousands of alignments are verified in a window, and each looks up peaks at some hundred expected places. So the
//! peaks are sorted into tiles of time and frequency. One or two tiles contain all peaks that can match at an expected
//! place. If the peaks were sorted by time only, about a dozen would have to be compared.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::line::{ExpectedPlace, Line, PeakOutcome, Tolerance, within};
use super::query::Window;

/// Length of a tile in ticks (0.37 s). Its height is [`TILE_STEPS`] frequency steps (43 Hz). A place with its
/// tolerances seldom overlaps more than two tiles. The sizes change only the time of verification: in smaller tiles, a
/// place overlaps more of them; in larger tiles, a place is compared with more peaks.
const TILE_TICKS: i64 = 64;
const TILE_STEPS: u16 = 32;
const COLUMNS: usize = ((HIGHEST_BIN + 1) * STEPS_PER_BIN as usize) / TILE_STEPS as usize + 1;
/// Largest time tolerance, in ticks: peaks up to this distance outside of the window are included. It must be at least
/// the widest tolerance of a fit (checked in `verify.rs`). A larger value costs time to sort more peaks and changes no
/// result.
pub(crate) const MAX_TIME_TOLERANCE_TICKS: f64 = 16.0;

/// The peaks of a window, sorted by tile. Owns reusable buffers.
#[derive(Debug, Default)]
pub(crate) struct PeakGrid {
    /// Tick at which the first row of tiles begins. A row contains all tiles of the same time.
    origin: i64,
    /// Number of rows of tiles.
    rows: usize,
    /// Index of the first peak of each tile, row by row, followed by the number of peaks.
    starts: Vec<u32>,
    /// Peaks in order of their tiles, each with its index in [`Window::peaks`].
    peaks: Vec<(Peak, u32)>,
}

impl PeakGrid {
    /// Sorts the peaks of a window into tiles, which replace those of the previous window.
    pub(crate) fn map(&mut self, window: &Window<'_>) {
        let index = |time: f64| window.peaks.partition_point(|p| f64::from(p.time) < time);
        let (first, end) =
            (index(window.from - MAX_TIME_TOLERANCE_TICKS), index(window.to + MAX_TIME_TOLERANCE_TICKS));
        let peaks = &window.peaks[first..end.max(first)];
        self.origin = peaks.first().map_or(0, |peak| i64::from(peak.time));
        let last = peaks.last().map_or(0, |peak| i64::from(peak.time));
        self.rows = ((last - self.origin) / TILE_TICKS) as usize + 1;
        self.starts.clear();
        self.starts.resize(self.rows * COLUMNS + 1, 0);
        // Counting sort: the number of peaks of each tile, then the end of each tile, then its start.
        for peak in peaks {
            let tile = self.tile(peak);
            self.starts[tile] += 1;
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        self.peaks.clear();
        self.peaks.resize(peaks.len(), (Peak { time: 0, frequency: 0, rank: 0 }, 0));
        // The peaks are placed from the last to the first, because each start is counted down from the end of its tile.
        // So the peaks of a tile stay in order of time.
        for (i, peak) in peaks.iter().enumerate().rev() {
            let tile = self.tile(peak);
            self.starts[tile] -= 1;
            self.peaks[self.starts[tile] as usize] = (*peak, (first + i) as u32);
        }
    }

    /// Looks up the peaks of a track that are expected between two times of the query (ticks). Replaces `out` by one
    /// outcome per peak of the track, in order. The result is the same as that of [`super::line::compare`].
    pub(crate) fn compare(
        &self,
        reference: &[Peak],
        line: &Line,
        span: (f64, f64),
        tolerance: Tolerance,
        out: &mut Vec<PeakOutcome>,
    ) {
        out.clear();
        let range = within(reference, line, span);
        let first = range.start;
        out.extend(reference[range].iter().enumerate().map(|(i, peak)| PeakOutcome {
            reference: (first + i) as u32,
            query: self.nearest(&ExpectedPlace::new(peak, line, tolerance)),
        }));
    }

    /// Returns the index of the peak that is nearest to an expected place; among equally near peaks, the first one.
    /// Returns `None` if no peak is within the tolerance.
    fn nearest(&self, place: &ExpectedPlace) -> Option<u32> {
        let (from, to) = place.times();
        let (lowest, highest) = place.frequencies();
        let columns = column(lowest)..column(highest) + 1;
        let mut nearest = (f32::INFINITY, u32::MAX);
        for row in self.row(from)..=self.row(to) {
            let at = |column: usize| self.starts[row * COLUMNS + column] as usize;
            for (peak, index) in &self.peaks[at(columns.start)..at(columns.end)] {
                let distance = place.distance(peak);
                // Tiles are not visited in order of the index, so ties are resolved here as in the linear search.
                if distance < nearest.0 || (distance == nearest.0 && *index < nearest.1) {
                    nearest = (distance, *index);
                }
            }
        }
        (nearest.0 < f32::INFINITY).then_some(nearest.1)
    }

    fn tile(&self, peak: &Peak) -> usize {
        self.row(i64::from(peak.time)) * COLUMNS + column(peak.frequency)
    }

    fn row(&self, tick: i64) -> usize {
        // A place outside of the window is assigned to the first or last row. Peaks there that are too far away do not
        // match, because their distance is infinite.
        ((tick - self.origin).max(0) / TILE_TICKS).min(self.rows as i64 - 1) as usize
    }
}

fn column(frequency: u16) -> usize {
    usize::from(frequency / TILE_STEPS).min(COLUMNS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::fingerprint::relief::UNKNOWN;
    use crate::matching::line::compare;

    use super::*;

    fn peaks(max_len: usize) -> impl Strategy<Value = Vec<Peak>> {
        let peak = (0u32..2000, 0u16..3800, 0u8..20);
        prop::collection::vec(peak, 0..max_len).prop_map(|all| {
            let mut all: Vec<_> =
                all.into_iter().map(|(time, frequency, rank)| Peak { time, frequency, rank }).collect();
            all.sort_unstable_by_key(|peak| (peak.time, peak.frequency));
            all
        })
    }

    proptest! {
        #[test]
        fn grid_finds_the_same_peaks_as_a_linear_search(
            query in peaks(3000),
            reference in peaks(300),
            (from, length) in (0f64..1500.0, 1f64..2000.0),
            (offset, speed, pitch) in (-100f64..100.0, 0.8f64..1.2, 0.8f64..1.2),
            (time, frequency, relative) in (1f64..15.0, 1f64..10.0, 0f64..0.02),
        ) {
            let (line, tolerance) = (Line { offset, speed, pitch }, Tolerance { time, frequency, relative });
            let window = Window { peaks: &query, from: from.floor(), to: from + length, relief: &UNKNOWN };
            let (mut linear, mut found, mut peak_grid) = (Vec::new(), Vec::new(), PeakGrid::default());
            peak_grid.map(&window);
            let span = (window.from, window.to);
            peak_grid.compare(&reference, &line, span, tolerance, &mut found);
            compare(&reference, &query, &line, span, tolerance, &mut linear);
            prop_assert_eq!(found, linear);
        }
    }
}
