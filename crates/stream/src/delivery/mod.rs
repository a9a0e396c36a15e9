//! What a source hands to the ear, in order.

mod serial;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The next thing of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Delivery {
    /// A segment of HLS, decrypted, or a part of one.
    Segment(Segment),
    /// The next bytes of a stream that has no segments: standard input, UDP, a file behind a URL.
    Bytes(#[serde(with = "serial::bytes")] Bytes),
    /// The next audio of a live stream that has no segments: radio.
    Live(LiveChunk),
    /// Sound that the source decoded itself: 44.1 kHz mono.
    Decoded(Vec<f32>),
    /// What a radio station says that it plays from here on; a hint, often late or wrong.
    Title(String),
    /// Media that is missing.
    Gap(Gap),
    /// What follows is another connection's: nothing that was held over fits to it. The time between is not known.
    Reconnected,
}

/// A piece of a live stream, with the time of its arrival.
///
/// A server may send audio that it already holds when a connection begins. So the arrival of a piece says only that its
/// audio is no newer than that time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveChunk {
    /// When it arrived, by this machine's clock, seconds since 1970.
    pub arrived: f64,
    /// Its audio.
    pub audio: LiveAudio,
}

/// The audio of a [`LiveChunk`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum LiveAudio {
    /// Bare frames or MPEG-TS, cut anywhere.
    Bytes(#[serde(with = "serial::bytes")] Bytes),
    /// 44.1 kHz mono, decoded by the source.
    Samples(Vec<f32>),
}

/// A segment of HLS. At the live edge of Low-Latency HLS it comes in several: its parts, and the rest of it where a part
/// could not be had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    /// Its bytes: MPEG-TS, fragments of MP4, or packed audio; what it is shows only in them.
    #[serde(with = "serial::bytes")]
    pub bytes: Bytes,
    /// The EXT-X-MAP section that it needs, if it needs one; the same `Arc` as long as the section is the same.
    #[serde(with = "serial::shared")]
    pub init: Option<Arc<InitSection>>,
    /// Media sequence number.
    pub sequence: u64,
    /// Duration as the playlist says, seconds.
    pub seconds: f64,
    /// Whether time stamps or encoding begin anew with this segment (EXT-X-DISCONTINUITY, another rendition).
    pub discontinuity: bool,
    /// EXT-X-PROGRAM-DATE-TIME of its first sample, seconds since 1970; given or counted on from an earlier one.
    pub program_date_time: Option<f64>,
    /// When it was seen in a playlist for the first time, by this machine's clock, seconds since 1970.
    pub seen: f64,
    /// Seconds of media that the playlist listed behind it when it was first seen, parts included. The end of a live
    /// playlist is "now", so the end of this segment was `backlog` seconds before `seen`. `None` in a playlist that was
    /// complete when the stream was joined: a recording has no "now".
    pub backlog: Option<f64>,
    /// Whether the playlist marks it as an advertisement.
    pub ad: bool,
    /// Whether it is one of a segment's parts, of which more may follow. A part need not hold a whole frame.
    pub part: bool,
}

/// An EXT-X-MAP section.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitSection {
    /// Its bytes: `ftyp` and `moov` of MP4, or PAT and PMT of MPEG-TS.
    #[serde(with = "serial::bytes")]
    pub bytes: Bytes,
}

/// Media that is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Its length, seconds.
    pub seconds: f64,
    /// Why it is missing.
    pub reason: GapReason,
    /// EXT-X-PROGRAM-DATE-TIME of its start, seconds since 1970, if known.
    pub program_date_time: Option<f64>,
}

/// Why media is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GapReason {
    /// The playlist says so (EXT-X-GAP).
    Marked,
    /// The server did not give it in time.
    NotFetched,
    /// It left the playlist before it was seen, or was sent while there was no connection.
    Missed,
    /// It could not be decrypted or decoded.
    Unreadable,
    /// This machine could not keep up and dropped it.
    Dropped,
    /// It is missing within what was given: time stamps jump.
    Lost,
    /// It is missing or repeated although no time stamp shows it: a song jumps. Counted, never delivered as a gap.
    Spliced,
}

impl GapReason {
    /// All of them, in their order.
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
