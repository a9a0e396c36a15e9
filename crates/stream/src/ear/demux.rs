//! Bytes to frames, whatever they are packed in.

use std::collections::VecDeque;
use std::sync::Arc;

use refrain_core::audio::ts::{self, AudioFrame, FrameSplitter, PTS_CLOCK, TsDemuxer};

use super::fmp4;
use super::fragments::Fragments;
use super::id3::{self, Tagged};
use super::playback::{Frame, Playback, Sink};
use super::report::EarReport;
use super::timeline::Timeline;
use crate::delivery::{InitSection, Segment};

/// Bytes that are demuxed at a time: what a demuxer holds of a segment stays small.
const SLICE: usize = 8 << 10;

/// Bytes at the start of a segment that tell what it is.
const HEAD: usize = 8 << 10;

/// Bytes at the start of a stream without segments that tell what it is: the thinnest radio sends them in a second.
const START: usize = 2 << 10;

/// Bytes of a stream without segments that are searched for audio before they are given up.
const MAX_SEARCH: usize = 64 << 10;

/// Shortest piece of MPEG-TS that shows what it is, in bytes: five packets and what was lost of one.
const SHORT_TS: usize = 6 * 188;

/// Frames after a loss that wait for a time stamp: three seconds, more than lies between two stamps.
const MAX_UNSTAMPED: usize = 128;

/// What a segment holds, by its bytes.
pub(super) enum Content<'a> {
    Media(Media<'a>),
    /// No media: an error page, subtitles, encrypted bytes, nothing at all.
    Nothing,
}

/// Media in a segment.
#[derive(Clone, Copy)]
pub(super) enum Media<'a> {
    Ts,
    Mp4,
    Packed(Tagged<'a>, ts::AudioCoding),
}

/// What is being read.
#[derive(Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    Ts(Box<TsDemuxer>),
    Frames(FrameSplitter),
    Mp4(Fragments),
}

/// Demuxes a stream.
#[derive(Debug, Default)]
pub(super) struct Demux {
    kind: Kind,
    /// The section of MPEG-TS that was read.
    tables: Option<Arc<InitSection>>,
    /// The start of a stream without segments, until it is known what it is.
    head: Vec<u8>,
    /// Frames without time stamps, after a loss.
    unstamped: VecDeque<AudioFrame>,
    /// Damage that was counted in demuxers before this one: packets, frames.
    damage: (u64, u64),
    /// Damage that is in the report.
    reported: (u64, u64),
}

