//! Placement of frames in time, decoding, and output of audio and gaps.

use refrain_core::audio::{ClockSource, FrameError, LiveDecoder, SAMPLE_RATE};

use super::clock::{ClockAnchor, StreamClock};
use super::frame::{Frame, TimeMark};
use super::join::{ConnectionStart, RecentFrames};
use super::last_arrival::LastArrival;
use super::meter::LevelMeter;
use super::report::DecoderReport;
use super::sound::{Media, Sound, samples, seconds};
use super::timeline::{FramePlacement, StampTimeline};
use crate::delivery::GapReason;
use crate::gaps::Gaps;

/// Number of decoded samples at which they are emitted before the end of a delivery: 0.19 s. At half this value, the
/// fingerprinter is called twice as often; at twice this value, a child process holds more samples of each stream.
const CHUNK_SAMPLES: usize = 8_192;

/// Maximum duration of missing media, in seconds, that is held back until the time stamps after it show its exact
/// length. Missing media beyond this duration is emitted at once, so that the output does not stall. At half this
/// value, a missing segment of 6 s is a gap of the rounded length in the playlist; at twice this value, events stall
/// for 20 s in an outage.
const MAX_WAITING_SECONDS: f64 = 10.0;

/// Callback that receives the decoded audio and the gaps, in order.
pub(super) type SoundSink<'a> = &'a mut dyn FnMut(Sound<'_>);

/// Processes the frames of the demuxer: places them in time, decodes them, and emits audio and gaps.
#[derive(Debug, Default)]
pub(super) struct Playback {
    pub(super) decoder: LiveDecoder,
    pub(super) timeline: StampTimeline,
    pub(super) clock: StreamClock,
    pub(super) report: DecoderReport,
    pub(super) ad: bool,
    meter: LevelMeter,
    /// Samples at 44.1 kHz emitted so far, gaps included.
    pub(super) emitted: u64,
    /// Missing media before the next frame, by reason.
    pub(super) missing: [Gaps; GapReason::ALL.len()],
    /// Mark of the next frame, and seconds of frames that were skipped since the mark was set; `None` if the next frame
    /// has no mark.
    mark: Option<(TimeMark, f64)>,
    /// Number of frames received, repeated ones included, and number of frames decoded.
    frames: (u64, u64),
    /// The last time stamp and its position, in seconds; `None` if none exists since the time stamps restarted.
    stamp: Option<(f64, f64)>,
    /// The start of a connection of a live stream without segments. While it is set, new audio is held back in it.
    pub(super) join: Option<ConnectionStart>,
    /// Hashes of the last frames of a live stream without segments.
    pub(super) recent: RecentFrames,
    /// Seconds of repeated audio that are still to be left out.
    pub(super) repeated: f64,
    /// True for a live stream without segments.
    pub(super) is_live: bool,
    /// Last arrival of audio of a live stream without segments; `None` before the first one.
    pub(super) last_arrival: Option<LastArrival>,
    /// True if the decoder must be reset, because the next frame does not continue the one before.
    pub(super) reset_due: bool,
}

impl Playback {
    /// Creates a playback that continues at `position`, in samples at 44.1 kHz since the first sample of the stream.
    pub(super) fn at(position: u64, clock: StreamClock, report: DecoderReport) -> Self {
        Self { emitted: position, clock, report, ..Self::default() }
    }

    /// Sets the mark of the next frame.
    pub(super) fn mark(&mut self, mark: TimeMark) {
        self.mark = Some((mark, 0.0));
    }

    /// Returns the mark of the next frame, and the seconds of frames that were skipped since it was set.
    pub(super) fn next_mark(&self) -> Option<(TimeMark, f64)> {
        self.mark
    }

    /// Returns the number of frames received and of frames decoded so far.
    pub(super) fn frames(&self) -> (u64, u64) {
        self.frames
    }

    /// Returns the end of the received media in samples at 44.1 kHz, including gaps that are not emitted yet.
    pub(super) fn position(&self) -> u64 {
        let head = self.head();
        head + if head > 0 { samples(self.waiting()) } else { 0 }
    }

    /// Replaces the timeline, because time stamps restart with the next frame.
    pub(super) fn restart(&mut self, timeline: StampTimeline) {
        self.timeline = timeline;
        self.stamp = None;
        self.reset_due = true;
    }

    /// Returns a time stamp with its time, for another worker. Returns `None` if the stream has dates or no time
    /// stamps.
    pub(super) fn clock_anchor(&self) -> Option<ClockAnchor> {
        let (stamp, position) = self.stamp.filter(|_| self.clock.source() == Some(ClockSource::Arrival))?;
        let epoch = self.clock.epoch(position)?;
        Some(ClockAnchor { stamp, wrap: self.timeline.wrap(), epoch })
    }

    /// Processes a frame. At the start of a connection of a live stream without segments, the frame is held back.
    pub(super) fn process(&mut self, frame: Frame<'_>, sink: SoundSink<'_>) {
        self.frames.0 += 1;
        if let Some(join) = &mut self.join {
            return join.hold(frame);
        }
        self.place(frame, sink);
    }

    /// Places a frame in the stream and decodes it. Leaves out a repeated frame.
    pub(super) fn place(&mut self, frame: Frame<'_>, sink: SoundSink<'_>) {
        self.begin();
        let waiting = self.compare_date();
        if self.is_repeated(&frame) {
            self.report.repeated_seconds += frame.seconds;
            // A server sends old audio at the start of a connection at once, so it does not delay the new audio.
            if !self.is_live {
                self.pass(frame.seconds);
            }
            return;
        }
        if std::mem::take(&mut self.reset_due) {
            self.decoder.reset();
        }
        let head = seconds(self.head());
        let place = match frame.time {
            Some(time) => self.timeline.place(time, head, waiting, frame.after_loss),
            None if waiting > 0.0 => FramePlacement::After(waiting),
            None => FramePlacement::Next,
        };
        let gap = match place {
            FramePlacement::Repeated => {
                self.report.repeated_seconds += frame.seconds;
                return self.pass(frame.seconds);
            }
            FramePlacement::After(gap) => gap,
            FramePlacement::Restarted => {
                self.report.discontinuities += 1;
                self.decoder.reset();
                waiting
            }
            FramePlacement::Next => 0.0,
        };
        self.anchor(head + gap, frame.time);
        self.stamp = frame.time.map(|time| (time, head + gap)).or(self.stamp);
        self.emit_gaps(gap, 0.0, sink);
        // Counted after the gap, so that a report never includes frames after the emitted position.
        self.report.frames += 1;
        match self.decode(frame) {
            Ok(()) => {
                self.frames.1 += 1;
                self.place_health();
            }
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
                    missing.count = missing.count.saturating_sub(u64::from(!alone)); // one gap, however many frames
                }
                self.pass(frame.seconds);
            }
        }
        if self.decoder.ready().len() >= CHUNK_SAMPLES {
            self.emit(sink);
        }
    }

    /// Processes audio that the source has decoded: 44.1 kHz mono.
    pub(super) fn process_samples(&mut self, sound: &[f32], sink: SoundSink<'_>) {
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
        self.emit_gaps(gap, 0.0, sink);
        // `push` cannot fail for mono audio at 44.1 kHz.
        _ = self.decoder.push(sound, 1, SAMPLE_RATE);
        self.place_health();
    }

    /// Sets the position of the measured blocks that were completed by the last frame.
    fn place_health(&mut self) {
        let head = self.head();
        self.decoder.place_health(head);
    }

    /// Emits the audio that is ready at the end of a delivery, and missing media beyond [`MAX_WAITING_SECONDS`].
    pub(super) fn settle(&mut self, sink: SoundSink<'_>) {
        let waiting = self.waiting();
        if waiting > MAX_WAITING_SECONDS && self.head() > 0 {
            self.emit_gaps(waiting - MAX_WAITING_SECONDS, MAX_WAITING_SECONDS, sink);
        }
        self.emit(sink);
    }

    /// Ends the stream and emits everything that remains.
    pub(super) fn finish(&mut self, sink: SoundSink<'_>) {
        let waiting = self.waiting();
        if self.head() > 0 {
            self.emit_gaps(waiting, 0.0, sink);
        }
        self.decoder.finish();
        self.emit(sink);
    }

    /// Discards the record of media missing before the first audio, because the stream starts with its first audio.
    fn begin(&mut self) {
        if self.head() == 0 {
            // Otherwise the position of the first sample would depend on what was missing before the stream was joined.
            self.missing = Default::default();
            self.timeline.forget();
        }
    }

    /// Returns the end of the placed audio in samples at 44.1 kHz since the first sample of the stream.
    pub(super) fn head(&self) -> u64 {
        self.emitted + self.decoder.ready().len() as u64 + self.decoder.buffered()
    }

    /// Records that `seconds` of media after the mark were skipped. The time of the mark is later by this duration for
    /// the next frame.
    fn pass(&mut self, seconds: f64) {
        if let Some((_, passed)) = &mut self.mark {
            *passed += seconds;
        }
    }

    /// Adjusts the clock by the mark, which is then cleared, for a frame at `position` (seconds). `stamp` is the time
    /// stamp of the frame in seconds, or `None` without one.
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

    /// Counts a change of format. Call it after a decoder was created; the first decoder is not counted.
    pub(super) fn note_format(&mut self) {
        self.report.format_changes += u64::from(self.frames.1 > 0);
    }

    pub(super) fn emit(&mut self, sink: SoundSink<'_>) {
        let ready = self.decoder.ready();
        if ready.is_empty() {
            return;
        }
        self.meter.push(ready, &mut self.report);
        let length = ready.len() as u64;
        sink(self.sound(Media::Samples(self.decoder.ready())));
        self.emitted += length;
        self.report.seconds += seconds(length);
        self.decoder.clear();
        let (codec, (rate, channels)) = (self.decoder.codec(), self.decoder.shape());
        let same = |(name, r, c): &(String, u32, usize)| name == codec && (*r, *c) == (rate, channels);
        if !self.report.format.as_ref().is_some_and(same) {
            self.report.format = Some((codec.to_owned(), rate, channels));
        }
    }

    pub(super) fn sound<'a>(&self, media: Media<'a>) -> Sound<'a> {
        // The clock has a time before there is audio, because a mark precedes each frame.
        let epoch = self.clock.epoch(seconds(self.emitted)).unwrap_or_default();
        let shared_clock = self.clock.is_shared();
        Sound { position: self.emitted, epoch, shared_clock, ad: self.ad, media }
    }
}
