//! Correction of a clock by the arrival times of audio.
//!
//! Audio cannot be newer than the time at which it was received. So each arrival is an upper bound for the time of its
//! position, and the least bound so far is the estimate. Delays of the network and of the server only make a bound
//! worse. Each correction adds a section to the map from position to time that the clock stores.

use serde::{Deserialize, Serialize};

/// Smallest correction that is made, in seconds. It is below the accuracy that reported times need and above the jitter
/// of a local network. At half this value, the clock gets twice as many sections for no visible gain; at twice this
/// value, times stay up to 0.1 s late.
const MIN_CORRECTION_SECONDS: f64 = 0.05;

/// Shortest distance between two corrections in the stream, in seconds. The first arrivals of a connection improve the
/// bound often; combining them keeps the sections of the clock few. At half this value, the sections that the clock
/// keeps cover half the time; at twice this value, the first times of a stream stay late for longer.
const CORRECTION_INTERVAL_SECONDS: f64 = 5.0;

/// Largest sum of all corrections to earlier times since the clock was last set, in seconds. A stream that needs more
/// is delivered faster than real time, so its arrival times do not show its time. At half this value, the times after a
/// burst of 30 s of a radio server stay too late; at twice this value, a fast file moves the clock a minute into the
/// past.
const MAX_CORRECTIONS_SECONDS: f64 = 30.0;

/// Delay in seconds above which an arrival is late: its time minus the time that the clock gives to its position. If
/// all arrivals of [`LATE_WINDOW_SECONDS`] are late, the stream itself has paused. Jitter of the network is below this
/// delay. At half this value, a congested line looks like a pause; at twice this value, after a pause of up to 2 s all
/// times stay too early by the length of the pause.
const LATE_SECONDS: f64 = 1.0;
/// Time in seconds for which all arrivals must be late. Stations send in pieces of some seconds at most, so several
/// arrivals fall into this time. At half this value, a single congestion counts as a pause; at twice this value, the
/// clock is wrong for 40 s after a pause.
const LATE_WINDOW_SECONDS: f64 = 20.0;

/// Correction of the clock. Contains the new difference between time (since 1970) and position, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Correction {
    /// The audio is older than the clock shows.
    Earlier(f64),
    /// The stream has paused, so its times are later than the clock shows.
    Later(f64),
}

/// Arrivals since the clock was last set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Arrivals {
    /// Least difference of arrival time and position since the last correction, seconds.
    min_difference: f64,
    /// Position of the last correction, seconds.
    corrected_at: f64,
    /// Total seconds by which arrivals have moved the clock to earlier times.
    corrected: f64,
    /// Start time and least difference of the current window of [`LATE_WINDOW_SECONDS`], seconds; `None` between two
    /// windows.
    window: Option<(f64, f64)>,
}

impl Arrivals {
    /// Creates the arrivals of a clock that was last set at `position`, in seconds.
    pub(super) fn at(position: f64) -> Self {
        Self { min_difference: f64::INFINITY, corrected_at: position, corrected: 0.0, window: None }
    }

    /// Adds the arrival of the audio at `position` (seconds) at the time `time` (seconds since 1970). `offset` is the
    /// difference between time and position that the clock has after its last correction is complete. Returns a
    /// correction if one is due, otherwise `None`.
    pub(super) fn take(&mut self, position: f64, time: f64, offset: f64) -> Option<Correction> {
        let difference = time - position;
        // Network and server only add delay, so the least difference is the best estimate; an average would include
        // their delay.
        self.min_difference = self.min_difference.min(difference);
        // The window has its own minimum: an old minimum from before a pause would hide that all newer arrivals are
        // late.
        let (started_at, min_difference) = self.window.get_or_insert((time, difference));
        *min_difference = min_difference.min(difference);
        if time - *started_at > LATE_WINDOW_SECONDS {
            let min_difference = *min_difference;
            self.window = None;
            if min_difference - offset > LATE_SECONDS {
                return Some(Correction::Later(min_difference));
            }
        }
        let allowed = MAX_CORRECTIONS_SECONDS - self.corrected;
        // Limited, so that a source that always sends too fast cannot move the clock without end.
        let error = (offset - self.min_difference).min(allowed);
        let due = position - self.corrected_at >= CORRECTION_INTERVAL_SECONDS;
        if !due || error < MIN_CORRECTION_SECONDS {
            return None;
        }
        // The minimum restarts: a value from before the correction would trigger the same correction again.
        (self.corrected_at, self.corrected, self.min_difference) =
            (position, self.corrected + error, f64::INFINITY);
        Some(Correction::Earlier(offset - error))
    }
}
