//! Frames in their order to sounds: placed in time, decoded, given out.

use refrain_core::audio::ts::FrameFormat;
use refrain_core::audio::{FrameError, LiveDecoder, SAMPLE_RATE};

use super::clock::{Clock, ClockAnchor, ClockSource};
use super::connection::LastArrival;
use super::join::{Join, RecentFrames};
use super::meter::Meter;
use super::report::EarReport;
use super::sound::{Media, Sound, samples, seconds};
use super::timeline::{Place, Timeline};
use crate::delivery::GapReason;
use crate::gaps::Gaps;

/// Samples that are gathered before they are given out within one delivery.
const CHUNK: usize = 8_192;

/// Seconds of missing media that wait for the time stamps after them to say exactly how long they are. What is more is
/// given out, so that whoever listens does not stand still.
const MAX_WAITING: f64 = 10.0;

/// Who hears.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Sound<'_>);

/// A frame with what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) data: &'a [u8],
    /// What it holds; nothing if the decoder was made for its track.
    pub(super) format: Option<FrameFormat>,
    pub(super) seconds: f64,
    /// Its time stamp, seconds.
    pub(super) time: Option<f64>,
    /// Whether something was lost right before it.
    pub(super) after_loss: bool,
}

/// When the next frame is, by what came around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// EXT-X-PROGRAM-DATE-TIME.
    pub(super) program_date_time: Option<f64>,
    /// When it was received, less its length and that of what was listed behind it: no earlier than it was made.
    pub(super) arrival: f64,
    /// Whether it was received as soon as it was made, as far as the source can.
    pub(super) live: bool,
    /// Whether its times are known to begin anew.
    pub(super) certain: bool,
}

/// Everything behind the demuxer.
#[derive(Debug, Default)]
pub(super) struct Playback {
    pub(super) decoder: LiveDecoder,
    pub(super) timeline: Timeline,
    pub(super) clock: Clock,
    pub(super) report: EarReport,
    pub(super) ad: bool,
    meter: Meter,
    /// Samples given out so far, gaps included.
    pub(super) given: u64,
    /// What is missing before the next frame, by reason.
    pub(super) missing: [Gaps; GapReason::ALL.len()],
    /// What the next frame is marked with, and seconds that have passed since.
    mark: Option<(Mark, f64)>,
    /// Frames that came, repeated ones included, and frames that were decoded.
    frames: (u64, u64),
    /// The last time stamp and its position, seconds.
    stamp: Option<(f64, f64)>,
    /// The start of a connection of a live stream, whose frames are not placed yet.
    pub(super) join: Option<Join>,
    /// What connections of a live stream gave last.
    pub(super) recent: RecentFrames,
    /// Seconds of audio that are still to be left out as repeated.
    pub(super) repeated: f64,
    /// Whether it is a live stream without segments.
    pub(super) is_live: bool,
    /// When audio of a live stream arrived last.
    pub(super) last_arrival: Option<LastArrival>,
    /// Whether the next frame does not continue what the decoder has.
    pub(super) reset_due: bool,
}

impl Playback {
    /// Playback that continues at a position, in samples.
    pub(super) fn at(position: u64, clock: Clock, report: EarReport) -> Self {
        Self { given: position, clock, report, ..Self::default() }
    }

    /// Marks the next frame.
    pub(super) fn mark(&mut self, mark: Mark) {
        self.mark = Some((mark, 0.0));
    }

    /// Frames that came and frames that were decoded so far.
    pub(super) fn frames(&self) -> (u64, u64) {
        self.frames
    }

    /// Samples up to the end of what came, gaps that were not given yet included.
    pub(super) fn position(&self) -> u64 {
        let head = self.head();
        head + if head > 0 { samples(self.waiting()) } else { 0 }
    }

    /// Time stamps begin anew here.
    pub(super) fn restart(&mut self, timeline: Timeline) {
        self.timeline = timeline;
        self.stamp = None;
        self.reset_due = true;
    }

    /// A time stamp with its time, from which another worker can continue; `None` where dates or nothing is known.
    pub(super) fn clock_anchor(&self) -> Option<ClockAnchor> {
        let (stamp, position) = self.stamp.filter(|_| self.clock.source() == Some(ClockSource::Arrival))?;
        let epoch = self.clock.epoch(position)?;
        Some(ClockAnchor { stamp, wrap: self.timeline.wrap(), epoch })
    }

    /// Takes a frame. At the start of a connection of a live stream it is held back.
    pub(super) fn hear(&mut self, frame: Frame<'_>, sink: Sink<'_>) {
        self.frames.0 += 1;
        if let Some(join) = &mut self.join {
            return join.hold(frame);
        }
        self.place(frame, sink);
    }

