//! Demuxing of bytes of any supported container into frames.

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use refrain_core::audio::ts::{self, AudioFrame, FrameSplitter, PTS_CLOCK, TrackChoice, TsDemuxer};

use super::content::{ActiveDemuxer, MediaFormat, SegmentContent};
use super::fmp4;
use super::format_search::FormatSearch;
use super::fragments::Fragments;
use super::frame::Frame;
use super::id3;
use super::playback::{Playback, SoundSink};
use super::report::DecoderReport;
use super::timeline::StampTimeline;
use crate::delivery::{GapReason, HlsSegment, InitSection};

/// Number of bytes that are passed to a demuxer in one call, so that a demuxer buffers little of a segment. The output
/// is the same for every size. At half this value, more calls are made for the same bytes; at twice this value, more
/// frames of a segment are in memory at once.
const SLICE_BYTES: usize = 8 << 10;

/// Bytes at the start of a segment by which its format is recognized. MPEG-TS needs a few packets, bare frames several
/// headers in a row; a frame has at most 1.5 kB at usual rates. At half this value, segments with large frames are more
/// often rejected as unreadable; at twice this value, no further format is recognized.
pub(super) const HEAD_BYTES: usize = 8 << 10;

/// Shortest piece of MPEG-TS that can be recognized, in bytes: five packets and the rest of a truncated one.
const SHORT_TS_BYTES: usize = 6 * 188;

/// Maximum number of frames that are held back until a time stamp follows: about three seconds, more than the distance
/// between two time stamps (ISO/IEC 13818-1 permits 0.7 s). At half this value, frames of streams with rare time stamps
/// are placed without one; at twice this value, a stream without time stamps is delayed by 6 s after a loss.
const MAX_UNSTAMPED_FRAMES: usize = 128;

/// Demuxer of one stream: recognizes its format, and passes its frames to the playback.
#[derive(Debug, Default)]
pub(super) struct StreamDemuxer {
    pub(super) kind: ActiveDemuxer,
    /// The preferred audio stream of MPEG-TS.
    pub(super) choice: TrackChoice,
    /// Initialization section of MPEG-TS that was read last; `None` if there was none.
    tables: Option<Arc<InitSection>>,
    /// Start of a stream without segments, until its format is recognized.
    pub(super) head: Vec<u8>,
    /// Search for another format in a stream without segments.
    pub(super) search: FormatSearch,
    /// Frames without time stamps that are held back until a time stamp follows.
    unstamped: VecDeque<AudioFrame>,
    /// Lost packets and damaged frames that earlier demuxers of the stream counted.
    damage: (u64, u64),
    /// Lost packets and damaged frames that are in the report already.
    reported: (u64, u64),
    /// True if the format changed and no frame of the new format has arrived.
    is_unproven: bool,
}

