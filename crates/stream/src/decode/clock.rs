//! Mapping of positions in a stream to the time of day.

mod anchor;
mod section;

use std::collections::VecDeque;

use refrain_core::audio::ClockSource;
use serde::{Deserialize, Serialize};

pub use self::anchor::ClockAnchor;
use self::section::ClockSection;
use super::arrival::{Arrivals, Correction};

/// Largest difference between the dates of a stream and its clock, in seconds, that counts as jitter or drift and is
/// corrected smoothly. Dates of segments are off by some 100 ms if a packager rounds them or adds up rounded durations.
/// At half this value, such packagers cause jumps of the clock; at twice this value, a real jump of 1 to 2 s takes a
/// minute to be corrected.
const JITTER_SECONDS: f64 = 1.0;

/// Seconds over which a difference is corrected. This is slow enough to average over the jitter of many segments. The
/// time never runs backwards, because at most a second ([`JITTER_SECONDS`]) is corrected in a minute. At half this
/// value, jitter of the dates changes the reported times twice as much; at twice this value, the clock follows a drift
/// half as fast.
const SMOOTHING_SECONDS: f64 = 60.0;

/// Largest delay of an arrival, in seconds, that the network or the server can cause: a few segments. After a longer
/// delay, the stream itself must have paused. At half this value, a slow segment of 6 s moves the clock; at twice this
/// value, the times after a pause of 15 s stay 15 s too early.
const LATE_ARRIVAL_SECONDS: f64 = 10.0;

/// Largest difference, in seconds, between the errors of two successive dates that count as the same jump, which the
/// clock then follows. One wrong date alone does not move the clock. Dates jitter by some 100 ms. At half this value,
/// the clock follows a jump of a jittering stream late or never; at twice this value, two unrelated wrong dates move
/// the clock more often.
const JUMP_AGREEMENT_SECONDS: f64 = 0.5;

/// Largest difference between a date and the clock that is ignored, in seconds: two roundings, because dates are given
/// in milliseconds. At half this value, rounding alone adds a section to the clock for each segment; at twice this
/// value, nothing changes visibly.
const MIN_ERROR_SECONDS: f64 = 0.002;

/// Largest distance of a valid time from 1970, in seconds: 30,000 years. Larger numbers of seconds lose their
/// fractions.
const MAX_EPOCH_SECONDS: f64 = 1e12;

/// Share by which the clock is slowed down at most, so that it never runs backwards. At twice this value, it would stand
/// still while it is corrected; at half this value, the correction after a burst takes twice the time.
const SLOWING: f64 = 0.5;

/// Largest correction to earlier times, in seconds: the one that [`SMOOTHING_SECONDS`] allow. At half this value, dates
/// that are set back by 20 s stay 20 s late; at twice this value, a burst of a minute slows the clock for two minutes.
const MAX_SLOWING_SECONDS: f64 = SLOWING * SMOOTHING_SECONDS;

/// Maximum number of sections that are kept, so that positions of the last minutes keep their times. Corrections by
/// arrival are at least 5 s apart, and each segment with a date can add a section: 64 sections are two minutes of 2-s
/// segments. At half this value, the times of events that began more than a minute ago are off by the jitter; at twice
/// this value, a message with the decoder state grows by 1.5 kB.
const MAX_PIECES: usize = 64;

/// Maps positions, seconds from the stream's first sample, to seconds since 1970; later positions never get earlier
/// times.
///
/// If the dates of the stream jump forward, the clock follows. If the dates are set back by at most 30 s, for example
/// because an encoder sends its last segments again after a restart, the clock runs at half speed until it agrees with
/// them. If they are set back by more, the clock continues from its last time, and [`StreamClock::set_back`] returns the
/// difference.
///
/// # Examples
/// ```
/// use refrain_stream::{ClockSource, DecoderSettings, Delivery, StreamDecoder};
///
/// // A stream without dates gets the time at which its first audio arrived.
/// let mut decoder = StreamDecoder::new(DecoderSettings { wall_clock: || 1_700_000_000.0 });
/// assert_eq!(decoder.clock().epoch(0.0), None);
/// decoder.process(Delivery::Decoded(vec![0.0; 44_100]), |_| {});
/// assert_eq!(decoder.clock().source(), Some(ClockSource::Arrival));
/// assert_eq!(decoder.clock().epoch(0.5), Some(1_700_000_000.5));
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StreamClock {
    pieces: VecDeque<ClockSection>,
    source: Option<ClockSource>,
    set_back: f64,
    arrival_offset: Option<f64>,
    /// Arrivals since the clock was last set; `None` before the first audio.
    arrivals: Option<Arrivals>,
    /// Anchor of the clock of an earlier worker, which the first arrival uses; `None` if none exists, or after its
    /// use.
    inherited: Option<ClockAnchor>,
    /// True if this clock continues that of an earlier worker.
    continued: bool,
    /// Difference between the date of the last segment and this clock, in seconds, if it was above [`JITTER_SECONDS`]
    /// and the clock did not follow; otherwise `None`.
    suspect: Option<f64>,
}

