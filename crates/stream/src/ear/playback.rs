//! Frames in their order to sounds: placed in time, decoded, given out.

use refrain_core::audio::ts::FrameFormat;
use refrain_core::audio::{FrameError, LiveDecoder, SAMPLE_RATE};

use super::clock::Clock;
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

/// Longest that one gap or segment is believed to be, seconds: a day.
const MAX_GAP: f64 = 86_400.0;

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
    /// When it was here, less its length: no earlier than it was made.
    pub(super) arrival: f64,
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
    given: u64,
    /// What is missing before the next frame, by reason.
    missing: [Gaps; GapReason::ALL.len()],
    /// What the next frame is marked with, and seconds that have passed since.
    mark: Option<(Mark, f64)>,
    /// Frames that came, repeated ones included, and frames that were decoded.
    frames: (u64, u64),
}

impl Playback {
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
        self.decoder.reset();
    }

    /// Media is missing here.
    pub(super) fn miss(&mut self, reason: GapReason, seconds: f64) {
        if let Some(missing) = self.missing.get_mut(reason as usize)
            && seconds.is_finite()
        {
            missing.count += 1;
            missing.seconds += seconds.clamp(0.0, MAX_GAP);
        }
    }

    /// Takes a frame.
    pub(super) fn hear(&mut self, frame: Frame<'_>, sink: Sink<'_>) {
        self.frames.0 += 1;
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
        self.anchor(head + gap);
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
        self.begin();
        let gap = self.waiting();
        self.anchor(seconds(self.head()) + gap);
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
    fn head(&self) -> u64 {
        self.given + self.decoder.ready().len() as u64 + self.decoder.held()
    }

    fn waiting(&self) -> f64 {
        self.missing.iter().map(|missing| missing.seconds).sum()
    }

    /// Notes that part of what was marked is over, and was not heard.
    fn pass(&mut self, seconds: f64) {
        if let Some((_, passed)) = &mut self.mark {
            *passed += seconds;
        }
    }

    /// Sets the clock by the mark, for a frame at this position.
    fn anchor(&mut self, position: f64) {
        let Some((mark, passed)) = self.mark.take() else { return };
        match mark.program_date_time {
            Some(time) => self.clock.program_date_time(position, time + passed, mark.certain),
            None => self.clock.arrival(position, mark.arrival + passed, mark.certain),
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

    /// Gives out `gap` seconds as missing, for the reasons that are known, and lets `rest` seconds wait on.
    fn leave_out(&mut self, gap: f64, rest: f64, sink: Sink<'_>) {
        let waiting = self.waiting();
        if gap > 0.0 {
            self.decoder.finish();
            self.give(sink);
            self.decoder.reset();
            if waiting == 0.0 {
                self.give_gap(GapReason::Lost, Gaps { count: 1, seconds: gap }, sink);
            }
            for reason in GapReason::ALL {
                let part = self.missing.get(reason as usize).copied().unwrap_or_default();
                if part.seconds > 0.0 {
                    let share = Gaps { seconds: gap * part.seconds / waiting, ..part };
                    self.give_gap(reason, share, sink);
                }
            }
        }
        for part in &mut self.missing {
            *part =
                Gaps { count: 0, seconds: if waiting > 0.0 { part.seconds * rest / waiting } else { 0.0 } };
        }
    }

    fn give_gap(&mut self, reason: GapReason, gap: Gaps, sink: Sink<'_>) {
        let length = samples(gap.seconds);
        if length > 0 {
            self.report.gaps.add(reason, Gaps { seconds: seconds(length), ..gap });
            sink(self.sound(Media::Gap { samples: length, reason }));
            self.given += length;
        }
    }

    fn give(&mut self, sink: Sink<'_>) {
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

    fn sound<'a>(&self, media: Media<'a>) -> Sound<'a> {
        // There is a time before there is sound: each frame is preceded by a mark.
        let epoch = self.clock.epoch(seconds(self.given)).unwrap_or_default();
        Sound { position: self.given, epoch, ad: self.ad, media }
    }
}
