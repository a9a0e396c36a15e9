//! Items that a source passes to the decoder, in stream order.

mod serial;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The next item of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Delivery {
    /// A decrypted HLS segment, or a piece of one.
    HlsSegment(HlsSegment),
    /// The next bytes of a stream without segments: standard input, UDP, or a file at a URL.
    Bytes(#[serde(with = "serial::bytes")] Bytes),
    /// The next audio of a live stream without segments: radio.
    Live(LiveChunk),
    /// Samples that the source decoded itself: 44.1 kHz mono.
    Decoded(Vec<f32>),
    /// Title that a radio station announces for the audio from here on. It is a hint, often late or wrong.
    Title(String),
    /// Media that is missing.
    Gap(Gap),
    /// The items after this one come from a new connection. Incomplete data of the old connection cannot be continued,
    /// and the time between both connections is unknown.
    Reconnected,
}

/// A piece of a live stream with its arrival time.
///
/// A server may send buffered audio when a connection begins. The arrival time is therefore only an upper bound for the
/// time of the audio.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveChunk {
    /// Arrival time by this machine's clock, seconds since 1970.
    pub arrived: f64,
    /// The audio that arrived.
    pub audio: LiveAudio,
}

/// The audio of a [`LiveChunk`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum LiveAudio {
    /// Bare frames or MPEG-TS, split at any byte.
    Bytes(#[serde(with = "serial::bytes")] Bytes),
    /// 44.1 kHz mono samples, decoded by the source.
    Samples(Vec<f32>),
}

/// An HLS segment, or a piece of one. At the live edge of Low-Latency HLS a segment is delivered as its parts; if a
/// part cannot be fetched, the remaining bytes of the segment follow as one piece.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HlsSegment {
    /// MPEG-TS, fragments of MP4, or packed audio. The format can be recognized only from the bytes.
    #[serde(with = "serial::bytes")]
    pub bytes: Bytes,
    /// EXT-X-MAP section that the segment needs, if any. A source uses the same `Arc` as long as the section is the
    /// same.
    #[serde(with = "serial::shared")]
    pub init: Option<Arc<InitSection>>,
    /// Media sequence number.
    pub sequence: u64,
    /// Duration in seconds, from the playlist.
    pub seconds: f64,
    /// True if time stamps or the encoding change with this segment (EXT-X-DISCONTINUITY, another rendition).
    pub discontinuity: bool,
    /// EXT-X-PROGRAM-DATE-TIME of the first sample, seconds since 1970: from the playlist, or extrapolated from another
    /// segment.
    pub program_date_time: Option<f64>,
    /// Time at which a loaded playlist first listed the segment, by this machine's clock, seconds since 1970.
    pub first_listed: f64,
    /// Seconds of media that the playlist listed after this segment at the time `first_listed`, parts included. The end
    /// of a live playlist is "now", so the end of this segment was `backlog` seconds before `first_listed`. `None` if
    /// the playlist was complete when the stream was joined, because a recording has no "now".
    pub backlog: Option<f64>,
    /// True if the playlist marks the segment as an advertisement.
    pub ad: bool,
    /// True if this is one of the parts of a segment, so that more parts may follow. A part need not contain a whole
    /// frame.
    pub part: bool,
}

/// An EXT-X-MAP section.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitSection {
    /// `ftyp` and `moov` of MP4, or PAT and PMT of MPEG-TS.
    #[serde(with = "serial::bytes")]
    pub bytes: Bytes,
}

/// Media that is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Length in seconds.
    pub seconds: f64,
    /// Reason why the media is missing.
    pub reason: GapReason,
    /// EXT-X-PROGRAM-DATE-TIME of the start of the gap, seconds since 1970, if known.
    pub program_date_time: Option<f64>,
}

/// Reason why media is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GapReason {
    /// The playlist marks it as missing (EXT-X-GAP).
    Marked,
    /// The server did not deliver it in time.
    NotFetched,
    /// It left the playlist before the playlist was loaded again, or it was sent while there was no connection.
    Missed,
    /// It could not be decrypted or decoded.
    Unreadable,
    /// This machine could not keep up and dropped it.
    Dropped,
    /// It is missing inside the received media: time stamps jump.
    Lost,
    /// Audio is missing or repeated although the time stamps are continuous: a detected song jumps. This reason is only
    /// counted, never delivered as a gap.
    Spliced,
}

impl GapReason {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Self; 7] = [
        Self::Marked,
        Self::NotFetched,
        Self::Missed,
        Self::Unreadable,
        Self::Dropped,
        Self::Lost,
        Self::Spliced,
    ];
}