impl StreamClock {
    /// Returns the time of a position, seconds since 1970, or `None` before the first audio. The times of the positions
    /// of the last minutes do not change.
    #[must_use]
    pub fn epoch(&self, position: f64) -> Option<f64> {
        let behind = self.pieces.partition_point(|piece| piece.position <= position);
        self.pieces.get(behind.saturating_sub(1)).map(|piece| piece.at(position))
    }

    /// Returns true if other workers of the stream have the same clock: it uses dates, or continues the clock of an
    /// earlier worker.
    pub(super) fn is_shared(&self) -> bool {
        self.continued || self.source == Some(ClockSource::ProgramDateTime)
    }

    /// Returns the origin of the times, or `None` before the first audio.
    #[must_use]
    pub fn source(&self) -> Option<ClockSource> {
        self.source
    }

    /// Returns the seconds from the date of the end of the newest segment to the time when a playlist first listed that
    /// end, by this machine's clock. This is the delay of the stream plus the difference of both clocks. `None` if no
    /// segment had a date.
    #[must_use]
    pub fn arrival_offset(&self) -> Option<f64> {
        self.arrival_offset
    }

    /// Returns the seconds by which the times of this clock are later than the dates of the stream. The value is 0
    /// unless the dates were set back by more than 30 s.
    #[must_use]
    pub fn set_back(&self) -> f64 {
        self.set_back
    }

    /// Adjusts the clock to the date `time` (seconds since 1970) of `position` (seconds). `certain` is true if dates
    /// restart at this position, because of a discontinuity.
    pub(super) fn program_date_time(&mut self, position: f64, time: f64, certain: bool) {
        if !is_time(time) {
            return;
        }
        // Dates are authoritative, so the first one replaces an estimate from arrivals at once.
        let first = self.source != Some(ClockSource::ProgramDateTime);
        self.source = Some(ClockSource::ProgramDateTime);
        let Some(now) = self.epoch(position) else { return self.start(position, time) };
        if self.is_slowed_to(position, time) {
            self.suspect = None;
            return;
        }
        let error = time + self.set_back - now;
        let jump = !(-JITTER_SECONDS..=JITTER_SECONDS).contains(&error);
        let agrees = self.suspect.is_some_and(|before| (before - error).abs() < JUMP_AGREEMENT_SECONDS);
        // A jump needs a certain restart or a second date that agrees. A date ahead is adopted exactly at a
        // discontinuity, where no frame continues the old timing.
        if first || (jump && (certain || agrees)) || (certain && error > MIN_ERROR_SECONDS) {
            self.suspect = None;
            self.set_back = 0.0;
            match now - time {
                ahead if ahead <= 0.0 => self.start(position, time),
                ahead if ahead <= MAX_SLOWING_SECONDS => {
                    let (correction, smoothing) = (-ahead, ahead / SLOWING);
                    self.add(ClockSection { position, epoch: now, correction, smoothing });
                }
                ahead => {
                    self.set_back = ahead;
                    self.start(position, now);
                }
            }
        } else if jump {
            // The clock does not follow yet, because a packager can write one wrong date.
            self.suspect = Some(error);
        } else {
            self.suspect = None;
            // Even an exact date must end a section with a correction; otherwise the correction would continue beyond
            // the date.
            if error.abs() > MIN_ERROR_SECONDS
                || self.pieces.back().is_some_and(|piece| piece.correction != 0.0)
            {
                self.smooth(position, now, error);
            }
        }
    }

    /// Returns true if the clock is being slowed down at `position` and then agrees with the date `time`.
    fn is_slowed_to(&self, position: f64, time: f64) -> bool {
        let is_slowed = |last: &&ClockSection| {
            last.correction < -JITTER_SECONDS && position < last.position + last.smoothing
        };
        let last = self.pieces.back().filter(is_slowed);
        last.is_some_and(|last| (time - last.corrected_at(position)).abs() <= JITTER_SECONDS)
    }

    /// Returns the seconds between the time of `position` and a later date, or `None` if the clock does not follow dates.
    pub(super) fn seconds_before(&self, position: f64, date: f64) -> Option<f64> {
        let epoch = self.epoch(position).filter(|_| self.source == Some(ClockSource::ProgramDateTime))?;
        Some(date + self.set_back - epoch)
    }

