//! What became of a stream.

use serde::{Deserialize, Serialize};

use crate::gaps::GapCounts;

/// Counters of one stream since its start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EarReport {
    /// Segments that came, each part of one counted as well.
    pub segments: u64,
    /// Segments that gave no sound: empty, truncated, encrypted, without audio, or no media at all.
    pub unreadable_segments: u64,
    /// Audio frames that came, undecodable ones included, repeated ones not.
    pub frames: u64,
    /// Frames that could not be decoded, and places where frames were damaged or lost on the way.
    pub decode_errors: u64,
    /// Packets of MPEG-TS that are missing, as far as their counters tell.
    pub lost_packets: u64,
    /// Seconds of sound that were given, gaps not included.
    pub seconds: f64,
    /// Seconds of sound below −60 dBFS.
    pub silence_seconds: f64,
    /// Level of the last second or so, dBFS, −120 at the lowest; nothing before there is sound.
    pub level: Option<f64>,
    /// Seconds of audio that came twice and were left out.
    pub repeated_seconds: f64,
    /// Times that time stamps began anew, announced or not, and connections.
    pub discontinuities: u64,
    /// Times that a decoder was made for another format than before.
    pub format_changes: u64,
    /// The codec, sample rate in hertz and channels of the last sound.
    pub format: Option<(String, u32, usize)>,
    /// The last codec that cannot be decoded, if there was one.
    pub unsupported: Option<String>,
    /// What the station said last that it plays.
    pub title: Option<Title>,
    /// What was missing, and was given as gaps.
    pub gaps: GapCounts,
}

/// What a radio station says that it plays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Title {
    /// Its words.
    pub text: String,
    /// Where in the stream it said so, seconds from the first sample.
    pub position: f64,
}
