//! Mapping of positions in a stream to the time of day.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::arrival::{Arrivals, Correction};

/// Largest difference between the dates of a stream and its clock, in seconds, that counts as jitter or drift and is
/// corrected smoothly. Dates of segments are off by some 100 ms if a packager rounds them or adds up rounded durations.
/// At half this value, such packagers cause jumps of the clock; at twice this value, a real jump of 1 to 2 s takes a
/// minute to be corrected.
const JITTER_SECONDS: f64 = 1.0;

/// Seconds over which a difference is corrected. This is slow enough to average over the jitter of many segments. The
/// time never runs backwards, because at most a second ([`JITTER_SECONDS`]) is corrected in a minute. At half this
/// value, jitter of the dates shows twice as much in the times; at twice this value, a drift is followed half as fast.
const SMOOTHING_SECONDS: f64 = 60.0;

/// Largest delay of an arrival, in seconds, that the network or the server can cause: a few segments. After a longer
/// delay, the stream itself must have paused. At half this value, a slow segment of 6 s moves the clock; at twice this
/// value, the times after a pause of 15 s stay early by its length.
const LATE_ARRIVAL_SECONDS: f64 = 10.0;

/// Largest difference, in seconds, between the jumps of two successive dates at which the jump is accepted. One wrong
/// date never moves the clock. Dates jitter by some 100 ms; at half this value, a jump of a jittering stream is
/// accepted late or never; at twice this value, two unrelated wrong dates agree more often.
const JUMP_AGREEMENT_SECONDS: f64 = 0.5;

/// Largest difference that is ignored, in seconds, because dates are given in milliseconds: two roundings. At half this
/// value, rounding alone adds a section to the clock for each segment; at twice this value, nothing changes visibly.
const MIN_ERROR_SECONDS: f64 = 0.002;

/// Largest distance of a valid time from 1970, in seconds: 30,000 years. Larger numbers of seconds lose their
/// fractions.
const MAX_EPOCH_SECONDS: f64 = 1e12;

/// Largest difference between the estimates of two workers, in seconds: a long segment. Each estimates from its own
/// first arrival, which may be late by a segment. At half this value, streams with long segments lose their common
/// clock at a hand-over; at twice this value, the clock continues through an encoder restart whose time stamps fit by
/// chance.
const MAX_ANCHOR_ERROR_SECONDS: f64 = 10.0;

/// Largest correction to earlier times within [`SMOOTHING_SECONDS`], in seconds. It is half of that time, so the clock
/// runs at half speed at worst and never backwards. At twice this value, the clock would stand still while it is
/// corrected; at half this value, the correction after a burst takes twice the time.
const MAX_SLOWING_SECONDS: f64 = 30.0;

/// Maximum number of sections that are kept, so that positions of the last minutes keep their times. Corrections by
/// arrival come at least 5 s apart, dates with each segment: 64 sections are two minutes of 2-s segments. At half this
/// value, events whose start is older than a minute get a time that is off by the jitter; at twice this value, a state
/// message grows by 1.5 kB.
const MAX_PIECES: usize = 64;

/// Origin of the times of a [`StreamClock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockSource {
    /// Dates in the stream (EXT-X-PROGRAM-DATE-TIME).
    ProgramDateTime,
    /// Arrival of the first audio, by this machine's clock.
    Arrival,
}

/// A section of the map from position to time, both in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct ClockSection {
    position: f64,
    epoch: f64,
    /// Seconds that are added gradually over the next [`SMOOTHING_SECONDS`] seconds.
    correction: f64,
}

impl ClockSection {
    fn at(&self, position: f64) -> f64 {
        let passed = position - self.position;
        self.epoch + passed + self.correction * (passed / SMOOTHING_SECONDS).clamp(0.0, 1.0)
    }
}

/// A time stamp of a stream with its time, from which another worker can continue the clock of a stream without dates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClockAnchor {
    /// Time stamp of a frame in the container (PTS, `tfdt`), seconds.
    pub stamp: f64,
    /// Seconds after which time stamps wrap to 0, if they do.
    pub wrap: Option<f64>,
    /// Time of that frame, seconds since 1970.
    pub epoch: f64,
}

impl ClockAnchor {
    /// Returns the time of a frame with this time stamp. Returns `None` if that is far from `estimate`, because the
    /// time stamps have restarted.
    fn epoch_of(&self, stamp: f64, estimate: f64) -> Option<f64> {
        let epoch = self.epoch + stamp - self.stamp;
        let wrap = self.wrap.filter(|wrap| *wrap > 0.0);
        // The earlier worker may have stopped hours ago, so the number of wraps since then follows from the estimate.
        let epoch = wrap.map_or(epoch, |wrap| epoch + wrap * ((estimate - epoch) / wrap).round());
        ((epoch - estimate).abs() <= MAX_ANCHOR_ERROR_SECONDS).then_some(epoch)
    }
}

/// Maps positions, seconds from the stream's first sample, to seconds since 1970; later positions never get earlier
/// times.
///
/// The clock follows if the dates of the stream jump forward. If they are set back, it continues from its last time,
/// and [`StreamClock::set_back`] returns the difference.
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
    /// Arrivals since the estimate was made.
    arrivals: Option<Arrivals>,
    /// Anchor of the clock of an earlier worker, until the first audio.
    inherited: Option<ClockAnchor>,
    /// True if this clock continues that of an earlier worker.
    continued: bool,
    /// Difference between the date of the last segment and this clock, in seconds, if it was above [`JITTER_SECONDS`].
    suspect: Option<f64>,
}