impl StreamDemuxer {
    /// Recognizes the content of a segment.
    pub(super) fn content<'a>(&self, segment: &'a HlsSegment) -> SegmentContent<'a> {
        let bytes = &segment.bytes[..];
        let head = &bytes[..bytes.len().min(HEAD_BYTES)];
        // Parts of a segment can be shorter than the sync check needs; a stream that was MPEG-TS before still counts as
        // MPEG-TS.
        let continues_ts =
            matches!(self.kind, ActiveDemuxer::Ts(_)) && !bytes.is_empty() && bytes.len() < SHORT_TS_BYTES;
        if ts::looks_like_ts(head) || continues_ts {
            return SegmentContent::MediaFormat(MediaFormat::Ts);
        }
        if fmp4::looks_like_mp4(head) {
            return SegmentContent::MediaFormat(MediaFormat::Mp4);
        }
        let tagged = id3::split(bytes);
        let audio = &tagged.audio[..tagged.audio.len().min(HEAD_BYTES)];
        match FrameSplitter::sniff(audio) {
            Some(coding) => SegmentContent::MediaFormat(MediaFormat::Packed(tagged, coding)),
            None => SegmentContent::Nothing,
        }
    }

    /// Records if a segment contained frames. `before` is the format before the segment. Returns true if the format
    /// changed and no frame of the new format has arrived yet.
    pub(super) fn prove(&mut self, before: Discriminant<ActiveDemuxer>, has_frames: bool) -> bool {
        let is_first = before == discriminant(&ActiveDemuxer::Unknown);
        let is_changed = !is_first && before != self.format();
        self.is_unproven = !has_frames && (self.is_unproven || is_changed);
        self.is_unproven
    }

    /// Returns the format that is being demuxed.
    pub(super) fn format(&self) -> Discriminant<ActiveDemuxer> {
        discriminant(&self.kind)
    }

    /// Demuxes a segment of the format `media` and passes its frames to `playback`.
    pub(super) fn segment(
        &mut self,
        media: MediaFormat<'_>,
        segment: &HlsSegment,
        playback: &mut Playback,
        sink: SoundSink<'_>,
    ) {
        match media {
            MediaFormat::Ts => {
                if !matches!(self.kind, ActiveDemuxer::Ts(_)) {
                    self.change(self.transport_stream(), playback, sink);
                }
                // The segment is announced before its bytes: some packagers restart the continuity counters in each
                // segment, which is not a loss.
                if let ActiveDemuxer::Ts(demuxer) = &mut self.kind {
                    demuxer.begin_segment(&segment.bytes);
                }
                // The tables are pushed only when they change, because a repeated section would look like lost packets.
                if let Some(init) = &segment.init
                    && self.tables.as_ref() != Some(init)
                {
                    self.tables = Some(Arc::clone(init));
                    self.push(&init.bytes, None, playback, sink);
                }
                self.push(&segment.bytes, None, playback, sink);
            }
            MediaFormat::Packed(tagged, coding) => {
                if !matches!(&self.kind, ActiveDemuxer::Frames(splitter) if splitter.coding() == coding) {
                    self.change(ActiveDemuxer::Frames(FrameSplitter::new(coding)), playback, sink);
                }
                self.push(tagged.audio, tagged.pts, playback, sink);
            }
            MediaFormat::Mp4 => self.fragments(segment, playback, sink),
        }
    }

    /// Records that media is missing after the bytes so far, and discards incomplete frames.
    pub(super) fn interrupt(&mut self, playback: &mut Playback, sink: SoundSink<'_>) {
        match &mut self.kind {
            ActiveDemuxer::Ts(demuxer) => demuxer.interrupt(),
            ActiveDemuxer::Frames(splitter) => splitter.gap(),
            ActiveDemuxer::Unknown | ActiveDemuxer::Mp4(_) => {}
        }
        self.drain(playback, sink);
        self.release(None, playback, sink);
    }

    /// Ends a section of the stream: the next section does not continue its time stamps and frames.
    pub(super) fn end(&mut self, playback: &mut Playback, sink: SoundSink<'_>) {
        self.search = FormatSearch::default();
        if !self.head.is_empty() {
            self.recognize(playback, sink);
            self.head.clear();
        }
        match &mut self.kind {
            ActiveDemuxer::Ts(demuxer) => demuxer.finish(),
            ActiveDemuxer::Frames(splitter) => _ = splitter.finish(),
            ActiveDemuxer::Unknown => {}
            ActiveDemuxer::Mp4(_) => return playback.restart(StampTimeline::new(false)),
        }
        self.change(ActiveDemuxer::Unknown, playback, sink);
    }

    /// Adds the lost packets and damaged frames since the last call to the report.
    pub(super) fn count(&mut self, report: &mut DecoderReport) {
        let (packets, frames) = self.damage();
        report.lost_packets += packets.saturating_sub(self.reported.0);
        report.decode_errors += frames.saturating_sub(self.reported.1);
        self.reported = (packets, frames);
        let unsupported_codec = match &self.kind {
            ActiveDemuxer::Ts(demuxer) => demuxer.unsupported_codec(),
            ActiveDemuxer::Frames(splitter) => splitter.unsupported_codec(),
            ActiveDemuxer::Unknown | ActiveDemuxer::Mp4(_) => None,
        };
        if let Some(codec) = unsupported_codec {
            report.unsupported.get_or_insert_with(|| codec.to_owned());
        }
    }

    pub(super) fn transport_stream(&self) -> ActiveDemuxer {
        ActiveDemuxer::Ts(Box::new(TsDemuxer::with_choice(self.choice.clone())))
    }

    fn damage(&self) -> (u64, u64) {
        let (packets, frames) = match &self.kind {
            ActiveDemuxer::Ts(demuxer) => (demuxer.damage().lost_packets, demuxer.damage().bad_frames),
            ActiveDemuxer::Frames(splitter) => (0, splitter.damaged()),
            ActiveDemuxer::Unknown | ActiveDemuxer::Mp4(_) => (0, 0),
        };
        (self.damage.0 + packets, self.damage.1 + frames)
    }

    /// Changes to another format, which has its own time stamps.
    pub(super) fn change(&mut self, kind: ActiveDemuxer, playback: &mut Playback, sink: SoundSink<'_>) {
        self.drain(playback, sink);
        self.release(None, playback, sink);
        // The counters of the old demuxer are lost with it, so they are added before it is replaced.
        self.damage = self.damage();
        // The times of MP4 have 64 bits and do not wrap.
        let wraps = !matches!(kind, ActiveDemuxer::Mp4(_));
        self.kind = kind;
        self.tables = None;
        playback.restart(StampTimeline::new(wraps));
    }

    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        pts: Option<u64>,
        playback: &mut Playback,
        sink: SoundSink<'_>,
    ) {
        let mut pts = pts;
        for slice in bytes.chunks(SLICE_BYTES) {
            match &mut self.kind {
                ActiveDemuxer::Ts(demuxer) => demuxer.push(slice),
                ActiveDemuxer::Frames(splitter) => splitter.push(slice, pts.take()),
                ActiveDemuxer::Unknown | ActiveDemuxer::Mp4(_) => return,
            }
            self.drain(playback, sink);
        }
    }

    /// Passes complete frames to `playback`. Frames without a time stamp are held back until one with a time stamp
    /// follows.
    fn drain(&mut self, playback: &mut Playback, sink: SoundSink<'_>) {
        loop {
            let frame = match &mut self.kind {
                ActiveDemuxer::Ts(demuxer) => demuxer.next_frame(),
                ActiveDemuxer::Frames(splitter) => splitter.next_frame(),
                ActiveDemuxer::Unknown | ActiveDemuxer::Mp4(_) => None,
            };
            let Some(frame) = frame else { return };
            let lost = self.search.take_lost_seconds();
            // Held back audio is placed by its arrival, which includes the lost time.
            if lost > 0.0 && playback.join.is_none() {
                playback.miss(GapReason::Unreadable, lost);
            }
            // Without an anchor there is nothing to compare with, so waiting would only delay the first audio.
            let waits = frame.pts.is_none() && playback.timeline.is_known();
            if waits && self.unstamped.len() < MAX_UNSTAMPED_FRAMES {
                self.unstamped.push_back(frame);
                continue;
            }
            let time = frame.pts.map(|pts| pts as f64 / f64::from(PTS_CLOCK));
            self.release(time, playback, sink);
            playback.process(of(&frame, time), sink);
            match &mut self.kind {
                ActiveDemuxer::Ts(demuxer) => demuxer.recycle(frame),
                ActiveDemuxer::Frames(splitter) => splitter.recycle(frame),
                ActiveDemuxer::Unknown | ActiveDemuxer::Mp4(_) => {}
            }
        }
    }

    /// Passes the frames that are held back to `playback`. `next` is the time stamp directly after them in seconds;
    /// with `None`, they get no time stamps.
    fn release(&mut self, next: Option<f64>, playback: &mut Playback, sink: SoundSink<'_>) {
        let mut before: f64 = self.unstamped.iter().map(length).sum();
        while let Some(frame) = self.unstamped.pop_front() {
            playback.process(of(&frame, next.map(|next| next - before)), sink);
            before -= length(&frame);
        }
    }

    /// Demuxes the MP4 fragments of a segment.
    fn fragments(&mut self, segment: &HlsSegment, playback: &mut Playback, sink: SoundSink<'_>) {
        if !matches!(&self.kind, ActiveDemuxer::Mp4(track) if track.describes(segment)) {
            self.change(ActiveDemuxer::Mp4(Fragments::of(segment)), playback, sink);
        }
        if let ActiveDemuxer::Mp4(track) = &mut self.kind {
            track.process(segment, playback, sink);
        }
    }
}

/// Converts a frame of a demuxer to a [`Frame`]. `time` is its time stamp in seconds, or `None` if it has none.
fn of(frame: &AudioFrame, time: Option<f64>) -> Frame<'_> {
    let (format, after_loss) = (Some(frame.format), frame.after_gap);
    Frame { data: &frame.data, format, seconds: length(frame), time, after_loss }
}

/// Returns the duration of a frame in seconds.
fn length(frame: &AudioFrame) -> f64 {
    f64::from(frame.format.samples()) / f64::from(frame.format.rate())
}
