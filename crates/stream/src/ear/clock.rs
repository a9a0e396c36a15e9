//! Mapping of positions in a stream to the time of day.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::arrival::{Arrivals, Correction};

/// Largest difference between the dates of a stream and its clock, in seconds, that counts as jitter or drift and is
/// corrected smoothly. Dates of segments are off by some 100 ms if a packager rounds them or adds up rounded durations.
const JITTER: f64 = 1.0;

/// Seconds over which a difference is corrected. This is slow enough to average over the jitter of many segments. The time
/// never runs backwards, because at most a second ([`JITTER`]) is corrected in a minute.
const SMOOTHING: f64 = 60.0;

/// Largest delay of an arrival, in seconds, that the network or the server can cause: a few segments. After a longer delay,
/// the stream itself must have paused.
const LATE: f64 = 10.0;

/// Largest difference, in seconds, between the jumps of two successive dates at which the jump is accepted.
const AGREEMENT: f64 = 0.5;

/// Largest difference that is ignored, in seconds, because dates are given in milliseconds.
const EXACT: f64 = 0.002;

/// Largest distance of a valid time from 1970, in seconds: 30,000 years. Larger numbers of seconds lose their fractions.
const FAR: f64 = 1e12;

/// Largest difference between the estimates of two workers, in seconds: a long segment.
const MAX_ANCHOR_ERROR_SECONDS: f64 = 10.0;

/// Largest correction to earlier times within [`SMOOTHING`], in seconds, so that time slows down but never runs backwards.
const MAX_SLOWING_SECONDS: f64 = 30.0;

/// Most pieces that are kept, so that positions of the last minutes keep their times.
const MAX_PIECES: usize = 64;

/// Origin of the times of a [`Clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockSource {
    /// Dates in the stream (EXT-X-PROGRAM-DATE-TIME).
    ProgramDateTime,
    /// Arrival of the first audio, by this machine's clock.
    Arrival,
}

/// A section of the map from position to time, both in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Piece {
    position: f64,
    epoch: f64,
    /// Seconds that are added gradually over the next [`SMOOTHING`] seconds.
    correction: f64,
}

impl Piece {
    fn at(&self, position: f64) -> f64 {
        let passed = position - self.position;
        self.epoch + passed + self.correction * (passed / SMOOTHING).clamp(0.0, 1.0)
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
    /// Returns the time of a frame with this time stamp. Returns `None` if that is far from `estimate`, because the time
    /// stamps have restarted.
    fn epoch_of(&self, stamp: f64, estimate: f64) -> Option<f64> {
        let epoch = self.epoch + stamp - self.stamp;
        let wrap = self.wrap.filter(|wrap| *wrap > 0.0);
        let epoch = wrap.map_or(epoch, |wrap| epoch + wrap * ((estimate - epoch) / wrap).round());
        ((epoch - estimate).abs() <= MAX_ANCHOR_ERROR_SECONDS).then_some(epoch)
    }
}

/// Maps positions, seconds from the stream's first sample, to seconds since 1970; later positions never get earlier times.
///
/// The clock follows if the dates of the stream jump forward. If they are set back, it continues from its last time, and
/// [`Clock::set_back`] returns the difference.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Clock {
    pieces: VecDeque<Piece>,
    source: Option<ClockSource>,
    set_back: f64,
    arrival_offset: Option<f64>,
    /// Arrivals since the estimate was made.
    arrivals: Option<Arrivals>,
    /// Anchor of the clock of an earlier worker, until the first audio.
    inherited: Option<ClockAnchor>,
    /// True if this clock continues that of an earlier worker.
    continued: bool,
    /// Difference between the date of the last segment and this clock, in seconds, if it was above [`JITTER`].
    suspect: Option<f64>,
}

impl Clock {
    /// Returns the time of a position, or `None` before the first audio. Positions of the last minutes keep their times.
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

    /// Returns the seconds from the date of the end of the newest segment to the time when it was first seen here, by this
    /// machine's clock. This is the delay of the stream plus the difference of both clocks.
    #[must_use]
    pub fn arrival_offset(&self) -> Option<f64> {
        self.arrival_offset
    }

