//! Items that a source passes to the decoder, in stream order.

mod serial;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One item of a stream, which a source passes to the decoder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Delivery {
    /// A decrypted HLS segment, or a piece of one.
    HlsSegment(HlsSegment),
    /// The next bytes of a stream that has neither segments nor arrival times: standard input, UDP, or a file at a URL.
    Bytes(#[serde(with = "serial::bytes")] Bytes),
    /// The next audio of a radio station, with its arrival time.
    Live(LiveChunk),
    /// Samples that the source has already decoded: 44.1 kHz mono.
    Decoded(Vec<f32>),
    /// Title that a radio station announces for the audio after this item. It is a hint, often late or wrong.
    Title(String),
    /// Missing media, with its length and reason.
    Gap(Gap),
    /// The source has reconnected. The items after this one come from the new connection and do not complete data that
    /// was incomplete at the end of the old connection. The time between both connections is unknown.
    Reconnected,
}

/// A piece of a live stream without segments (radio), with its arrival time.
///
/// A server may send buffered audio when a connection begins. The arrival time is therefore only an upper bound for the
/// time of the audio.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveChunk {
    /// Arrival time by this machine's clock, seconds since 1970.
    pub arrived: f64,
    /// The audio that arrived: encoded bytes or decoded samples.
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
    /// Decrypted content: MPEG-TS, fragments of MP4, or packed audio. No field names the format; the decoder recognizes
    /// it from the bytes.
    #[serde(with = "serial::bytes")]
    pub bytes: Bytes,
    /// EXT-X-MAP section that the segment needs; `None` if it needs none. As long as the section is the same, a source
    /// passes the same `Arc`.
    #[serde(with = "serial::shared")]
    pub init: Option<Arc<InitSection>>,
    /// Media sequence number of the segment. It differs from the number in the playlist if the server has changed its
    /// numbering.
    pub sequence: u64,
    /// Duration of this segment or piece in seconds, from the playlist.
    pub seconds: f64,
    /// Number of times that the source had changed the rendition before this segment.
    pub rendition: u64,
    /// True if time stamps or the encoding change with this segment (EXT-X-DISCONTINUITY, or another rendition with
    /// dates). The time stamps of another rendition without dates decide whether audio is missing or repeated.
    pub discontinuity: bool,
    /// EXT-X-PROGRAM-DATE-TIME of the first sample, seconds since 1970: from the playlist, or extrapolated from another
    /// segment. `None` if no date is known.
    pub program_date_time: Option<f64>,
    /// Time at which a loaded playlist first listed the segment, by this machine's clock, seconds since 1970.
    pub first_listed: f64,
    /// Seconds of media, parts included, that the playlist listed after this segment at the time `first_listed`. The
    /// end of a live playlist is the present, so this segment ended `backlog` seconds before `first_listed`. `None` if
    /// the playlist was complete when the source joined the stream: the end of a recording is not the present.
    pub backlog: Option<f64>,
    /// True if the playlist marks the segment as an advertisement.
    pub ad: bool,
    /// True if this item is a part of a segment, so that more parts of the segment can follow. A part can end within a
    /// frame.
    pub part: bool,
}

/// An EXT-X-MAP section (initialization section), which a decoder needs before the segments.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitSection {
    /// Content of the section: `ftyp` and `moov` of MP4, or PAT and PMT of MPEG-TS.
    #[serde(with = "serial::bytes")]
    pub bytes: Bytes,
}

/// Missing media, with its length and reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Length in seconds.
    pub seconds: f64,
    /// Reason why the media is missing.
    pub reason: GapReason,
    /// EXT-X-PROGRAM-DATE-TIME of the start of the gap, seconds since 1970; `None` if no date is known.
    pub program_date_time: Option<f64>,
}

/// Reason why media is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GapReason {
    /// The playlist marks the media as missing (EXT-X-GAP).
    Marked,
    /// The server did not deliver the media in time.
    NotFetched,
    /// The media left the playlist before the source loaded the playlist again, or it was sent while there was no
    /// connection.
    Missed,
    /// The media could not be decrypted or decoded.
    Unreadable,
    /// The media was dropped because this machine could not keep up.
    Dropped,
    /// Audio is missing within the received media: the time stamps jump.
    Lost,
    /// Audio is missing or repeated although the time stamps are continuous: the matched position in a song jumps. Such
    /// gaps are only counted; no source delivers them.
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
