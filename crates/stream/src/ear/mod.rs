//! One stream's bytes to timed sound: demuxed, decoded, resampled, placed.
//!
//! ```text
//! Delivery ─► content told by its bytes ─► TsDemuxer · FrameSplitter · fragments of MP4 ─► frames
//!    frame ─► Timeline: next, after a gap, repeated? ─► LiveDecoder ─► Sound
//! ```
//!
//! One [`Ear`] lives as long as its stream, across all segments, so frames may straddle them and nothing clicks where
//! they meet. Positions count samples from the stream's first one and never jump; what is missing is a gap of the right
//! length, as the time stamps behind it tell. [`Clock`] maps positions to the time of day.
//!
//! An ear works where it is called, waits for nothing and fails at nothing: what cannot be read is counted.

mod arrival;
mod clock;
mod connection;
mod demux;
mod fmp4;
mod fragments;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod id3;
mod join;
mod meter;
mod missing;
mod playback;
mod report;
mod sound;
mod timeline;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, Gap, GapReason, LiveAudio, LiveChunk, Segment};
use crate::gaps::Gaps;
use demux::{Content, Demux};
use join::Join;
use playback::{Mark, Playback, Sink};

pub use clock::{Clock, ClockAnchor, ClockSource};
pub use report::{EarReport, Title};
pub use sound::{Media, Sound};

/// Shortest segment that counts as unreadable when no frame is in it, seconds: a few frames.
const SHORTEST: f64 = 0.1;

/// How an ear works.
#[derive(Debug, Clone)]
pub struct EarSettings {
    /// The time of day, seconds since 1970; asked only for streams that have no segments, when their first byte comes.
    /// Default: this machine's clock.
    pub wall_clock: fn() -> f64,
}

impl Default for EarSettings {
    fn default() -> Self {
        Self { wall_clock: || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() }
    }
}

/// Hears one stream.
#[derive(Debug)]
pub struct Ear {
    settings: EarSettings,
    demux: Demux,
    playback: Playback,
    /// Whether the next bytes are the first of a connection.
    connected: bool,
    /// Time of day that the caller gave for the current delivery, seconds since 1970.
    now: Option<f64>,
}

/// What an [`Ear`] needs to continue a stream whose earlier ear is lost with its process.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EarState {
    /// Samples at 44.1 kHz from the stream's first one to the end of what was given.
    pub position: u64,
    /// The map from position to time of day.
    pub clock: Clock,
    /// What became of the stream so far.
    pub report: EarReport,
}

impl Ear {
    /// An ear for one stream, at its start.
    #[must_use]
    pub fn new(settings: EarSettings) -> Self {
        Self { settings, demux: Demux::default(), playback: Playback::default(), connected: true, now: None }
    }

    /// An ear that continues at a position. The first audio follows what was given before, unless its time stamps or its time
    /// of day show a gap.
    #[must_use]
    pub fn resume(settings: EarSettings, state: EarState) -> Self {
        let EarState { position, clock, report } = state;
        let playback = Playback::at(position, clock, report);
        Self { settings, demux: Demux::default(), playback, connected: true, now: None }
    }

    /// The state after the last delivery.
    #[must_use]
    pub fn state(&self) -> EarState {
        let Playback { given, clock, report, .. } = &self.playback;
        EarState { position: *given, clock: clock.clone(), report: report.clone() }
    }

