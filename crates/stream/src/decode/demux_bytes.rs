//! Demuxing of streams without segments: the part of [`StreamDemuxer`] that recognizes their format.

use refrain_core::audio::ts::{self, FrameSplitter};

use super::content::ActiveDemuxer;
use super::demux::{HEAD_BYTES, StreamDemuxer};
use super::format_search::PIECE_BYTES;
use super::id3;
use super::playback::{Playback, SoundSink};

/// Bytes at the start of a stream without segments by which its format is recognized. Radio of the lowest bit rate (16
/// kbit/s) sends this amount in a second. At half this value, other data is more often mistaken for audio; at twice
/// this value, such radio starts a second later.
const START_BYTES: usize = 2 << 10;

/// Maximum number of bytes that are kept during the search for audio in a stream without segments. If there are more,
/// all but the last [`HEAD_BYTES`] are discarded. A picture in a tag before the audio can be larger; it is skipped
/// piece by piece. At half this value, bytes are copied more often; at twice this value, each stream without audio uses
/// twice the memory.
const MAX_SEARCH_BYTES: usize = 64 << 10;

/// Format of a stream without segments.
#[derive(Debug, Clone, Copy)]
enum ByteFormat {
    Ts,
    Frames(ts::AudioCoding),
}

impl ActiveDemuxer {
    /// Returns true if this is the demuxer of `format`.
    fn is(&self, format: ByteFormat) -> bool {
        match (self, format) {
            (Self::Ts(_), ByteFormat::Ts) => true,
            (Self::Frames(splitter), ByteFormat::Frames(coding)) => splitter.coding() == coding,
            _ => false,
        }
    }
}

impl StreamDemuxer {
    /// Demuxes the next bytes of a stream without segments and passes complete frames to `playback`. `arrived` is their
    /// arrival time, seconds since 1970; `None` if it is unknown.
    pub(super) fn bytes(
        &mut self,
        bytes: &[u8],
        arrived: Option<f64>,
        playback: &mut Playback,
        sink: SoundSink<'_>,
    ) {
        // MP4 cannot occur in a stream without segments, so after MP4 the format is recognized again.
        if matches!(self.kind, ActiveDemuxer::Unknown | ActiveDemuxer::Mp4(_)) {
            self.head.extend_from_slice(bytes);
            if self.head.len() >= START_BYTES {
                self.recognize(playback, sink);
            }
            return;
        }
        // Most bytes of a transport stream can be video, and its time stamps show what is missing.
        let arrived = arrived.filter(|_| matches!(self.kind, ActiveDemuxer::Frames(_)));
        for piece in bytes.chunks(PIECE_BYTES) {
            let (frames, _) = playback.frames();
            self.push(piece, None, playback, sink);
            if playback.frames().0 > frames {
                self.search.found(piece, arrived);
            } else if let Some(rest) = self.search.add(piece) {
                match recognize(rest).filter(|format| !self.kind.is(*format)) {
                    Some(format) => {
                        let rest = self.search.take();
                        self.begin(format, playback, sink);
                        self.push(&rest, None, playback, sink);
                    }
                    None => self.search.keep_end(arrived),
                }
            }
        }
    }

    /// Ends bare frames or MPEG-TS, because the source delivers samples from now on. Has no effect after other audio.
    pub(super) fn end_frames(&mut self, playback: &mut Playback, sink: SoundSink<'_>) {
        if !matches!(self.kind, ActiveDemuxer::Unknown) || !self.head.is_empty() {
            self.end(playback, sink);
        }
    }

    /// Recognizes the format of a stream without segments from the bytes in `head`.
    pub(super) fn recognize(&mut self, playback: &mut Playback, sink: SoundSink<'_>) {
        let head = std::mem::take(&mut self.head);
        let audio = id3::split(&head).audio;
        // A transport stream does not begin with a tag.
        let format = if ts::looks_like_ts(&head) { Some(ByteFormat::Ts) } else { recognize(audio) };
        let Some(format) = format else {
            // The end is kept, because a frame header may be split between two pieces.
            let keep = if head.len() > MAX_SEARCH_BYTES { head.len() - HEAD_BYTES } else { 0 };
            self.head = head.get(keep..).unwrap_or_default().to_vec();
            return;
        };
        self.begin(format, playback, sink);
        // The format can change again in the first bytes, because servers begin with several seconds of audio.
        self.bytes(audio, None, playback, sink);
    }

    /// Begins the demuxer of a stream without segments.
    fn begin(&mut self, format: ByteFormat, playback: &mut Playback, sink: SoundSink<'_>) {
        let kind = match format {
            ByteFormat::Ts => self.transport_stream(),
            ByteFormat::Frames(coding) => ActiveDemuxer::Frames(FrameSplitter::new(coding)),
        };
        self.change(kind, playback, sink);
    }
}

/// Recognizes the format of bytes of a stream without segments; `None` if they contain no audio.
fn recognize(bytes: &[u8]) -> Option<ByteFormat> {
    if ts::looks_like_ts(bytes) {
        return Some(ByteFormat::Ts);
    }
    FrameSplitter::sniff(bytes).map(ByteFormat::Frames)
}
