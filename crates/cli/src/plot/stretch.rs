//! The part of an input that is drawn.

use std::ops::Range;

use anyhow::{Result, bail};

/// Default length of a spectrogram in seconds. In a longer one the single peaks are not visible.
const USUAL: f64 = 30.0;
/// Maximum length of the part of a match whose single peaks are drawn, in seconds. For a longer match it is the middle part.
const DETAIL: f64 = 20.0;
/// Minimum length of an axis in seconds.
const SHORTEST: f64 = 0.2;

/// The part of the inputs that `--from` and `--to` select, or the default part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    from: f64,
    to: f64,
    asked: bool,
}

impl Stretch {
    pub(super) fn new(from: Option<f64>, to: Option<f64>) -> Result<Self> {
        let asked = from.is_some() || to.is_some();
        let from = from.unwrap_or(0.0);
        let to = to.unwrap_or(from + USUAL);
        if to <= from {
            bail!("--from {from} and --to {to} select nothing; use a later --to");
        }
        Ok(Self { from, to, asked })
    }

    /// Returns start and end in seconds, without regard to the length of an input.
    pub(super) fn range(&self) -> Range<f64> {
        self.from..self.to
    }

    /// Returns the part of an input of `seconds` seconds that is drawn, or `None` if the input ends before it.
    pub(super) fn of_input(&self, seconds: f64) -> Option<Range<f64>> {
        (self.from < seconds).then(|| self.from..self.to.min(seconds))
    }

    /// Returns the part of a match from `from` to `to` seconds whose single peaks are drawn, or `None` if the match is outside
    /// of the selected part.
    pub(super) fn of_match(&self, from: f64, to: f64) -> Option<Range<f64>> {
        if self.asked {
            let (from, to) = (from.max(self.from), to.min(self.to));
            return (from < to).then(|| wide(from, to));
        }
        let (middle, half) = ((from + to) / 2.0, DETAIL / 2.0);
        Some(wide(from.max(middle - half), to.min(middle + half)))
    }
}

/// Returns the range, extended to the minimum length of an axis.
pub(super) fn wide(from: f64, to: f64) -> Range<f64> {
    from..to.max(from + SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_inputs_are_cropped_unless_a_part_is_selected() {
        let usual = Stretch::new(None, None).unwrap();
        assert_eq!((usual.of_input(12.0), usual.of_input(500.0)), (Some(0.0..12.0), Some(0.0..USUAL)));
        assert_eq!(usual.of_match(100.0, 110.0), Some(100.0..110.0));
        assert_eq!(usual.of_match(100.0, 200.0), Some(140.0..160.0));
        let asked = Stretch::new(Some(60.0), Some(180.0)).unwrap();
        assert_eq!((asked.of_input(50.0), asked.of_input(100.0)), (None, Some(60.0..100.0)));
        assert_eq!((asked.of_match(10.0, 500.0), asked.of_match(10.0, 50.0)), (Some(60.0..180.0), None));
        assert_eq!(Stretch::new(Some(60.0), None).unwrap().range(), 60.0..90.0);
        assert!(Stretch::new(Some(60.0), Some(60.0)).is_err() && Stretch::new(None, Some(0.0)).is_err());
    }
}
