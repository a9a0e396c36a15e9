//! Correction of a clock by the arrival times of audio.
//!
//! Audio that was received at a time cannot be newer than that time. So each arrival bounds the time of its position from
//! above, and the least bound so far is the estimate. Delays of the network and of the server only make a bound worse.

use serde::{Deserialize, Serialize};

/// Smallest correction that is made, in seconds.
const MIN_CORRECTION_SECONDS: f64 = 0.05;

/// Shortest distance of two corrections in the stream, in seconds.
const CORRECTION_INTERVAL_SECONDS: f64 = 5.0;

/// Largest sum of the corrections of an estimate to earlier times, in seconds. A stream that needs more is delivered faster
/// than it plays, so that its arrival times say nothing about its time.
const MAX_CORRECTIONS_SECONDS: f64 = 30.0;

/// Delay in seconds above which an arrival is late. If all arrivals of [`LATE_WINDOW_SECONDS`] are late, the stream itself
/// has paused.
const LATE_SECONDS: f64 = 1.0;
/// Time in seconds for which all arrivals must be late.
const LATE_WINDOW_SECONDS: f64 = 20.0;

/// Correction of an estimate: the difference of time and position in seconds that holds from now on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Correction {
    /// The audio is older than estimated.
    Earlier(f64),
    /// The stream has paused.
    Later(f64),
}

/// Arrivals since the estimate was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Arrivals {
    /// Least difference of arrival time and position since the last correction, seconds.
    least: f64,
    /// Position of the last correction, seconds.
    corrected_at: f64,
    /// Seconds by which the estimate was moved to earlier times.
    corrected: f64,
    /// Start time and least difference of the current window, seconds.
    window: Option<(f64, f64)>,
}

impl Arrivals {
    /// Creates the arrivals of an estimate that begins at a position, in seconds.
    pub(super) fn at(position: f64) -> Self {
        Self { least: f64::INFINITY, corrected_at: position, corrected: 0.0, window: None }
    }

    /// Adds the arrival of `position` at `time`, both in seconds. `offset` is the difference of time and position that is
    /// estimated now, or will be when the last correction is complete. Returns a correction if one is due.
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