impl Demux {
    /// Tells what a segment holds.
    pub(super) fn content<'a>(&self, segment: &'a Segment) -> Content<'a> {
        let bytes = &segment.bytes[..];
        let head = &bytes[..bytes.len().min(HEAD)];
        let goes_on = matches!(self.kind, Kind::Ts(_)) && !bytes.is_empty() && bytes.len() < SHORT_TS;
        if ts::looks_like_ts(head) || goes_on {
            return Content::Media(Media::Ts);
        }
        if fmp4::looks_like_mp4(head) {
            return Content::Media(Media::Mp4);
        }
        let tagged = id3::split(bytes);
        let audio = &tagged.audio[..tagged.audio.len().min(HEAD)];
        match FrameSplitter::sniff(audio) {
            Some(coding) => Content::Media(Media::Packed(tagged, coding)),
            None => Content::Nothing,
        }
    }

    /// Reads a segment.
    pub(super) fn segment(
        &mut self,
        media: Media<'_>,
        segment: &Segment,
        playback: &mut Playback,
        sink: Sink<'_>,
    ) {
        match media {
            Media::Ts => {
                if !matches!(self.kind, Kind::Ts(_)) {
                    self.change(Kind::Ts(Box::default()), playback, sink);
                }
                if let Kind::Ts(demuxer) = &mut self.kind {
                    demuxer.begin_segment(&segment.bytes);
                }
                if let Some(init) = &segment.init
                    && self.tables.as_ref() != Some(init)
                {
                    self.tables = Some(Arc::clone(init));
                    self.push(&init.bytes, None, playback, sink);
                }
                self.push(&segment.bytes, None, playback, sink);
            }
            Media::Packed(tagged, coding) => {
                if !matches!(&self.kind, Kind::Frames(splitter) if splitter.coding() == coding) {
                    self.change(Kind::Frames(FrameSplitter::new(coding)), playback, sink);
                }
                self.push(tagged.audio, tagged.pts, playback, sink);
            }
            Media::Mp4 => self.fragments(segment, playback, sink),
        }
    }

    /// Takes bytes of a stream without segments.
    pub(super) fn bytes(&mut self, bytes: &[u8], playback: &mut Playback, sink: Sink<'_>) {
        if !matches!(self.kind, Kind::Unknown | Kind::Mp4(_)) {
            return self.push(bytes, None, playback, sink);
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() >= START {
            self.recognize(playback, sink);
        }
    }

    /// Notes that media is missing: what is incomplete is given up.
    pub(super) fn interrupt(&mut self, playback: &mut Playback, sink: Sink<'_>) {
        match &mut self.kind {
            Kind::Ts(demuxer) => demuxer.interrupt(),
            Kind::Frames(splitter) => splitter.gap(),
            Kind::Unknown | Kind::Mp4(_) => {}
        }
        self.drain(playback, sink);
        self.release(None, playback, sink);
    }

    /// Ends a stretch whose time stamps and frames have nothing to do with what comes next.
    pub(super) fn end(&mut self, playback: &mut Playback, sink: Sink<'_>) {
        if !self.head.is_empty() {
            self.recognize(playback, sink);
            self.head.clear();
        }
        match &mut self.kind {
            Kind::Ts(demuxer) => demuxer.finish(),
            Kind::Frames(splitter) => _ = splitter.finish(),
            Kind::Unknown => {}
            Kind::Mp4(_) => return playback.restart(Timeline::new(false)),
        }
        self.change(Kind::Unknown, playback, sink);
    }

    /// Brings what was damaged on the way into the report.
    pub(super) fn count(&mut self, report: &mut EarReport) {
        let (packets, frames) = self.damage();
        report.lost_packets += packets.saturating_sub(self.reported.0);
        report.decode_errors += frames.saturating_sub(self.reported.1);
        self.reported = (packets, frames);
    }

    fn damage(&self) -> (u64, u64) {
        let (packets, frames) = match &self.kind {
            Kind::Ts(demuxer) => (demuxer.damage().lost_packets, demuxer.damage().bad_frames),
            Kind::Frames(splitter) => (0, splitter.damaged()),
            Kind::Unknown | Kind::Mp4(_) => (0, 0),
        };
        (self.damage.0 + packets, self.damage.1 + frames)
    }

    /// Goes over to another kind, with time stamps of its own.
    fn change(&mut self, kind: Kind, playback: &mut Playback, sink: Sink<'_>) {
        self.drain(playback, sink);
        self.release(None, playback, sink);
        self.damage = self.damage();
        let wraps = !matches!(kind, Kind::Mp4(_));
        self.kind = kind;
        self.tables = None;
        playback.restart(Timeline::new(wraps));
    }

    /// Finds out what a stream without segments is.
    fn recognize(&mut self, playback: &mut Playback, sink: Sink<'_>) {
        let head = std::mem::take(&mut self.head);
        let audio = id3::split(&head).audio;
        if ts::looks_like_ts(&head) {
            self.change(Kind::Ts(Box::default()), playback, sink);
        } else if let Some(coding) = FrameSplitter::sniff(audio) {
            self.change(Kind::Frames(FrameSplitter::new(coding)), playback, sink);
        } else {
            let keep = if head.len() > MAX_SEARCH { head.len() - HEAD } else { 0 };
            self.head = head.get(keep..).unwrap_or_default().to_vec();
            return;
        }
        self.push(audio, None, playback, sink);
    }

    fn push(&mut self, bytes: &[u8], pts: Option<u64>, playback: &mut Playback, sink: Sink<'_>) {
        let mut pts = pts;
        for slice in bytes.chunks(SLICE) {
            match &mut self.kind {
                Kind::Ts(demuxer) => demuxer.push(slice),
                Kind::Frames(splitter) => splitter.push(slice, pts.take()),
                Kind::Unknown | Kind::Mp4(_) => return,
            }
            self.drain(playback, sink);
        }
    }

    /// Takes the frames that are complete.
    fn drain(&mut self, playback: &mut Playback, sink: Sink<'_>) {
        loop {
            let frame = match &mut self.kind {
                Kind::Ts(demuxer) => demuxer.next_frame(),
                Kind::Frames(splitter) => splitter.next_frame(),
                Kind::Unknown | Kind::Mp4(_) => None,
            };
            let Some(frame) = frame else { return };
            let waits = frame.pts.is_none() && playback.timeline.is_known();
            if waits && self.unstamped.len() < MAX_UNSTAMPED {
                self.unstamped.push_back(frame);
                continue;
            }
            let time = frame.pts.map(|pts| pts as f64 / f64::from(PTS_CLOCK));
            self.release(time, playback, sink);
            playback.hear(of(&frame, time), sink);
            match &mut self.kind {
                Kind::Ts(demuxer) => demuxer.recycle(frame),
                Kind::Frames(splitter) => splitter.recycle(frame),
                Kind::Unknown | Kind::Mp4(_) => {}
            }
        }
    }

    /// Gives the frames that waited for a time stamp; `next` is the one right behind them.
    fn release(&mut self, next: Option<f64>, playback: &mut Playback, sink: Sink<'_>) {
        let mut before: f64 = self.unstamped.iter().map(length).sum();
        while let Some(frame) = self.unstamped.pop_front() {
            playback.hear(of(&frame, next.map(|next| next - before)), sink);
            before -= length(&frame);
        }
    }

    /// Reads the fragments of MP4 in a segment.
    fn fragments(&mut self, segment: &Segment, playback: &mut Playback, sink: Sink<'_>) {
        if !matches!(&self.kind, Kind::Mp4(track) if track.describes(segment)) {
            self.change(Kind::Mp4(Fragments::of(segment)), playback, sink);
        }
        if let Kind::Mp4(track) = &mut self.kind {
            track.hear(segment, playback, sink);
        }
    }
}

/// A frame as it is heard.
fn of(frame: &AudioFrame, time: Option<f64>) -> Frame<'_> {
    let (format, after_loss) = (Some(frame.format), frame.after_gap);
    Frame { data: &frame.data, format, seconds: length(frame), time, after_loss }
}

/// Seconds of a frame.
fn length(frame: &AudioFrame) -> f64 {
    f64::from(frame.format.samples()) / f64::from(frame.format.rate())
}