    /// Does the same as [`Self::hear`] for a delivery that was received at `now`, seconds since 1970, by another process.
    pub fn hear_at(&mut self, delivery: Delivery, now: f64, sink: impl FnMut(Sound<'_>)) {
        self.now = Some(now);
        self.hear(delivery, sink);
        self.now = None;
    }

    /// Takes what comes next, and gives what is to be heard of it to `sink`, in order.
    pub fn hear(&mut self, delivery: Delivery, mut sink: impl FnMut(Sound<'_>)) {
        let sink: Sink<'_> = &mut sink;
        match delivery {
            Delivery::Segment(segment) => self.segment(&segment, sink),
            Delivery::Bytes(bytes) => {
                self.connect(sink);
                self.demux.bytes(&bytes, &mut self.playback, sink);
            }
            Delivery::Live(chunk) => self.live(&chunk, sink),
            Delivery::Decoded(sound) => {
                self.connect(sink);
                self.playback.hear_decoded(&sound, sink);
            }
            Delivery::Title(text) => {
                let position = sound::seconds(self.playback.position());
                self.playback.report.title = Some(Title { text, position });
            }
            Delivery::Gap(gap) => self.gap(&gap, sink),
            Delivery::Reconnected => {
                self.demux.end(&mut self.playback, sink);
                self.playback.join_up(sink);
                self.playback.report.discontinuities += 1;
                self.connected = true;
            }
        }
        self.demux.count(&mut self.playback.report);
        self.playback.settle(sink);
    }

    /// Ends the stream: gives what is held back.
    pub fn finish(&mut self, mut sink: impl FnMut(Sound<'_>)) {
        let sink: Sink<'_> = &mut sink;
        self.demux.end(&mut self.playback, sink);
        self.playback.join_up(sink);
        self.demux.count(&mut self.playback.report);
        self.playback.finish(sink);
    }

    /// Continues the clock of an earlier worker of this stream. Has no effect after the first audio.
    pub fn continue_clock(&mut self, anchor: ClockAnchor) {
        self.playback.clock.inherit(anchor);
    }

    /// A time stamp with its time, from which another worker can continue the clock; `None` where the stream has no time
    /// stamps, or dates, which are the same for every worker.
    #[must_use]
    pub fn clock_anchor(&self) -> Option<ClockAnchor> {
        self.playback.clock_anchor()
    }

    /// Counts sound that is missing or repeated, seconds, although no time stamp shows it.
    pub fn count_splice(&mut self, seconds: f64) {
        self.playback.report.gaps.add(GapReason::Spliced, Gaps { count: 1, seconds });
    }

    /// What became of the stream so far.
    #[must_use]
    pub fn report(&self) -> &EarReport {
        &self.playback.report
    }

    /// The map from position to time of day.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.playback.clock
    }

    /// Samples at 44.1 kHz from the stream's first one to the end of what came. Some of them may not be given yet.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.playback.position()
    }

    /// What comes next is not of the connection before.
    fn end_live(&mut self, sink: Sink<'_>) {
        if std::mem::take(&mut self.playback.is_live) {
            self.playback.join_up(sink);
            self.playback.join = None;
            self.connected = true;
        }
    }

    fn segment(&mut self, segment: &Segment, sink: Sink<'_>) {
        self.end_live(sink);
        self.playback.report.segments += 1;
        if segment.discontinuity {
            self.demux.end(&mut self.playback, sink);
            self.playback.report.discontinuities += 1;
        }
        self.playback.ad = segment.ad;
        let backlog = segment.backlog.unwrap_or_default();
        self.playback.mark(Mark {
            program_date_time: segment.program_date_time.filter(|time| clock::is_time(*time)),
            arrival: segment.seen - backlog - segment.seconds,
            live: segment.backlog.is_some(),
            certain: segment.discontinuity,
        });
        if let Some(start) = segment.program_date_time {
            self.playback.clock.seen(start + segment.seconds, segment.seen - backlog);
        }
        let (frames, decoded) = self.playback.frames();
        let content = self.demux.content(segment);
        let is_media = matches!(content, Content::Media(_));
        match content {
            Content::Media(media) => self.demux.segment(media, segment, &mut self.playback, sink),
            Content::Nothing => self.demux.interrupt(&mut self.playback, sink),
        }
        let (frames_now, decoded_now) = self.playback.frames();
        // The end of a frame that only began in a part is in the next one.
        if segment.part && is_media {
            return;
        }
        if frames_now == frames {
            // It waits: the time stamps behind it tell whether and how much is missing.
            self.playback.miss(GapReason::Unreadable, segment.seconds);
        }
        if frames_now == frames || decoded_now == decoded && segment.seconds > SHORTEST {
            self.playback.report.unreadable_segments += 1;
        }
    }

    fn gap(&mut self, gap: &Gap, sink: Sink<'_>) {
        self.demux.interrupt(&mut self.playback, sink);
        self.playback.join_up(sink);
        if let Some(time) = gap.program_date_time {
            let position = sound::seconds(self.playback.position());
            self.playback.clock.program_date_time(position, time, false);
        }
        self.playback.miss(gap.reason, gap.seconds);
    }

    /// Takes audio of a live stream without segments.
    fn live(&mut self, chunk: &LiveChunk, sink: Sink<'_>) {
        if !clock::is_time(chunk.arrived) {
            return;
        }
        if std::mem::take(&mut self.connected) {
            self.playback.join =
                Some(Join::new(chunk.arrived, self.playback.last_arrival.map(|last| last.span())));
            self.playback.is_live = true;
        }
        match &chunk.audio {
            LiveAudio::Bytes(bytes) => self.demux.bytes(bytes, &mut self.playback, sink),
            LiveAudio::Samples(samples) => self.playback.hear_decoded(samples, sink),
        }
        self.playback.arrived(chunk.arrived, sink);
    }

    /// Marks the first bytes of a connection with the time of day.
    fn connect(&mut self, sink: Sink<'_>) {
        self.end_live(sink);
        if std::mem::take(&mut self.connected) {
            let arrival = self.now.unwrap_or_else(self.settings.wall_clock);
            self.playback.mark(Mark { program_date_time: None, arrival, live: false, certain: true });
        }
    }
}
