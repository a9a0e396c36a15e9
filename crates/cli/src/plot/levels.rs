//! Powers of a picture as levels that an eye can compare.

use refrain_core::fingerprint::Picture;

/// Parts of all levels that are hotter than the hottest colour and colder than the coldest: a few extremes are not to
/// take the contrast from the rest.
const HOTTER: f64 = 0.001;
const COLDER: f64 = 0.02;
/// Decibels between these colours at most (what is softer is not heard beside the loudest), and at least.
const MOST_RANGE: i32 = 80;
const LEAST_RANGE: i32 = 30;
/// The hottest colour is never softer than this: silence is to be dark.
const SOFTEST: f32 = -60.0;
/// Both are multiples of this.
const ROUND: f32 = 5.0;
/// Power that stands for none: -120 dB.
const NOTHING: f32 = 1e-12;

/// Levels in decibels below a full-scale sine.
#[derive(Debug)]
pub(super) struct Levels {
    bins: usize,
    levels: Vec<f32>,
    /// Levels of the coldest and the hottest colour.
    range: (i32, i32),
}

impl Levels {
    pub(super) fn new(picture: &Picture) -> Self {
        let decibels = |power: &f32| 10.0 * power.max(NOTHING).log10();
        let levels: Vec<f32> = (0..picture.columns()).flat_map(|k| picture.column(k)).map(decibels).collect();
        Self { bins: picture.bins(), range: range(levels.clone()), levels }
    }

    /// Levels of the coldest and the hottest colour.
    pub(super) fn range(&self) -> (i32, i32) {
        self.range
    }

    /// The level of a pixel as a part of the range: its place among the columns, its lower and upper edge among
    /// the bins. `None` where there is no sound.
    pub(super) fn part(&self, column: f64, (low, high): (f64, f64)) -> Option<f32> {
        let columns = self.levels.len() / self.bins;
        if columns == 0 || column > columns as f64 - 0.5 || column < -0.5 {
            return None;
        }
        let column = column.clamp(0.0, (columns - 1) as f64);
        let (before, part) = (column as usize, column.fract() as f32);
        let row = |k: usize| &self.levels[k.min(columns - 1) * self.bins..][..self.bins];
        let level = |k: usize| {
            if high - low < 1.0 { between(row(k), (low + high) / 2.0) } else { greatest(row(k), low, high) }
        };
        let level = level(before) * (1.0 - part) + level(before + 1) * part;
        let (coldest, hottest) = self.range;
        Some((level - coldest as f32) / (hottest - coldest) as f32)
    }
}

fn range(mut levels: Vec<f32>) -> (i32, i32) {
    levels.sort_unstable_by(f32::total_cmp);
    let level = |part: f64| levels.get((part * levels.len() as f64) as usize).copied().unwrap_or_default();
    let hottest = ((level(1.0 - HOTTER).max(SOFTEST) / ROUND).ceil() * ROUND) as i32;
    let coldest = ((level(COLDER) / ROUND).floor() * ROUND) as i32;
    (coldest.clamp(hottest - MOST_RANGE, hottest - LEAST_RANGE), hottest)
}

/// A level between two bins.
fn between(row: &[f32], at: f64) -> f32 {
    let at = at.clamp(0.0, (row.len() - 1) as f64);
    let (below, part) = (at as usize, at.fract() as f32);
    row[below] * (1.0 - part) + row[(below + 1).min(row.len() - 1)] * part
}

/// The greatest level of the bins that a pixel covers: a tone must not fall between two pixels.
fn greatest(row: &[f32], low: f64, high: f64) -> f32 {
    let first = (low.round().max(0.0) as usize).min(row.len() - 1);
    let last = (high.round().max(0.0) as usize).clamp(first, row.len() - 1);
    row[first..=last].iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_to_where_the_levels_are() {
        let even = |from: f32, to: f32| (0..=1000).map(|k| from + (to - from) * k as f32 / 1000.0).collect();
        assert_eq!(range(even(-70.0, -21.0)), (-70, -20));
        assert_eq!(range(even(-120.0, -3.0)), (-80, 0));
        assert_eq!(range(even(-120.0, -120.0)), (-120, -60));
        assert_eq!(range(Vec::new()), (-30, 0));
    }
}
