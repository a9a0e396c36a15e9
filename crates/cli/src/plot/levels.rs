//! Conversion of the powers of a spectrogram to levels in decibels and to a range of colors.

use refrain_core::fingerprint::Picture;

/// Fraction of all levels above the level of the hottest colour, so that a few extreme levels do not reduce the
/// contrast. At a tenth of it a single click darkens the picture; at ten times of it, loud tones lose their
/// differences.
const HOT_FRACTION: f64 = 0.001;
/// Fraction of all levels below the level of the coldest colour, for the same reason. It is larger than the fraction of
/// loud levels, because differences between very quiet bins carry no information.
const COLD_FRACTION: f64 = 0.02;
/// Maximum difference between the levels of the hottest and the coldest colour, in decibels. Softer sounds are
/// inaudible next to the loudest ones. At half this value, quiet partials are black; at twice this value, the noise
/// floor takes most of the colours.
const MAX_RANGE_DB: i32 = 80;
/// Minimum difference between the levels of the hottest and the coldest colour, in decibels. Without it, the noise of a
/// nearly silent input would be drawn with full contrast.
const MIN_RANGE_DB: i32 = 30;
/// Minimum level of the hottest colour in decibels, so that silence is dark. At half this value (-30 dB), quiet music
/// would be dark as well.
const MIN_HOTTEST_DB: f32 = -60.0;
/// The levels of the hottest and the coldest colour are rounded to multiples of this value.
const ROUNDING_DB: f32 = 5.0;
/// Minimum power, which replaces lower powers: -120 dB.
const MIN_POWER: f32 = 1e-12;

/// Levels in decibels below a full-scale sine.
#[derive(Debug)]
pub(super) struct SpectrogramLevels {
    bins: usize,
    levels: Vec<f32>,
    /// Levels of the coldest and the hottest colour, in decibels.
    range: (i32, i32),
}

impl SpectrogramLevels {
    pub(super) fn new(picture: &Picture) -> Self {
        let decibels = |power: &f32| 10.0 * power.max(MIN_POWER).log10();
        let levels: Vec<f32> = (0..picture.columns()).flat_map(|k| picture.column(k)).map(decibels).collect();
        Self { bins: picture.bins(), range: range(levels.clone()), levels }
    }

    /// Returns the levels of the coldest and the hottest colour, in decibels.
    pub(super) fn range(&self) -> (i32, i32) {
        self.range
    }

    /// Returns the level of a pixel relative to the range of colours: 0 is the coldest, 1 the hottest colour. `column` is the
    /// position of the pixel in columns, `low` and `high` are its edges in bins. Returns `None` outside of the spectrogram.
    pub(super) fn part(&self, column: f64, (low, high): (f64, f64)) -> Option<f32> {
        let columns = self.levels.len() / self.bins;
        // Half a column at each end still belongs to the first and the last column.
        if columns == 0 || column > columns as f64 - 0.5 || column < -0.5 {
            return None;
        }
        let column = column.clamp(0.0, (columns - 1) as f64);
        let (before, part) = (column as usize, column.fract() as f32);
        let row = |k: usize| &self.levels[k.min(columns - 1) * self.bins..][..self.bins];
        // A pixel that is smaller than a bin is interpolated; a larger one shows the loudest of its bins.
        let level = |k: usize| {
            if high - low < 1.0 {
                interpolated(row(k), (low + high) / 2.0)
            } else {
                max_level(row(k), low, high)
            }
        };
        let level = level(before) * (1.0 - part) + level(before + 1) * part;
        let (coldest, hottest) = self.range;
        Some((level - coldest as f32) / (hottest - coldest) as f32)
    }
}

fn range(mut levels: Vec<f32>) -> (i32, i32) {
    levels.sort_unstable_by(f32::total_cmp);
    let level = |part: f64| levels.get((part * levels.len() as f64) as usize).copied().unwrap_or_default();
    let hottest = ((level(1.0 - HOT_FRACTION).max(MIN_HOTTEST_DB) / ROUNDING_DB).ceil() * ROUNDING_DB) as i32;
    let coldest = ((level(COLD_FRACTION) / ROUNDING_DB).floor() * ROUNDING_DB) as i32;
    (coldest.clamp(hottest - MAX_RANGE_DB, hottest - MIN_RANGE_DB), hottest)
}

/// Interpolates the level at a position between two bins.
fn interpolated(row: &[f32], at: f64) -> f32 {
    let at = at.clamp(0.0, (row.len() - 1) as f64);
    let (below, part) = (at as usize, at.fract() as f32);
    row[below] * (1.0 - part) + row[(below + 1).min(row.len() - 1)] * part
}

/// Returns the maximum level of the bins that a pixel covers, so that a tone is visible at any size of the picture.
fn max_level(row: &[f32], low: f64, high: f64) -> f32 {
    let first = (low.round().max(0.0) as usize).min(row.len() - 1);
    let last = (high.round().max(0.0) as usize).clamp(first, row.len() - 1);
    row[first..=last].iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_range_follows_the_levels() {
        let even = |from: f32, to: f32| (0..=1000).map(|k| from + (to - from) * k as f32 / 1000.0).collect();
        assert_eq!(range(even(-70.0, -21.0)), (-70, -20));
        assert_eq!(range(even(-120.0, -3.0)), (-80, 0));
        assert_eq!(range(even(-120.0, -120.0)), (-120, -60));
        assert_eq!(range(Vec::new()), (-30, 0));
    }
}
