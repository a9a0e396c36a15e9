//! Position in a stream to time of day.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::arrival::{Arrivals, Correction};

/// Differences between the stream's own times and ours up to this are jitter and drift, seconds: they are followed
/// smoothly. Segments' times are off by some 100 ms where a packager rounds or counts on by rounded durations.
const JITTER: f64 = 1.0;

/// Seconds over which a difference is made up for. Slow enough to average over the jitter of many segments, and never
/// backwards: a second in a minute.
const SMOOTHING: f64 = 60.0;

/// Delays of arrival up to this are the network's and the server's, seconds: a few segments. After a longer one, the
/// stream itself must have stood still.
const LATE: f64 = 10.0;

/// How near two segments' times must agree to be believed when they both jump, seconds.
const AGREEMENT: f64 = 0.5;

/// Differences below this change nothing, seconds: times are given in milliseconds.
const EXACT: f64 = 0.002;

/// Times further than this from 1970 are no times, seconds: 30,000 years. Behind it seconds lose their fractions.
const FAR: f64 = 1e12;

/// Estimates of two workers differ by no more than this, seconds: a long segment.
const MAX_ANCHOR_ERROR_SECONDS: f64 = 10.0;

/// Most that is corrected to earlier times within [`SMOOTHING`], seconds: time slows down, and never runs back.
const MAX_SLOWING_SECONDS: f64 = 30.0;

/// Pieces that are kept, so that positions some minutes back have the time that they had.
const MAX_PIECES: usize = 64;

/// Where epoch times come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockSource {
    /// The stream says (EXT-X-PROGRAM-DATE-TIME).
    ProgramDateTime,
    /// When the first of it arrived here, by this machine's clock.
    Arrival,
}

/// A stretch of the map from position to epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Piece {
    position: f64,
    epoch: f64,
    /// Seconds that are made up for in the next [`SMOOTHING`] seconds.
    correction: f64,
}

impl Piece {
    fn at(&self, position: f64) -> f64 {
        let passed = position - self.position;
        self.epoch + passed + self.correction * (passed / SMOOTHING).clamp(0.0, 1.0)
    }
}

/// A time stamp of a stream with its time: what another worker needs to continue the clock of a stream without dates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClockAnchor {
    /// Time stamp of a frame as the container has it (PTS, `tfdt`), seconds.
    pub stamp: f64,
    /// Seconds after which time stamps begin at 0 again, if they do.
    pub wrap: Option<f64>,
    /// Time of that frame, seconds since 1970.
    pub epoch: f64,
}

impl ClockAnchor {
    /// The time of a frame with this time stamp, if that is near `estimate`. Time stamps that begin again give times that
    /// are far from it.
    fn epoch_of(&self, stamp: f64, estimate: f64) -> Option<f64> {
        let epoch = self.epoch + stamp - self.stamp;
        let wrap = self.wrap.filter(|wrap| *wrap > 0.0);
        let epoch = wrap.map_or(epoch, |wrap| epoch + wrap * ((estimate - epoch) / wrap).round());
        ((epoch - estimate).abs() <= MAX_ANCHOR_ERROR_SECONDS).then_some(epoch)
    }
}

/// Maps positions, seconds from the stream's first sample, to seconds since 1970; later positions never get earlier times.
///
/// A jump forward of the stream's own times is followed. When they are set back, the time goes on from where it was, and
/// [`Clock::set_back`] tells the difference.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Clock {
    pieces: VecDeque<Piece>,
    source: Option<ClockSource>,
    set_back: f64,
    arrival_offset: Option<f64>,
    /// Arrivals since the estimate was made.
    arrivals: Option<Arrivals>,
    /// Where the clock of an earlier worker continues, until the first audio.
    inherited: Option<ClockAnchor>,
    /// Whether it continues the clock of an earlier worker.
    continued: bool,
    /// By how much the segment before was beyond [`JITTER`].
    suspect: Option<f64>,
}

impl Clock {
    /// The epoch time of a position; nothing before the first sound. Positions some minutes back are exact.
    #[must_use]
    pub fn epoch(&self, position: f64) -> Option<f64> {
        let behind = self.pieces.partition_point(|piece| piece.position <= position);
        self.pieces.get(behind.saturating_sub(1)).map(|piece| piece.at(position))
    }

    /// Returns true if every worker of the stream has this clock.
    pub(super) fn is_shared(&self) -> bool {
        self.continued || self.source == Some(ClockSource::ProgramDateTime)
    }

    /// Where the times come from; nothing before the first sound.
    #[must_use]
    pub fn source(&self) -> Option<ClockSource> {
        self.source
    }

    /// Seconds from the time that the stream gives for the newest segment's end to when it was first seen here, by
    /// this machine's clock: the delay of the stream, plus the difference of both clocks.
    #[must_use]
    pub fn arrival_offset(&self) -> Option<f64> {
        self.arrival_offset
    }

    /// Seconds by which times given here are later than those of the stream, because those ran back.
    #[must_use]
    pub fn set_back(&self) -> f64 {
        self.set_back
    }

    /// The stream says when a position was; `certain` where it is known to begin anew.
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
            // Not a rounding earlier than what was told.
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

    /// A position arrived here at `time`, and its frame has this time stamp. That counts if nothing better is known, and if
    /// time was lost before it; `certain` after a connection was lost.
    pub(super) fn arrival(&mut self, position: f64, time: f64, certain: bool, stamp: Option<f64>) {
        if self.source == Some(ClockSource::ProgramDateTime) {
            return;
        }
        // There is a time as soon as there is sound, whatever it came with.
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

    /// A position of a live stream was received at `time`, so it is no newer. `steady` for sources that send evenly, where
    /// lasting lateness counts too; segments come in steps.
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

    /// When a segment was seen here whose end the stream says to be at `end`.
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

/// Whether a number of seconds can be a time of day.
pub(super) fn is_time(seconds: f64) -> bool {
    (-FAR..=FAR).contains(&seconds)
}

#[cfg(test)]
mod tests;