    /// Places a frame in the stream and decodes it.
    pub(super) fn place(&mut self, frame: Frame<'_>, sink: Sink<'_>) {
        if self.is_repeated(&frame) {
            self.report.repeated_seconds += frame.seconds;
            return;
        }
        if std::mem::take(&mut self.reset_due) {
            self.decoder.reset();
        }
        self.begin();
        let (head, waiting) = (seconds(self.head()), self.waiting());
        let place = match frame.time {
            Some(time) => self.timeline.place(time, head, waiting, frame.after_loss),
            None if waiting > 0.0 => Place::After(waiting),
            None => Place::Next,
        };
        let gap = match place {
            Place::Repeated => {
                self.report.repeated_seconds += frame.seconds;
                return self.pass(frame.seconds);
            }
            Place::After(gap) => gap,
            Place::Anew => {
                self.report.discontinuities += 1;
                self.decoder.reset();
                waiting
            }
            Place::Next => 0.0,
        };
        self.anchor(head + gap, frame.time);
        self.stamp = frame.time.map(|time| (time, head + gap)).or(self.stamp);
        self.leave_out(gap, 0.0, sink);
        self.report.frames += 1;
        match self.decode(frame) {
            Ok(()) => self.frames.1 += 1,
            Err(error) => {
                self.report.decode_errors += 1;
                if let FrameError::Unsupported(codec) = error
                    && self.report.unsupported.as_ref() != Some(&codec)
                {
                    self.report.unsupported = Some(codec);
                }
                let alone = self.waiting() == 0.0;
                self.miss(GapReason::Unreadable, frame.seconds);
                if let Some(missing) = self.missing.get_mut(GapReason::Unreadable as usize) {
                    missing.count -= u64::from(!alone); // one gap, however many frames
                }
                self.pass(frame.seconds);
            }
        }
        if self.decoder.ready().len() >= CHUNK {
            self.give(sink);
        }
    }

    /// Takes sound that is decoded already: 44.1 kHz mono.
    pub(super) fn hear_decoded(&mut self, sound: &[f32], sink: Sink<'_>) {
        if let Some(join) = &mut self.join {
            return join.hold_samples(sound, seconds(sound.len() as u64));
        }
        let sound = self.without_repeated(sound);
        if sound.is_empty() {
            return;
        }
        self.begin();
        let gap = self.waiting();
        self.anchor(seconds(self.head()) + gap, None);
        self.leave_out(gap, 0.0, sink);
        // It fails for no sound of this rate.
        _ = self.decoder.push(sound, 1, SAMPLE_RATE);
    }

    /// Gives out what is ready at the end of a delivery.
    pub(super) fn settle(&mut self, sink: Sink<'_>) {
        let waiting = self.waiting();
        if waiting > MAX_WAITING && self.head() > 0 {
            self.leave_out(waiting - MAX_WAITING, MAX_WAITING, sink);
        }
        self.give(sink);
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self, sink: Sink<'_>) {
        let waiting = self.waiting();
        if self.head() > 0 {
            self.leave_out(waiting, 0.0, sink);
        }
        self.decoder.finish();
        self.give(sink);
    }

    /// What is missing before the first sound is before the stream's start.
    fn begin(&mut self) {
        if self.head() == 0 {
            self.missing = Default::default();
            self.timeline.forget();
        }
    }

    /// The end of what was taken, in samples.
    pub(super) fn head(&self) -> u64 {
        self.given + self.decoder.ready().len() as u64 + self.decoder.held()
    }

    /// Notes that part of what was marked is over, and was not heard.
    fn pass(&mut self, seconds: f64) {
        if let Some((_, passed)) = &mut self.mark {
            *passed += seconds;
        }
    }

    /// Sets the clock by the mark, for a frame at this position.
    fn anchor(&mut self, position: f64, stamp: Option<f64>) {
        let Some((mark, passed)) = self.mark.take() else { return };
        let arrival = mark.arrival + passed;
        match mark.program_date_time {
            Some(time) => self.clock.program_date_time(position, time + passed, mark.certain),
            None => self.clock.arrival(position, arrival, mark.certain, stamp),
        }
        if mark.live {
            self.clock.received(position, arrival, false);
        }
    }

    fn decode(&mut self, frame: Frame<'_>) -> Result<(), FrameError> {
        if let Some(format) = frame.format
            && self.decoder.use_frames(format)?
        {
            self.note_format();
        }
        self.decoder.decode(frame.data)
    }

    /// Counts a decoder that was made, unless it is the first.
    pub(super) fn note_format(&mut self) {
        self.report.format_changes += u64::from(self.frames.1 > 0);
    }

    pub(super) fn give(&mut self, sink: Sink<'_>) {
        let ready = self.decoder.ready();
        if ready.is_empty() {
            return;
        }
        self.meter.push(ready, &mut self.report);
        let length = ready.len() as u64;
        sink(self.sound(Media::Samples(self.decoder.ready())));
        self.given += length;
        self.report.seconds += seconds(length);
        self.decoder.clear();
        let (codec, (rate, channels)) = (self.decoder.codec(), self.decoder.shape());
        let same = |(name, r, c): &(String, u32, usize)| name == codec && (*r, *c) == (rate, channels);
        if !self.report.format.as_ref().is_some_and(same) {
            self.report.format = Some((codec.to_owned(), rate, channels));
        }
    }

    pub(super) fn sound<'a>(&self, media: Media<'a>) -> Sound<'a> {
        // There is a time before there is sound: each frame is preceded by a mark.
        let epoch = self.clock.epoch(seconds(self.given)).unwrap_or_default();
        let shared_clock = self.clock.is_shared();
        Sound { position: self.given, epoch, shared_clock, ad: self.ad, media }
    }
}
