//! The time range of an input that is drawn.

use std::ops::Range;

use anyhow::{Result, bail};

/// Default length of a spectrogram in seconds. At the natural width of a picture (1600 pixels), a second then has about
/// 48 pixels. With 60 s, it would have 24 pixels, and the rings of neighbouring peaks would overlap.
const DEFAULT_SECONDS: f64 = 30.0;
/// Maximum length in seconds of the detail of a match, in which its peaks are drawn one by one. With 40 s, the dots
/// would overlap at the natural size of a picture (1600 × 900 pixels).
const MAX_DETAIL_SECONDS: f64 = 20.0;
/// Minimum length of an axis in seconds. Without it, if `--from` and `--to` select a very short part of a match, the
/// ticks of the axis would be closer than the resolution of a peak.
const MIN_AXIS_SECONDS: f64 = 0.2;

/// The time range that `--from` and `--to` select, or the default range if neither is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PlotRange {
    from: f64,
    to: f64,
    is_selected: bool,
}

impl PlotRange {
    pub(super) fn new(from: Option<f64>, to: Option<f64>) -> Result<Self> {
        let is_selected = from.is_some() || to.is_some();
        let from = from.unwrap_or(0.0);
        let to = to.unwrap_or(from + DEFAULT_SECONDS);
        if to <= from {
            bail!("--from {from} and --to {to} select nothing; use a later --to");
        }
        Ok(Self { from, to, is_selected })
    }

    /// Returns the selected or default range in seconds. It can be longer than the input.
    pub(super) fn range(&self) -> Range<f64> {
        self.from..self.to
    }

    /// Returns the range that is drawn of an input with a length of `seconds`. Returns `None` if the input ends before
    /// the range.
    pub(super) fn of_input(&self, seconds: f64) -> Option<Range<f64>> {
        (self.from < seconds).then(|| self.from..self.to.min(seconds))
    }

    /// Returns the range in which the peaks of the match from `from` to `to` seconds are drawn one by one. Returns
    /// `None` if the match is completely outside of the range that `--from` and `--to` select.
    pub(super) fn of_match(&self, from: f64, to: f64) -> Option<Range<f64>> {
        if self.is_selected {
            let (from, to) = (from.max(self.from), to.min(self.to));
            return (from < to).then(|| widened(from, to));
        }
        // The middle of the match is drawn, because its ends can be inside a cross-fade.
        let (middle, half) = ((from + to) / 2.0, MAX_DETAIL_SECONDS / 2.0);
        Some(widened(from.max(middle - half), to.min(middle + half)))
    }
}

/// Returns the range from `from` to `to`, in seconds. If it is shorter than [`MIN_AXIS_SECONDS`], the end is later than
/// `to`.
pub(super) fn widened(from: f64, to: f64) -> Range<f64> {
    from..to.max(from + MIN_AXIS_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_inputs_are_cropped_unless_a_part_is_selected() {
        let default_range = PlotRange::new(None, None).unwrap();
        assert_eq!(
            (default_range.of_input(12.0), default_range.of_input(500.0)),
            (Some(0.0..12.0), Some(0.0..DEFAULT_SECONDS))
        );
        assert_eq!(default_range.of_match(100.0, 110.0), Some(100.0..110.0));
        assert_eq!(default_range.of_match(100.0, 200.0), Some(140.0..160.0));
        let is_selected = PlotRange::new(Some(60.0), Some(180.0)).unwrap();
        assert_eq!((is_selected.of_input(50.0), is_selected.of_input(100.0)), (None, Some(60.0..100.0)));
        assert_eq!(
            (is_selected.of_match(10.0, 500.0), is_selected.of_match(10.0, 50.0)),
            (Some(60.0..180.0), None)
        );
        assert_eq!(PlotRange::new(Some(60.0), None).unwrap().range(), 60.0..90.0);
        assert!(PlotRange::new(Some(60.0), Some(60.0)).is_err() && PlotRange::new(None, Some(0.0)).is_err());
    }
}
