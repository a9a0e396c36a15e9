//! When audio arrived, against when it should have: the least delay is nearest to the truth.
//!
//! Audio that was received at a time is no newer than that time. So each arrival bounds the time of its position from
//! above, and the least bound so far is the estimate. Delays of the network and of the server only make a bound worse.

use serde::{Deserialize, Serialize};

/// Corrections below this are not made, seconds.
const MIN_CORRECTION_SECONDS: f64 = 0.05;

/// Least stretch of a stream from one correction to the next, seconds.
const CORRECTION_INTERVAL_SECONDS: f64 = 5.0;

/// Most by which an estimate is moved to earlier times altogether, seconds. What needs more is delivered faster than it
/// plays, and its arrivals tell nothing.
const MAX_CORRECTIONS_SECONDS: f64 = 30.0;

/// Arrivals that are all later than expected, by more than a second for 20 s, mean that the stream itself stood still.
const LATE_SECONDS: f64 = 1.0;
const LATE_WINDOW_SECONDS: f64 = 20.0;

/// What arrivals say about an estimate, as the difference of time and position that should hold from now on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Correction {
    /// The audio is older than estimated.
    Earlier(f64),
    /// The stream stood still.
    Later(f64),
}

/// Arrivals since the estimate was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Arrivals {
    /// Least difference of arrival and position since the last correction.
    least: f64,
    /// Position of the last correction.
    corrected_at: f64,
    /// Seconds by which the estimate was moved to earlier times.
    corrected: f64,
    /// Start and least difference of the current window.
    window: Option<(f64, f64)>,
}

impl Arrivals {
    /// For an estimate that begins at a position.
    pub(super) fn at(position: f64) -> Self {
        Self { least: f64::INFINITY, corrected_at: position, corrected: 0.0, window: None }
    }

    /// Takes the arrival of a position. `offset` is the difference of time and position that is estimated now, or will be
    /// when the last correction is complete.
    pub(super) fn take(&mut self, position: f64, time: f64, offset: f64) -> Option<Correction> {
        let difference = time - position;
        self.least = self.least.min(difference);
        let (began, least) = self.window.get_or_insert((time, difference));
        *least = least.min(difference);
        if time - *began > LATE_WINDOW_SECONDS {
            let least = *least;
            self.window = None;
            if least - offset > LATE_SECONDS {
                return Some(Correction::Later(least));
            }
        }
        let allowed = MAX_CORRECTIONS_SECONDS - self.corrected;
        let error = (offset - self.least).min(allowed);
        let due = position - self.corrected_at >= CORRECTION_INTERVAL_SECONDS;
        if !due || error < MIN_CORRECTION_SECONDS {
            return None;
        }
        (self.corrected_at, self.corrected, self.least) = (position, self.corrected + error, f64::INFINITY);
        Some(Correction::Earlier(offset - error))
    }
}