    /// Returns the seconds by which the times of this clock are later than the dates of the stream because those were set
    /// back, or 0.
    #[must_use]
    pub fn set_back(&self) -> f64 {
        self.set_back
    }

    /// Adjusts the clock to the date of a position. `certain` is true if dates are known to restart at this position.
    pub(super) fn program_date_time(&mut self, position: f64, time: f64, certain: bool) {
        if !is_time(time) {
            return;
        }
        let first = self.source != Some(ClockSource::ProgramDateTime);
        self.source = Some(ClockSource::ProgramDateTime);
        let Some(now) = self.epoch(position) else { return self.start(position, time) };
        let error = time + self.set_back - now;
        let jump = !(-JITTER..=JITTER).contains(&error);
        let agrees = self.suspect.is_some_and(|before| (before - error).abs() < AGREEMENT);
        if first || (jump && (certain || agrees)) || (certain && error > EXACT) {
            self.set_back = (now - time).max(0.0);
            self.suspect = None;
            // `time + set_back` could be a rounding error earlier than a time that was already reported.
            self.start(position, if self.set_back > 0.0 { now } else { time });
        } else if jump {
            self.suspect = Some(error);
        } else {
            self.suspect = None;
            if error.abs() > EXACT || self.pieces.back().is_some_and(|piece| piece.correction != 0.0) {
                self.add(Piece { position, epoch: now, correction: error });
            }
        }
    }

    /// Continues the clock of an earlier worker. Has no effect after the first audio.
    pub(super) fn inherit(&mut self, anchor: ClockAnchor) {
        self.inherited = Some(anchor).filter(|anchor| is_time(anchor.epoch) && is_time(anchor.stamp));
    }

    /// Notes that a position, whose frame has this time stamp, arrived at `time`. This sets the clock if it has no time yet,
    /// or if `time` is so late that audio must have been lost. `certain` is true after a connection was lost, where a shorter
    /// delay is enough. Has no effect if the stream has dates.
    pub(super) fn arrival(&mut self, position: f64, time: f64, certain: bool, stamp: Option<f64>) {
        if self.source == Some(ClockSource::ProgramDateTime) {
            return;
        }
        // Audio must have a time, even if its arrival time is invalid.
        let time = if is_time(time) { time } else { 0.0 };
        self.source = Some(ClockSource::Arrival);
        let late = if certain { JITTER } else { LATE };
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

    /// Notes that a position of a live stream was received at `time`, so that it cannot be newer. `steady` is true for sources
    /// that send evenly: if all arrivals are late, the clock moves to later times. Segments arrive in steps instead.
    pub(super) fn received(&mut self, position: f64, time: f64, steady: bool) {
        if self.source != Some(ClockSource::Arrival) || !is_time(time) {
            return;
        }
        let Some(last) = self.pieces.back() else { return };
        let offset = last.epoch + last.correction - last.position;
        let arrivals = self.arrivals.get_or_insert_with(|| Arrivals::at(f64::NEG_INFINITY));
        match (arrivals.take(position, time, offset), self.epoch(position)) {
            (Some(Correction::Earlier(offset)), Some(now)) => {
                let correction = (offset + position - now).max(-MAX_SLOWING_SECONDS);
                self.add(Piece { position, epoch: now, correction });
            }
            (Some(Correction::Later(offset)), Some(now)) if steady => {
                self.start(position, now.max(offset + position));
            }
            _ => {}
        }
    }

    /// Notes that a segment whose end has the date `end` was first seen here at `seen`.
    pub(super) fn seen(&mut self, end: f64, seen: f64) {
        self.arrival_offset = Some(seen - end).filter(|offset| offset.is_finite());
    }

    fn start(&mut self, position: f64, epoch: f64) {
        self.arrivals = Some(Arrivals::at(position));
        self.add(Piece { position, epoch, correction: 0.0 });
    }

    fn add(&mut self, piece: Piece) {
        self.pieces.retain(|before| before.position < piece.position);
        if self.pieces.len() == MAX_PIECES {
            self.pieces.pop_front();
        }
        self.pieces.push_back(piece);
    }
}

/// Returns true if a number of seconds since 1970 is a valid time.
pub(super) fn is_time(seconds: f64) -> bool {
    (-FAR..=FAR).contains(&seconds)
}

#[cfg(test)]
mod tests;
