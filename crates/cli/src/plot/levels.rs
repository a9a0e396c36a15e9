//! Converts the powers of a spectrogram to levels in decibels, and the levels to a range of colours.

use refrain_core::fingerprint::Picture;

/// Fraction of all levels that are above the level of the hottest colour, so that a few extreme levels do not reduce
/// the contrast. With 0.0001, a single click darkens the picture; with 0.01, differences between loud tones are
/// invisible.
const HOT_FRACTION: f64 = 0.001;
/// Fraction of all levels that are below the level of the coldest colour, so that a few extreme levels do not reduce
/// the contrast. It is larger than [`HOT_FRACTION`], because differences between very quiet bins are not interesting.
const COLD_FRACTION: f64 = 0.02;
/// Maximum difference between the levels of the hottest and of the coldest colour, in decibels. Sounds that are softer
/// are inaudible next to the loudest ones. With 40 dB, quiet partials would be black; with 160 dB, most colours would
/// show the noise floor.
const MAX_RANGE_DB: i32 = 80;
/// Minimum difference between the levels of the hottest and of the coldest colour, in decibels. Without it, the noise
/// of a nearly silent input would be drawn with full contrast.
const MIN_RANGE_DB: i32 = 30;
/// Minimum level of the hottest colour, in decibels, so that silence is dark. With -30 dB, quiet music would be dark
/// too.
const MIN_HOTTEST_DB: f32 = -60.0;
/// Step in decibels to which the levels of the hottest and of the coldest colour are rounded.
const ROUNDING_DB: f32 = 5.0;
/// Minimum power, which corresponds to -120 dB. Lower powers are replaced by it.
const MIN_POWER: f32 = 1e-12;

/// The levels of a spectrogram, in decibels relative to a full-scale sine, and their range of colours.
#[derive(Debug)]
pub(super) struct SpectrogramLevels {
    bins: usize,
    levels: Vec<f32>,
    /// Levels of the coldest and of the hottest colour, in decibels.
    range: (i32, i32),
}

impl SpectrogramLevels {
    pub(super) fn new(picture: &Picture) -> Self {
        let decibels = |power: &f32| 10.0 * power.max(MIN_POWER).log10();
        let levels: Vec<f32> = (0..picture.columns()).flat_map(|k| picture.column(k)).map(decibels).collect();
        Self { bins: picture.bins(), range: range(levels.clone()), levels }
    }

    /// Returns the levels of the coldest and of the hottest colour, in decibels.
    pub(super) fn range(&self) -> (i32, i32) {
        self.range
    }

    /// Returns the level at a pixel relative to the range of colours: 0 is the coldest and 1 the hottest colour; other
    /// levels are outside of the range. `column` is the horizontal position of the pixel in columns, and `low` and
    /// `high` are its lower and upper edge in bins. Returns `None` if the pixel is outside of the spectrogram.
    pub(super) fn part(&self, column: f64, (low, high): (f64, f64)) -> Option<f32> {
        let columns = self.levels.len() / self.bins;
        // The first and the last column extend half a column beyond their centre.
        if columns == 0 || column > columns as f64 - 0.5 || column < -0.5 {
            return None;
        }
        let column = column.clamp(0.0, (columns - 1) as f64);
        let (before, part) = (column as usize, column.fract() as f32);
        let row = |k: usize| &self.levels[k.min(columns - 1) * self.bins..][..self.bins];
        // If a pixel is smaller than a bin, its level is interpolated. Otherwise it shows the loudest of its bins.
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

/// Returns the level at the position `at`, in bins, by linear interpolation between the two nearest bins.
fn interpolated(row: &[f32], at: f64) -> f32 {
    let at = at.clamp(0.0, (row.len() - 1) as f64);
    let (below, part) = (at as usize, at.fract() as f32);
    row[below] * (1.0 - part) + row[(below + 1).min(row.len() - 1)] * part
}

/// Returns the maximum level of the bins from `low` to `high`. With the maximum, a tone is visible at any size of the
/// picture.
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
