//! Options of a simulated live stream.

use std::collections::{BTreeMap, BTreeSet};

/// Format of the dates in EXT-X-PROGRAM-DATE-TIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateStyle {
    /// No EXT-X-PROGRAM-DATE-TIME.
    Absent,
    /// `2023-05-23T10:57:55.250Z`.
    Zulu,
    /// `2023-05-23T10:57:55.250+0000`, as ffmpeg writes it.
    NoColon,
    /// `2023-05-23T12:57:55.250+02:00`.
    Zone,
    /// `2023-05-23T10:57:55.250`.
    NoZone,
}

/// Properties of one segment in the playlist, in addition to its duration.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// True if EXT-X-DISCONTINUITY precedes the segment.
    pub discontinuity: bool,
    /// True if the segment has EXT-X-GAP.
    pub gap: bool,
    /// Wrong duration in the EXTINF tag, in seconds; `None` for the right one.
    pub declared_seconds: Option<f64>,
    /// Title in the EXTINF tag.
    pub title: String,
    /// Lines that are inserted before the segment unchanged.
    pub lines: Vec<String>,
}

/// Handling of blocking playlist reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// The playlist offers blocking reloads. A response waits until the requested segment or part is published.
    Honoured,
    /// The playlist offers blocking reloads, but responses do not wait.
    Ignored,
    /// The playlist does not offer blocking reloads, and responses do not wait.
    Absent,
}

/// Options of a live stream. All of them can be changed while the stream is running.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// Maximum number of segments in a playlist; 0 for all segments since the start.
    pub window: usize,
    /// Media sequence number of the stream's first segment.
    pub first_sequence: u64,
    /// EXT-X-TARGETDURATION as text; `None` for the longest segment, rounded up.
    pub target: Option<String>,
    /// Format of EXT-X-PROGRAM-DATE-TIME.
    pub dates: DateStyle,
    /// A date precedes every segment whose index is a multiple of this number; 0 is the same as 1.
    pub dates_every: u64,
    /// Time of the stream's first segment in seconds since 1970.
    pub epoch: f64,
    /// Properties of single segments by index, counted from 0.
    pub marks: BTreeMap<u64, Marks>,
    /// Title of segments that are not in `marks`.
    pub title: String,
    /// Query that is appended to each URI, including its question mark; empty for no query.
    pub query: String,
    /// Prefix of segment names. A change of the prefix simulates another stream behind the same playlist.
    pub names: String,
    /// True if all segments are byte ranges of one resource.
    pub ranges: bool,
    /// Key of AES-128 encryption; `None` for segments without encryption.
    pub key: Option<[u8; 16]>,
    /// Initialization vector of the encryption; `None` for the media sequence number of each segment.
    pub iv: Option<[u8; 16]>,
    /// True for Low-Latency HLS: the playlist contains parts, if the stream has any, and can offer blocking reloads.
    pub low_latency: bool,
    /// Handling of blocking reloads.
    pub blocking: Blocking,
    /// Prefix of part names.
    pub part_names: String,
    /// True if parts are byte ranges of their segment.
    pub part_ranges: bool,
    /// Missing parts, as index of the segment and index of the part, both counted from 0.
    pub part_gaps: BTreeSet<(u64, usize)>,
    /// Number of the newest complete segments whose parts are in the playlist.
    pub part_window: u64,
    /// True if the playlist ends with EXT-X-ENDLIST.
    pub end: bool,
    /// Value of EXT-X-PLAYLIST-TYPE; `None` for no such tag. With a value, the playlist contains all segments since the
    /// start.
    pub kind: Option<&'static str>,
    /// Wrong value of EXT-X-MEDIA-SEQUENCE for the playlist; `None` for the right value.
    pub declared_sequence: Option<u64>,
    /// Age of the playlist in segments: the playlist lacks this many of the newest segments.
    pub behind: u64,
    /// Lines of the playlist that start with one of these texts are omitted.
    pub lost: Vec<String>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            window: 5,
            first_sequence: 0,
            target: None,
            dates: DateStyle::Zulu,
            dates_every: 1,
            epoch: 1_700_000_000.0,
            marks: BTreeMap::new(),
            title: String::new(),
            query: String::new(),
            names: "seg".to_owned(),
            ranges: false,
            key: None,
            iv: None,
            low_latency: false,
            blocking: Blocking::Honoured,
            part_names: "part".to_owned(),
            part_ranges: false,
            part_gaps: BTreeSet::new(),
            part_window: 2,
            end: false,
            kind: None,
            declared_sequence: None,
            behind: 0,
            lost: Vec::new(),
        }
    }
}
