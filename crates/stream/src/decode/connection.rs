//! Placement of the first frames of a connection: the part of [`Playback`] for live streams without segments. See
//! [`join`](super::join) for the reason why these frames are held back.

use super::frame::{Frame, TimeMark};
use super::last_arrival::LastArrival;
use super::playback::{Playback, SoundSink};
use super::sound::{samples, seconds};
use crate::delivery::GapReason;

/// Smallest time between the audio before and after a reconnect that counts as a gap, in seconds: about four frames,
/// the jitter of arrivals. At half this value, jitter inserts a gap at each reconnect; at twice this value, up to 0.2 s
/// of missing audio shifts all later positions.
const MIN_GAP_SECONDS: f64 = 0.1;

/// Shortest repetition, in seconds, that is left out if only arrival times and no equal frames show it. A shorter one
/// may be jitter of arrivals. At half this value, jitter removes new audio; at twice this value, up to a second of
/// audio is decoded twice after a reconnect to a server that encodes each connection separately.
const MIN_REPEATED_SECONDS: f64 = 0.5;

/// Shortest time without data on an open connection, in seconds, that counts as a pause of the station itself. Stations
/// send pieces several times a second. At half this value, a slow network looks like a pause of the station; at twice
/// this value, a pause of 1 to 2 s is reported as missing audio.
const MIN_SILENCE_SECONDS: f64 = 1.0;

impl Playback {
    /// Records that all audio so far of a live stream without segments had arrived by `time`, seconds since 1970. If
    /// audio is held back at the start of a connection, and the burst of the connection has ended or a limit of
    /// [`join`](super::join) is exceeded, places that audio.
    pub(super) fn arrived(&mut self, time: f64, sink: SoundSink<'_>) {
        match &mut self.join {
            // While audio is held back, its time is not known, so its arrivals must not correct the clock.
            Some(join) => {
                join.arrived(time);
                if join.is_settled() {
                    self.place_connection(sink);
                    self.note_arrival(time);
                }
            }
            None => {
                let head = self.head();
                let more = self.last_arrival.is_none_or(|last| last.head != head);
                // An arrival without new audio gives no bound: its position was received earlier.
                if more {
                    self.clock.received(seconds(head), time, true);
                }
                self.note_arrival(time);
            }
        }
    }

    /// Records that all placed audio had arrived by `time`, in seconds since 1970. If no audio was placed since the
    /// last call, records that no further audio arrived until `time`.
    fn note_arrival(&mut self, time: f64) {
        let head = self.head();
        match &mut self.last_arrival {
            Some(last) if last.head == head => last.until = time,
            last => *last = Some(LastArrival { head, time, until: time }),
        }
    }

    /// Places the audio that is held back at the start of a connection: after the earlier audio or a gap, without
    /// repeated frames.
    pub(super) fn place_connection(&mut self, sink: SoundSink<'_>) {
        let Some(join) = self.join.take_if(|join| !join.is_empty()) else { return };
        let (start, head) = (join.start(), seconds(self.head()));
        let mut repeated = 0;
        match self.clock.epoch(head).filter(|_| self.head() > 0) {
            None => {
                self.mark(TimeMark::connected_at(start));
            }
            Some(now) => {
                // Received audio cannot be newer than its arrival, even if the source sends faster than it plays. While
                // a connection was open without delivering data, the station itself had paused.
                let (last, ended) = join.before.unwrap_or((now, now));
                let silence = (ended - last).max(0.0);
                let missing = start - now.min(last) - silence;
                // A station that paused continues its program after the pause, even if the reconnect took a moment.
                let was_paused = silence > MIN_SILENCE_SECONDS;
                let min_gap = if was_paused { MIN_SILENCE_SECONDS } else { MIN_GAP_SECONDS };
                if was_paused {
                    self.mark(TimeMark::connected_at(start));
                }
                match self.recent.overlap(&join.frames, -missing) {
                    Some(frames) => {
                        repeated = frames;
                        // The first new frame continues the last one exactly, so the decoder keeps its overlap and the
                        // output has no click.
                        self.reset_due = false;
                    }
                    None if missing > min_gap => self.miss(GapReason::Missed, missing),
                    None if missing < -MIN_REPEATED_SECONDS => self.repeated = -missing,
                    None => {}
                }
            }
        }
        for (index, buffered) in join.frames.iter().enumerate() {
            // Their hashes show that these frames were received before, so no time stamp is needed.
            if index < repeated {
                self.report.repeated_seconds += buffered.seconds;
            } else {
                self.place(buffered.frame(), sink);
            }
        }
        if !join.samples.is_empty() {
            self.process_samples(&join.samples, sink);
        }
    }

    /// Returns true if a frame must be left out: it belongs to repeated audio, or it was received before on a live stream
    /// without segments. Otherwise stores its hash for the latter.
    pub(super) fn is_repeated(&mut self, frame: &Frame<'_>) -> bool {
        if self.is_live && self.recent.repeats(frame.data) {
            return true;
        }
        // The limit is half a frame: the remaining duration is then nearer to one more frame than to none.
        if self.repeated > frame.seconds / 2.0 {
            self.repeated -= frame.seconds;
            return true;
        }
        self.repeated = 0.0;
        // Only the hashes of placed frames are stored, so that the history is the stream in its order.
        if self.is_live {
            self.recent.push(frame.data);
        }
        false
    }

    /// Returns the decoded audio `sound` without its repeated start. The result is empty if all of it is repeated.
    pub(super) fn without_repeated<'a>(&mut self, sound: &'a [f32]) -> &'a [f32] {
        let skipped = sound.len().min(usize::try_from(samples(self.repeated)).unwrap_or(usize::MAX));
        let length = seconds(skipped as u64);
        self.report.repeated_seconds += length;
        self.repeated = if skipped < sound.len() { 0.0 } else { self.repeated - length };
        sound.get(skipped..).unwrap_or_default()
    }
}
