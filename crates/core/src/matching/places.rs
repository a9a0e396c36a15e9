//! Where a window's peaks lie.
//!
//! Thousands of alignments are verified in a window, each asks of some hundred places whether a peak is there. So the
//! peaks are sorted into tiles of time and frequency: one or two of them hold all that can stand in a place, where the
//! moment alone has a dozen.

use crate::fingerprint::Peak;
use crate::fingerprint::params::{HIGHEST_BIN, STEPS_PER_BIN};

use super::line::{Expected, Line, Outcome, Tolerance, within};
use super::verify::Window;

/// Ticks (0.37 s) and steps (85 Hz) of a tile: a place with its tolerances seldom lies in more than two.
const TICKS: i64 = 64;
const STEPS: u16 = 32;
const COLUMNS: usize = ((HIGHEST_BIN + 1) * STEPS_PER_BIN as usize) / STEPS as usize + 1;
/// Widest tolerance, ticks: peaks so far outside of the window are found too.
pub(crate) const REACH: f64 = 16.0;

/// The peaks of a window by tiles; owns its buffers.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Ticks at which the first row begins, and number of rows.
    origin: i64,
    rows: usize,
    /// First peak of each tile, row by row, and behind the last one.
    starts: Vec<u32>,
    /// Peaks with their index in the window's.
    peaks: Vec<(Peak, u32)>,
}

impl Places {
    /// Maps a window, whatever was mapped before.
    pub(crate) fn map(&mut self, window: &Window<'_>) {
        let index = |time: f64| window.peaks.partition_point(|p| f64::from(p.time) < time);
        let (first, end) = (index(window.from - REACH), index(window.to + REACH));
        let peaks = &window.peaks[first..end.max(first)];
        self.origin = peaks.first().map_or(0, |peak| i64::from(peak.time));
        let last = peaks.last().map_or(0, |peak| i64::from(peak.time));
        self.rows = ((last - self.origin) / TICKS) as usize + 1;
        self.starts.clear();
        self.starts.resize(self.rows * COLUMNS + 1, 0);
        // Counting sort: how many each tile has, then where it ends, then where it begins.
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
        for (i, peak) in peaks.iter().enumerate().rev() {
            let tile = self.tile(peak);
            self.starts[tile] -= 1;
            self.peaks[self.starts[tile] as usize] = (*peak, (first + i) as u32);
        }
    }

    /// Looks for a track's peaks between two times of the window (ticks), in order: as [`super::line::compare`].
    pub(crate) fn compare(
        &self,
        reference: &[Peak],
        line: &Line,
        span: (f64, f64),
        tolerance: Tolerance,
        out: &mut Vec<Outcome>,
    ) {
        out.clear();
        let range = within(reference, line, span);
        let first = range.start;
        out.extend(reference[range].iter().enumerate().map(|(i, peak)| Outcome {
            reference: (first + i) as u32,
            query: self.nearest(&Expected::new(peak, line, tolerance)),
        }));
    }

    /// The peak that is nearest to a place, the first one of equals.
    fn nearest(&self, place: &Expected) -> Option<u32> {
        let (from, to) = place.times();
        let (lowest, highest) = place.frequencies();
        let columns = column(lowest)..column(highest) + 1;
        let mut nearest = (f32::INFINITY, u32::MAX);
        for row in self.row(from)..=self.row(to) {
            let at = |column: usize| self.starts[row * COLUMNS + column] as usize;
            for (peak, index) in &self.peaks[at(columns.start)..at(columns.end)] {
                let distance = place.distance(peak);
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
        ((tick - self.origin).max(0) / TICKS).min(self.rows as i64 - 1) as usize
    }
}

fn column(frequency: u16) -> usize {
    usize::from(frequency / STEPS).min(COLUMNS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::fingerprint::relief::UNKNOWN;
    use crate::matching::line::compare;

    use super::*;

    fn peaks(most: usize) -> impl Strategy<Value = Vec<Peak>> {
        let peak = (0u32..2000, 0u16..3800, 0u8..20);
        prop::collection::vec(peak, 0..most).prop_map(|all| {
            let mut all: Vec<_> =
                all.into_iter().map(|(time, frequency, rank)| Peak { time, frequency, rank }).collect();
            all.sort_unstable_by_key(|peak| (peak.time, peak.frequency));
            all
        })
    }

    proptest! {
        #[test]
        fn the_same_is_found_as_by_looking_at_all(
            query in peaks(3000),
            reference in peaks(300),
            (from, length) in (0f64..1500.0, 1f64..2000.0),
            (offset, speed, pitch) in (-100f64..100.0, 0.8f64..1.2, 0.8f64..1.2),
            (time, frequency, relative) in (1f64..15.0, 1f64..10.0, 0f64..0.02),
        ) {
            let (line, tolerance) = (Line { offset, speed, pitch }, Tolerance { time, frequency, relative });
            let window = Window { peaks: &query, from: from.floor(), to: from + length, relief: &UNKNOWN };
            let (mut slowly, mut found, mut places) = (Vec::new(), Vec::new(), Places::default());
            places.map(&window);
            let span = (window.from, window.to);
            places.compare(&reference, &line, span, tolerance, &mut found);
            compare(&reference, &query, &line, span, tolerance, &mut slowly);
            prop_assert_eq!(found, slowly);
        }
    }
}
