//! The clock of a stream as its row holds it, so that the next worker continues it.

use refrain_stream::ClockAnchor;
use serde::{Deserialize, Serialize};

/// Clocks that differ by no more are the same, seconds: the row is not written for less.
const SAME_CLOCK_SECONDS: f64 = 0.05;

/// The text of a row. Fields that are not known are ignored, so that versions of the program can share a stream.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    /// Time stamp of a frame, seconds.
    stamp: f64,
    /// Seconds after which time stamps begin at 0 again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrap: Option<f64>,
    /// Time of that frame, seconds since 1970.
    epoch: f64,
}

/// The anchor that a row holds; `None` if the text is not one.
pub(super) fn read(text: &str) -> Option<ClockAnchor> {
    let Row { stamp, wrap, epoch } = serde_json::from_str(text).ok()?;
    Some(ClockAnchor { stamp, wrap, epoch })
}

/// The text for a row.
pub(super) fn write(anchor: &ClockAnchor) -> String {
    let ClockAnchor { stamp, wrap, epoch } = *anchor;
    serde_json::to_string(&Row { stamp, wrap, epoch }).unwrap_or_default()
}

/// Returns true if both anchors give every time stamp the same time.
pub(super) fn is_same_clock(one: &ClockAnchor, other: &ClockAnchor) -> bool {
    let difference = (other.epoch - one.epoch) - (other.stamp - one.stamp);
    let difference = match one.wrap.filter(|wrap| *wrap > 0.0) {
        Some(wrap) => difference - wrap * (difference / wrap).round(),
        None => difference,
    };
    one.wrap == other.wrap && difference.abs() <= SAME_CLOCK_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAP: f64 = 95_443.717_688;

    fn anchor(stamp: f64, epoch: f64) -> ClockAnchor {
        ClockAnchor { stamp, wrap: Some(WRAP), epoch }
    }

    #[test]
    fn an_anchor_survives_its_row() {
        for known in [anchor(1.4, 1.7e9 + 0.123_456), ClockAnchor { wrap: None, ..anchor(0.1, 1.7e9) }] {
            let read = read(&write(&known)).unwrap();
            assert_eq!((read.stamp, read.wrap.is_some()), (known.stamp, known.wrap.is_some()));
            assert!((read.epoch - known.epoch).abs() < 1e-6);
        }
        assert_eq!(read("{}"), None);
        assert_eq!(read("not JSON"), None);
    }

    #[test]
    fn a_clock_that_goes_on_evenly_is_the_same() {
        let known = anchor(10.0, 1.7e9);
        assert!(is_same_clock(&known, &anchor(3_610.02, 1.7e9 + 3_600.0)));
        assert!(is_same_clock(&known, &anchor(10.0, 1.7e9 + WRAP)), "time stamps began at 0 again");
        assert!(!is_same_clock(&known, &anchor(11.0, 1.7e9 + 3.0)));
    }
}
