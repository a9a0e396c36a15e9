//! The state of a stream's clock as it is stored in its row, so that the next worker continues the clock.

use refrain_stream::ClockAnchor;
use serde::{Deserialize, Serialize};

/// Maximum difference in seconds of two clocks that count as the same. The row is not written for a smaller difference.
/// Rounding of time stamps and of dates in playlists stays below this value. At half this value, dates that vary by a
/// few hundredths of a second can cause a write per segment. At twice this value, the next worker starts with a clock
/// that is 0.1 s off.
const SAME_CLOCK_SECONDS: f64 = 0.05;

/// The JSON text in the row. Unknown fields are ignored, so that different versions of the program can share a stream.
#[derive(Debug, Serialize, Deserialize)]
struct AnchorRow {
    /// Time stamp of a frame, in seconds.
    stamp: f64,
    /// Seconds after which time stamps start at 0 again; `None` if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrap: Option<f64>,
    /// Time of day of that frame, seconds since 1970.
    epoch: f64,
}

/// Reads the anchor from the text of a row. Returns `None` if the text is invalid.
pub(super) fn read(text: &str) -> Option<ClockAnchor> {
    let AnchorRow { stamp, wrap, epoch } = serde_json::from_str(text).ok()?;
    Some(ClockAnchor { stamp, wrap, epoch })
}

/// Returns the text for the row.
pub(super) fn write(anchor: &ClockAnchor) -> String {
    let ClockAnchor { stamp, wrap, epoch } = *anchor;
    serde_json::to_string(&AnchorRow { stamp, wrap, epoch }).unwrap_or_default()
}

/// Returns true if both anchors assign the same time of day to every time stamp, within [`SAME_CLOCK_SECONDS`].
pub(super) fn is_same_clock(one: &ClockAnchor, other: &ClockAnchor) -> bool {
    let difference = (other.epoch - one.epoch) - (other.stamp - one.stamp);
    let difference = match one.wrap.filter(|wrap| *wrap > 0.0) {
        // The time stamps may have started at 0 again between both anchors, so a difference of whole periods is the
        // same clock.
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
    fn anchor_is_read_as_it_was_written() {
        for known in [anchor(1.4, 1.7e9 + 0.123_456), ClockAnchor { wrap: None, ..anchor(0.1, 1.7e9) }] {
            let read = read(&write(&known)).unwrap();
            assert_eq!((read.stamp, read.wrap.is_some()), (known.stamp, known.wrap.is_some()));
            assert!((read.epoch - known.epoch).abs() < 1e-6);
        }
        assert_eq!(read("{}"), None);
        assert_eq!(read("not JSON"), None);
    }

    #[test]
    fn clock_that_advances_evenly_is_the_same() {
        let known = anchor(10.0, 1.7e9);
        assert!(is_same_clock(&known, &anchor(3_610.02, 1.7e9 + 3_600.0)));
        assert!(is_same_clock(&known, &anchor(10.0, 1.7e9 + WRAP)), "time stamps started at 0 again");
        assert!(!is_same_clock(&known, &anchor(11.0, 1.7e9 + 3.0)));
    }
}
