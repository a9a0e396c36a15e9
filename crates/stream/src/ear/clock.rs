//! Position in a stream to time of day.

use std::collections::VecDeque;

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

/// Pieces that are kept, so that positions some minutes back have the time that they had.
const MAX_PIECES: usize = 64;

/// Where epoch times come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSource {
    /// The stream says (EXT-X-PROGRAM-DATE-TIME).
    ProgramDateTime,
    /// When the first of it arrived here, by this machine's clock.
    Arrival,
}

/// A stretch of the map from position to epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// Maps positions, seconds from the stream's first sample, to seconds since 1970; later positions never get earlier times.
///
/// A jump forward of the stream's own times is followed. When they are set back, the time goes on from where it was, and
/// [`Clock::set_back`] tells the difference.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    pieces: VecDeque<Piece>,
    source: Option<ClockSource>,
    set_back: f64,
    arrival_offset: Option<f64>,
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

    /// A position arrived here at `time`. That counts if nothing better is known, and if time was lost before it;
    /// `certain` after a connection was lost.
    pub(super) fn arrival(&mut self, position: f64, time: f64, certain: bool) {
        if self.source == Some(ClockSource::ProgramDateTime) {
            return;
        }
        // There is a time as soon as there is sound, whatever it came with.
        let time = if is_time(time) { time } else { 0.0 };
        self.source = Some(ClockSource::Arrival);
        let late = if certain { JITTER } else { LATE };
        if self.epoch(position).is_none_or(|now| time - now > late) {
            self.start(position, time);
        }
    }

    /// When a segment was seen here whose end the stream says to be at `end`.
    pub(super) fn seen(&mut self, end: f64, seen: f64) {
        self.arrival_offset = Some(seen - end).filter(|offset| offset.is_finite());
    }

    fn start(&mut self, position: f64, epoch: f64) {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(times: &[(f64, f64)]) -> Clock {
        let mut clock = Clock::default();
        times.iter().for_each(|&(position, time)| clock.program_date_time(position, time, false));
        clock
    }

    #[test]
    fn jitter_is_averaged_and_jumps_are_followed() {
        let jitter = |i: i32| if i % 2 == 0 { 0.3 } else { -0.3 };
        let times: Vec<_> =
            (0..100).map(|i| (2.0 * f64::from(i), 1e9 + 2.0 * f64::from(i) + jitter(i))).collect();
        let error = clock(&times).epoch(190.0).unwrap() - 1e9 - 190.0;
        assert!(error.abs() < 0.05, "{error}");
        let jumped = clock(&[(0.0, 1e9), (2.0, 1e9 + 2.0), (4.0, 1e9 + 104.0), (6.0, 1e9 + 106.0)]);
        assert_eq!(jumped.epoch(5.0), Some(1e9 + 5.0));
        assert_eq!(jumped.epoch(7.0), Some(1e9 + 107.0));
        let outlier = clock(&[(0.0, 1e9), (2.0, 1e9 + 99.0), (4.0, 1e9 + 4.0), (6.0, 1e9 + 99.0)]);
        assert_eq!(outlier.epoch(8.0), Some(1e9 + 8.0));
    }

    #[test]
    fn times_that_run_back_are_counted_on() {
        let back = clock(&[(0.0, 1e9), (2.0, 1e9 - 3_600.0), (4.0, 1e9 - 3_598.0), (6.0, 1e9 - 3_596.0)]);
        assert_eq!(back.epoch(6.0), Some(1e9 + 6.0));
        assert_eq!(back.set_back(), 3_602.0);
        let mut repaired = back;
        repaired.program_date_time(8.0, 1e9 + 50.0, true);
        assert_eq!((repaired.epoch(9.0), repaired.set_back()), (Some(1e9 + 51.0), 0.0));
    }

    #[test]
    fn what_is_no_time_changes_nothing() {
        let mut clock = clock(&[(0.0, 1e9)]);
        for time in [-4.8e270, f64::MAX, f64::MIN, f64::INFINITY, f64::NAN] {
            clock.program_date_time(1.0, time, true);
            clock.arrival(1.0, time, true);
            assert_eq!((clock.epoch(2.0), clock.set_back()), (Some(1e9 + 2.0), 0.0), "{time}");
        }
    }

    #[test]
    fn arrival_counts_until_the_stream_says_better() {
        let mut clock = Clock::default();
        assert_eq!(clock.epoch(0.0), None);
        clock.arrival(0.0, 1e9, false);
        clock.arrival(2.0, 1e9 + 11.9, false);
        assert_eq!((clock.epoch(3.0), clock.source()), (Some(1e9 + 3.0), Some(ClockSource::Arrival)));
        clock.arrival(4.0, 1e9 + 50.0, false);
        assert_eq!(clock.epoch(5.0), Some(1e9 + 51.0));
        clock.arrival(4.0, 1e9 + 60.0, true);
        assert_eq!(clock.epoch(5.0), Some(1e9 + 61.0));
        clock.program_date_time(6.0, 1e9 + 70.0, false);
        clock.arrival(8.0, 1e9 + 99.0, true);
        assert_eq!(
            (clock.epoch(9.0), clock.source()),
            (Some(1e9 + 73.0), Some(ClockSource::ProgramDateTime))
        );
        clock.seen(1e9 + 73.0, 1e9 + 80.5);
        assert_eq!(clock.arrival_offset(), Some(7.5));
    }

    proptest! {
        /// Whatever a stream says, later positions have later times, and times once told stay.
        #[test]
        fn time_never_runs_back(
            says in prop::collection::vec((0.1..10.0, -5_000.0..5_000.0, 0..9_u8, any::<bool>()), 1..80)
        ) {
            let (mut clock, mut position, mut latest) = (Clock::default(), 0.0, f64::MIN);
            for (step, jump, kind, certain) in says {
                let jump = if kind < 6 { jump / 10_000.0 } else { jump };
                match kind {
                    8 => clock.arrival(position, 1e9 + position + jump, certain),
                    _ => clock.program_date_time(position, 1e9 + position + jump, certain),
                }
                let told: Vec<_> = (0..20).map(|i| position + step * f64::from(i) / 20.0).collect();
                for at in told {
                    let Some(epoch) = clock.epoch(at) else { continue };
                    prop_assert!(epoch >= latest, "{epoch} after {latest} at {at}");
                    latest = epoch;
                }
                position += step;
            }
        }

        /// Times within a second of the truth keep the clock within a second of it, and steady ones make it exact.
        #[test]
        fn jitter_stays_small(jitter in prop::collection::vec(-0.5..0.5, 10..200), steady in 40..100_u32) {
            let mut clock = Clock::default();
            let mut position = 0.0;
            for off in jitter {
                clock.program_date_time(position, 1e9 + position + off, false);
                position += 2.0;
                prop_assert!((clock.epoch(position).unwrap() - 1e9 - position).abs() <= 0.51);
            }
            for _ in 0..5 * steady {
                clock.program_date_time(position, 1e9 + position, false);
                position += 2.0;
            }
            prop_assert!((clock.epoch(position).unwrap() - 1e9 - position).abs() < 0.01);
        }
    }
}
