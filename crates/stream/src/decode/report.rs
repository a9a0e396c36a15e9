//! Counters of the decoding of a stream.

use serde::{Deserialize, Serialize};

use crate::gaps::GapCounts;

/// Counters of one stream since its start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DecoderReport {
    /// Segments received. Each part of a segment counts as one.
    pub segments: u64,
    /// Segments without audio: empty, truncated, encrypted, without an audio track, or not media.
    pub unreadable_segments: u64,
    /// Consecutive unreadable segments up to the last segment.
    pub unreadable_run: UnreadableRun,
    /// Audio frames received, including undecodable ones but not repeated ones.
    pub frames: u64,
    /// Frames that could not be decoded, and places where frames were damaged or lost in transport.
    pub decode_errors: u64,
    /// Missing packets of MPEG-TS, according to the continuity counters.
    pub lost_packets: u64,
    /// Seconds of audio emitted, gaps not included.
    pub seconds: f64,
    /// Seconds of audio below −60 dBFS.
    pub silence_seconds: f64,
    /// Seconds of audio below −60 dBFS up to the last audio; 0 if the last audio was louder.
    pub silence_run_seconds: f64,
    /// Level in dBFS with a time constant of one second, at least −120; `None` before there is audio.
    pub level: Option<f64>,
    /// Seconds of audio that were received twice and left out.
    pub repeated_seconds: f64,
    /// Number of times that time stamps restarted, announced or not, plus reconnects.
    pub discontinuities: u64,
    /// Number of times that the format changed, so that another decoder was created.
    pub format_changes: u64,
    /// Codec, sample rate in hertz and channels of the last audio; `None` before there is audio.
    pub format: Option<(String, u32, usize)>,
    /// The last codec that cannot be decoded; `None` if there was none.
    pub unsupported: Option<String>,
    /// The last title that a radio station announced; `None` if there was none.
    pub title: Option<Title>,
    /// Missing media that was emitted as gaps, and splices, by reason.
    pub gaps: GapCounts,
    /// Seconds of missing media before the first audio. They are not part of the stream, which begins with its first
    /// audio, and `gaps` does not contain them.
    pub missing_before_audio: f64,
}

impl DecoderReport {
    /// Returns the seconds of missing media since the first segment, including those before the first audio.
    #[must_use]
    pub fn missing_seconds(&self) -> f64 {
        self.gaps.total().seconds + self.missing_before_audio
    }
}

/// Consecutive unreadable segments of one rendition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableRun {
    /// The rendition, as in [`HlsSegment::rendition`](crate::HlsSegment::rendition).
    pub rendition: u64,
    /// Number of segments. Repeated audio, which is left out, counts as readable.
    pub segments: u64,
}

impl UnreadableRun {
    /// Adds a segment of a rendition.
    pub(super) fn add(&mut self, rendition: u64, is_unreadable: bool) {
        let before = if self.rendition == rendition { self.segments } else { 0 };
        *self = Self { rendition, segments: if is_unreadable { before + 1 } else { 0 } };
    }
}

/// A title that a radio station announced, with its position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Title {
    /// Text of the title.
    pub text: String,
    /// Position in the stream at which the title was announced, seconds from the first sample.
    pub position: f64,
}