impl StreamClock {
    /// Returns the time of a position, or `None` before the first audio. Positions of the last minutes keep their
    /// times.
    #[must_use]
    pub fn epoch(&self, position: f64) -> Option<f64> {
        let behind = self.pieces.partition_point(|piece| piece.position <= position);
        self.pieces.get(behind.saturating_sub(1)).map(|piece| piece.at(position))
    }

    /// Returns true if every worker of the stream has this clock.
    pub(super) fn is_shared(&self) -> bool {
        self.continued || self.source == Some(ClockSource::ProgramDateTime)
    }

    /// Returns the origin of the times, or `None` before the first audio.
    #[must_use]
    pub fn source(&self) -> Option<ClockSource> {
        self.source
    }

    /// Returns the seconds from the date of the end of the newest segment to the time when it was first seen here, by
    /// this machine's clock. This is the delay of the stream plus the difference of both clocks.
    #[must_use]
    pub fn arrival_offset(&self) -> Option<f64> {
        self.arrival_offset
    }

    /// Returns the seconds by which the times of this clock are later than the dates of the stream because those were
    /// set back, or 0.
    #[must_use]
    pub fn set_back(&self) -> f64 {
        self.set_back
    }

    /// Adjusts the clock to the date of a position. `certain` is true if dates are known to restart at this position.
    pub(super) fn program_date_time(&mut self, position: f64, time: f64, certain: bool) {
        if !is_time(time) {
            return;
        }
        // Dates are authoritative, so the first one replaces an estimate from arrivals at once.
        let first = self.source != Some(ClockSource::ProgramDateTime);
        self.source = Some(ClockSource::ProgramDateTime);
        let Some(now) = self.epoch(position) else { return self.start(position, time) };
        let error = time + self.set_back - now;
        let jump = !(-JITTER_SECONDS..=JITTER_SECONDS).contains(&error);
        let agrees = self.suspect.is_some_and(|before| (before - error).abs() < JUMP_AGREEMENT_SECONDS);
        // A jump needs a certain restart or a second date that agrees. A date ahead is adopted exactly at a
        // discontinuity, where no frame continues the old timing.
        if first || (jump && (certain || agrees)) || (certain && error > MIN_ERROR_SECONDS) {
            self.set_back = (now - time).max(0.0);
            self.suspect = None;
            // `time + set_back` could be a rounding error earlier than a time that was already reported.
            self.start(position, if self.set_back > 0.0 { now } else { time });
        } else if jump {
            // Not followed yet: a packager can write one wrong date.
            self.suspect = Some(error);
        } else {
            self.suspect = None;
            // A section with a correction must be ended even by an exact date, otherwise it would be corrected beyond
            // it.
            if error.abs() > MIN_ERROR_SECONDS
                || self.pieces.back().is_some_and(|piece| piece.correction != 0.0)
            {
                self.add(ClockSection { position, epoch: now, correction: error });
            }
        }
    }

    /// Continues the clock of an earlier worker. Has no effect after the first audio.
    pub(super) fn inherit(&mut self, anchor: ClockAnchor) {
        self.inherited = Some(anchor).filter(|anchor| is_time(anchor.epoch) && is_time(anchor.stamp));
    }

    /// Records that `position` (seconds), whose frame has the time stamp `stamp`, arrived at `time` (seconds since
    /// 1970). This sets the clock if it has no time yet, or if `time` is so late that audio must have been lost.
    /// `certain` is true after a connection was lost, where a shorter delay is enough. Has no effect if the stream has
    /// dates.
    pub(super) fn arrival(&mut self, position: f64, time: f64, certain: bool, stamp: Option<f64>) {
        if self.source == Some(ClockSource::ProgramDateTime) {
            return;
        }
        // Audio must have a time, even if its arrival time is invalid.
        let time = if is_time(time) { time } else { 0.0 };
        self.source = Some(ClockSource::Arrival);
        // A reconnect explains a gap, so a smaller delay is sufficient evidence there.
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
    /// audio cannot be newer than that. `steady` is true for sources that send evenly: if all their arrivals are late
    /// for some time, the clock moves to later times. It is false for segments, which do not arrive evenly.
    pub(super) fn received(&mut self, position: f64, time: f64, steady: bool) {
        if self.source != Some(ClockSource::Arrival) || !is_time(time) {
            return;
        }
        let Some(last) = self.pieces.back() else { return };
        // The offset after the running correction, so that the same error is not corrected twice.
        let offset = last.epoch + last.correction - last.position;
        let arrivals = self.arrivals.get_or_insert_with(|| Arrivals::at(f64::NEG_INFINITY));
        match (arrivals.take(position, time, offset), self.epoch(position)) {
            (Some(Correction::Earlier(offset)), Some(now)) => {
                // Clamped so that time keeps moving forward, at half its speed at worst.
                let correction = (offset + position - now).max(-MAX_SLOWING_SECONDS);
                self.add(ClockSection { position, epoch: now, correction });
            }
            (Some(Correction::Later(offset)), Some(now)) if steady => {
                // A later position must not get an earlier time than one that was reported.
                self.start(position, now.max(offset + position));
            }
            _ => {}
        }
    }

    /// Notes that a segment whose end has the date `end` was first seen here at `first_listed`.
    pub(super) fn first_listed(&mut self, end: f64, first_listed: f64) {
        self.arrival_offset = Some(first_listed - end).filter(|offset| offset.is_finite());
    }

    fn start(&mut self, position: f64, epoch: f64) {
        self.arrivals = Some(Arrivals::at(position));
        self.add(ClockSection { position, epoch, correction: 0.0 });
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

/// Returns true if a number of seconds since 1970 is a valid time.
pub(super) fn is_time(seconds: f64) -> bool {
    (-MAX_EPOCH_SECONDS..=MAX_EPOCH_SECONDS).contains(&seconds)
}

#[cfg(test)]
mod tests;
