//! Demuxing of bytes of any supported container into frames.

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

/// Bytes that are demuxed at a time, so that a demuxer buffers little of a segment.
const SLICE: usize = 8 << 10;

/// Bytes at the start of a segment by which its format is recognized.
const HEAD: usize = 8 << 10;

/// Bytes at the start of a stream without segments by which its format is recognized. Radio of the lowest bit rate sends
/// them in a second.
const START: usize = 2 << 10;

/// Bytes of a stream without segments that are searched for audio before all but the last [`HEAD`] of them are discarded.
const MAX_SEARCH: usize = 64 << 10;

/// Shortest piece of MPEG-TS that can be recognized, in bytes: five packets and the rest of a truncated one.
const SHORT_TS: usize = 6 * 188;

/// Most frames after a loss that wait for a time stamp: about three seconds, more than the distance between two time stamps.
const MAX_UNSTAMPED: usize = 128;

/// Content of a segment, recognized by its bytes.
pub(super) enum Content<'a> {
    Media(Media<'a>),
    /// No media: an error page, subtitles, encrypted bytes, or no bytes.
    Nothing,
}

/// Format of the media in a segment.
#[derive(Clone, Copy)]
pub(super) enum Media<'a> {
    Ts,
    Mp4,
    Packed(Tagged<'a>, ts::AudioCoding),
}

/// Format that is being demuxed, with the state of its demuxer.
#[derive(Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    Ts(Box<TsDemuxer>),
    Frames(FrameSplitter),
    Mp4(Fragments),
}

/// Demuxer of one stream.
#[derive(Debug, Default)]
pub(super) struct Demux {
    kind: Kind,
    /// Initialization section of MPEG-TS that was read last.
    tables: Option<Arc<InitSection>>,
    /// Start of a stream without segments, until its format is recognized.
    head: Vec<u8>,
    /// Frames without time stamps, after a loss.
    unstamped: VecDeque<AudioFrame>,
    /// Lost packets and damaged frames that earlier demuxers of the stream counted.
    damage: (u64, u64),
    /// Lost packets and damaged frames that are in the report already.
    reported: (u64, u64),
}

impl Demux {
    /// Recognizes the content of a segment.
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

    /// Demuxes a segment.
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

    /// Demuxes bytes of a stream without segments.
    pub(super) fn bytes(&mut self, bytes: &[u8], playback: &mut Playback, sink: Sink<'_>) {
        if !matches!(self.kind, Kind::Unknown | Kind::Mp4(_)) {
            return self.push(bytes, None, playback, sink);
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() >= START {
            self.recognize(playback, sink);
        }
    }

    /// Notes that media is missing. Incomplete frames are discarded.
    pub(super) fn interrupt(&mut self, playback: &mut Playback, sink: Sink<'_>) {
        match &mut self.kind {
            Kind::Ts(demuxer) => demuxer.interrupt(),
            Kind::Frames(splitter) => splitter.gap(),
            Kind::Unknown | Kind::Mp4(_) => {}
        }
        self.drain(playback, sink);
        self.release(None, playback, sink);
    }

    /// Ends a section of the stream whose time stamps and frames are not continued by the next one.
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

    /// Adds new damage of the transport to the report.
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

    /// Changes to another format, which has its own time stamps.
    fn change(&mut self, kind: Kind, playback: &mut Playback, sink: Sink<'_>) {
        self.drain(playback, sink);
        self.release(None, playback, sink);
        self.damage = self.damage();
        let wraps = !matches!(kind, Kind::Mp4(_));
        self.kind = kind;
        self.tables = None;
        playback.restart(Timeline::new(wraps));
    }

    /// Recognizes the format of a stream without segments.
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

    /// Passes complete frames on. Frames without a time stamp wait for the next one that has one.
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

    /// Passes on the frames that waited for a time stamp. `next` is the time stamp directly after them, in seconds.
    fn release(&mut self, next: Option<f64>, playback: &mut Playback, sink: Sink<'_>) {
        let mut before: f64 = self.unstamped.iter().map(length).sum();
        while let Some(frame) = self.unstamped.pop_front() {
            playback.hear(of(&frame, next.map(|next| next - before)), sink);
            before -= length(&frame);
        }
    }

    /// Demuxes the MP4 fragments of a segment.
    fn fragments(&mut self, segment: &Segment, playback: &mut Playback, sink: Sink<'_>) {
        if !matches!(&self.kind, Kind::Mp4(track) if track.describes(segment)) {
            self.change(Kind::Mp4(Fragments::of(segment)), playback, sink);
        }
        if let Kind::Mp4(track) = &mut self.kind {
            track.hear(segment, playback, sink);
        }
    }
}

/// Converts a frame of a demuxer. `time` is its time stamp in seconds.
fn of(frame: &AudioFrame, time: Option<f64>) -> Frame<'_> {
    let (format, after_loss) = (Some(frame.format), frame.after_gap);
    Frame { data: &frame.data, format, seconds: length(frame), time, after_loss }
}

/// Returns the duration of a frame in seconds.
fn length(frame: &AudioFrame) -> f64 {
    f64::from(frame.format.samples()) / f64::from(frame.format.rate())
}
