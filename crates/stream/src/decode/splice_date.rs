//! Audio that an encoder lost or repeats at a restart: the date after a discontinuity shows its length.

use std::ops::RangeInclusive;

use super::playback::Playback;
use super::sound::seconds;
use crate::delivery::GapReason;

/// Shortest and longest time, in seconds, by which a date after a discontinuity must be ahead of the clock, so that this
/// time is lost media. Shorter ones are the imprecision of dates, and a matched song shows them. After longer ones, another
/// recording follows. At half or twice the upper value, the missing time of an outage of 5 to 20 minutes is counted or
/// not.
const LOST_SECONDS: RangeInclusive<f64> = 1.0..=600.0;

/// Shortest and longest time, in seconds, by which a date after a discontinuity must be behind the clock, so that the media
/// of this time is repeated and is left out. An encoder sends its last segments again, and a server that replaces another
/// one is some segments behind. At half the upper value, three segments of 6 s are matched twice; at twice this value,
/// an encoder whose clock is set back by a minute loses a minute of new audio.
const REPEATED_SECONDS: RangeInclusive<f64> = 1.0..=30.0;

impl Playback {
    /// Compares the date of the next frame with the clock, if the frame is the first one of a segment after a restart:
    /// records lost media, or the length of repeated audio that must be left out. Returns the seconds of missing media before
    /// the frame.
    pub(super) fn compare_date(&mut self) -> f64 {
        let waiting = self.waiting();
        // While segments are left out, the date of each shows how much of it is repeated.
        let is_repeating = self.repeated > 0.0 && !self.is_live;
        let mark = self.next_mark().filter(|(mark, _)| mark.is_restart || is_repeating);
        let Some((mark, _)) = mark.filter(|(_, passed)| *passed == 0.0) else { return waiting };
        let position = seconds(self.head()) + waiting;
        let ahead = mark.program_date_time.and_then(|date| self.clock.seconds_before(position, date));
        let ahead = ahead.unwrap_or_default();
        self.repeated = if REPEATED_SECONDS.contains(&-ahead) { -ahead } else { 0.0 };
        if !mark.is_restart || !LOST_SECONDS.contains(&ahead) {
            return waiting;
        }
        self.miss(GapReason::Lost, ahead);
        waiting + ahead
    }
}