    /// Continues the clock of an earlier worker. Has no effect after the first audio.
    pub(super) fn inherit(&mut self, anchor: ClockAnchor) {
        self.inherited = Some(anchor).filter(|anchor| is_time(anchor.epoch) && is_time(anchor.stamp));
    }

    /// Records that the frame at `position` (seconds) arrived at `time` (seconds since 1970). Sets the clock if it has
    /// no time yet, or if `time` is later than the time of the clock by more than [`LATE_ARRIVAL_SECONDS`], which shows
    /// that audio was lost. `certain` is true after a reconnect or a discontinuity, where more than [`JITTER_SECONDS`]
    /// are sufficient. `stamp` is the time stamp of the frame in seconds, or `None` without one. Has no effect if the
    /// stream has dates.
    pub(super) fn arrival(&mut self, position: f64, time: f64, certain: bool, stamp: Option<f64>) {
        if self.source == Some(ClockSource::ProgramDateTime) {
            return;
        }
        // Audio must have a time, even if its arrival time is invalid.
        let time = if is_time(time) { time } else { 0.0 };
        self.source = Some(ClockSource::Arrival);
        // A reconnect explains a gap, so a smaller delay is then sufficient evidence.
        let late = if certain { JITTER_SECONDS } else { LATE_ARRIVAL_SECONDS };
        match self.epoch(position) {
            None => {
                let inherited = self.inherited.take().zip(stamp);
                let known = inherited.and_then(|(anchor, stamp)| anchor.epoch_of(stamp, time));
                self.continued = known.is_some();
                self.start(position, known.unwrap_or(time));
            }
            Some(now) if time - now > late => self.start(position, time),
            Some(_) => {}
        }
    }

    /// Records that the audio at `position` (seconds) of a live stream was received at `time` (seconds since 1970). The
    /// audio cannot be newer than `time`. `steady` is true for sources that send evenly: if all their arrivals are late
    /// for 20 s (`LATE_WINDOW_SECONDS`), the clock moves to later times. `steady` is false for segments, which do not
    /// arrive evenly.
    pub(super) fn received(&mut self, position: f64, time: f64, steady: bool) {
        if self.source != Some(ClockSource::Arrival) || !is_time(time) {
            return;
        }
        let Some(last) = self.pieces.back() else { return };
        // This is the offset after the running correction, so that the same error is not corrected twice.
        let offset = last.corrected_at(0.0);
        let arrivals = self.arrivals.get_or_insert_with(|| Arrivals::at(f64::NEG_INFINITY));
        match (arrivals.take(position, time, offset), self.epoch(position)) {
            (Some(Correction::Earlier(offset)), Some(now)) => {
                // Clamped so that time keeps moving forward, at half its speed at worst.
                let correction = (offset + position - now).max(-MAX_SLOWING_SECONDS);
                self.smooth(position, now, correction);
            }
            (Some(Correction::Later(offset)), Some(now)) if steady => {
                // A later position must not get an earlier time than one that was reported.
                self.start(position, now.max(offset + position));
            }
            _ => {}
        }
    }

    /// Records that a segment whose end has the date `end` was first listed at `first_listed`, both in seconds since
    /// 1970.
    pub(super) fn first_listed(&mut self, end: f64, first_listed: f64) {
        self.arrival_offset = Some(first_listed - end).filter(|offset| offset.is_finite());
    }

    fn start(&mut self, position: f64, epoch: f64) {
        self.arrivals = Some(Arrivals::at(position));
        self.smooth(position, epoch, 0.0);
    }

    /// Adds a section that begins with the time `epoch` and is corrected over [`SMOOTHING_SECONDS`].
    fn smooth(&mut self, position: f64, epoch: f64, correction: f64) {
        self.add(ClockSection { position, epoch, correction, smoothing: SMOOTHING_SECONDS });
    }

    fn add(&mut self, piece: ClockSection) {
        // Sections at or after the position describe media that was not emitted yet, so the new section replaces them.
        self.pieces.retain(|before| before.position < piece.position);
        if self.pieces.len() == MAX_PIECES {
            self.pieces.pop_front();
        }
        self.pieces.push_back(piece);
    }
}

/// Returns true if a number of seconds since 1970 is a valid time: not NaN, and at most [`MAX_EPOCH_SECONDS`] from
/// 1970.
pub(super) fn is_time(seconds: f64) -> bool {
    (-MAX_EPOCH_SECONDS..=MAX_EPOCH_SECONDS).contains(&seconds)
}

#[cfg(test)]
mod tests;
