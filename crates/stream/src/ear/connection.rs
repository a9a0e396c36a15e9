//! Where the first frames of a connection belong: the part of [`Playback`] that is for live streams without segments.

use super::playback::{Frame, Mark, Playback, Sink};
use super::sound::{samples, seconds};
use crate::delivery::GapReason;

/// A difference of clocks from which a reconnect counts as a gap, seconds.
const MIN_GAP_SECONDS: f64 = 0.1;

/// Audio that a clock alone shows to be repeated is left out from this length on, seconds. Below it the jitter of arrivals
/// may be all there is.
const MIN_REPEATED_SECONDS: f64 = 0.5;

/// Silence of an open connection from which on the station counts as standing still, seconds.
const MIN_SILENCE_SECONDS: f64 = 1.0;

/// The last arrival of audio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LastArrival {
    /// Samples of the stream by then.
    head: u64,
    /// When it was, seconds since 1970.
    time: f64,
    /// Until when nothing more arrived, as far as is known.
    until: f64,
}

impl LastArrival {
    /// When the last audio arrived, and until when nothing more did.
    pub(super) fn span(&self) -> (f64, f64) {
        (self.time, self.until)
    }
}

impl Playback {
    /// Everything so far of a live stream had arrived at `time`.
    pub(super) fn arrived(&mut self, time: f64, sink: Sink<'_>) {
        match &mut self.join {
            Some(join) => {
                join.arrived(time);
                if join.is_settled() {
                    self.join_up(sink);
                    self.note_arrival(time);
                }
            }
            None => {
                let head = self.head();
                let more = self.last_arrival.is_none_or(|last| last.head != head);
                if more {
                    self.clock.received(seconds(head), time, true);
                }
                self.note_arrival(time);
            }
        }
    }

    /// Notes that everything placed so far had arrived at `time`, or that nothing more had.
    fn note_arrival(&mut self, time: f64) {
        let head = self.head();
        match &mut self.last_arrival {
            Some(last) if last.head == head => last.until = time,
            last => *last = Some(LastArrival { head, time, until: time }),
        }
    }

    /// Places what is held back of a connection.
    pub(super) fn join_up(&mut self, sink: Sink<'_>) {
        let Some(join) = self.join.take_if(|join| !join.is_empty()) else { return };
        let (start, head) = (join.start(), seconds(self.head()));
        let mut repeated = 0;
        match self.clock.epoch(head).filter(|_| self.head() > 0) {
            None => self.mark(Mark { program_date_time: None, arrival: start, live: false, certain: true }),
            Some(now) => {
                // Audio that was received is no newer than its arrival, even if the source sends faster than it plays. While a
                // connection was open and gave nothing, the station itself stood still.
                let (last, ended) = join.before.unwrap_or((now, now));
                let silence = (ended - last).max(0.0);
                let missing = start - now.min(last) - silence;
                // A station that stood still goes on where it was, also if the new connection took a moment.
                let stood_still = silence > MIN_SILENCE_SECONDS;
                let least_gap = if stood_still { MIN_SILENCE_SECONDS } else { MIN_GAP_SECONDS };
                if stood_still {
                    self.mark(Mark { program_date_time: None, arrival: start, live: false, certain: true });
                }
                match self.recent.overlap(&join.frames, -missing) {
                    Some(frames) => {
                        repeated = frames;
                        self.reset_due = false;
                    }
                    None if missing > least_gap => self.miss(GapReason::Missed, missing),
                    None if missing < -MIN_REPEATED_SECONDS => self.repeated = -missing,
                    None => {}
                }
            }
        }
        for (index, held) in join.frames.iter().enumerate() {
            if index < repeated {
                self.report.repeated_seconds += held.seconds;
            } else {
                self.place(held.frame(), sink);
            }
        }
        if !join.samples.is_empty() {
            self.hear_decoded(&join.samples, sink);
        }
    }

    /// Returns true if a frame of a live stream was received before. Remembers it otherwise.
    pub(super) fn is_repeated(&mut self, frame: &Frame<'_>) -> bool {
        if !self.is_live {
            return false;
        }
        if self.recent.repeats(frame.data) {
            return true;
        }
        if self.repeated > frame.seconds / 2.0 {
            self.repeated -= frame.seconds;
            return true;
        }
        self.repeated = 0.0;
        self.recent.push(frame.data);
        false
    }

    /// Decoded audio without its repeated start.
    pub(super) fn without_repeated<'a>(&mut self, sound: &'a [f32]) -> &'a [f32] {
        let skipped = sound.len().min(usize::try_from(samples(self.repeated)).unwrap_or(usize::MAX));
        let length = seconds(skipped as u64);
        self.report.repeated_seconds += length;
        self.repeated = if skipped < sound.len() { 0.0 } else { self.repeated - length };
        sound.get(skipped..).unwrap_or_default()
    }
}
