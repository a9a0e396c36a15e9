//! How a live stream is told.

use std::collections::{BTreeMap, BTreeSet};

use super::playlist::DateStyle;

/// What a playlist says of one segment beside its duration.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// EXT-X-DISCONTINUITY before it.
    pub discontinuity: bool,
    /// EXT-X-GAP.
    pub gap: bool,
    /// The title in its EXTINF.
    pub title: String,
    /// Lines before it, as they are.
    pub lines: Vec<String>,
}

/// What becomes of a reload that is to wait for news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// It waits.
    Honoured,
    /// It is offered, and does not wait.
    Ignored,
    /// It is not offered, and does not wait.
    Absent,
}

/// How a live stream is told. Everything may be changed while it runs.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// Most segments in a playlist.
    pub window: usize,
    /// Media sequence number of the first segment ever.
    pub first_sequence: u64,
    /// EXT-X-TARGETDURATION as text; `None`: the longest segment rounded up.
    pub target: Option<String>,
    /// How EXT-X-PROGRAM-DATE-TIME is spelt.
    pub dates: DateStyle,
    /// Only every so many segments have a date.
    pub dates_every: u64,
    /// Time of the first segment ever, seconds since 1970.
    pub epoch: f64,
    /// Marks by segment, counted from 0.
    pub marks: BTreeMap<u64, Marks>,
    /// Title of segments that have no marks.
    pub title: String,
    /// Query that is put behind each URI, with its question mark.
    pub query: String,
    /// Prefix of segment names: another one is another stream behind the same playlist.
    pub names: String,
    /// Whether all segments are byte ranges of one resource.
    pub ranges: bool,
    /// Key of AES-128; vectors are the sequence numbers.
    pub key: Option<[u8; 16]>,
    /// Explicit vector.
    pub iv: Option<[u8; 16]>,
    /// Whether parts are told, if the stream has any, and reloads may block (Low-Latency HLS).
    pub low_latency: bool,
    /// What becomes of blocking reloads.
    pub blocking: Blocking,
    /// Prefix of the names of parts.
    pub part_names: String,
    /// Whether parts are byte ranges of their segment.
    pub part_ranges: bool,
    /// Parts that are not there: segment and part.
    pub part_gaps: BTreeSet<(u64, usize)>,
    /// Of how many complete segments parts are told.
    pub part_window: u64,
    /// EXT-X-ENDLIST.
    pub end: bool,
    /// EXT-X-PLAYLIST-TYPE.
    pub kind: Option<&'static str>,
    /// MEDIA-SEQUENCE that is told whatever is true.
    pub told_sequence: Option<u64>,
    /// The playlist is as it was so many segments ago.
    pub behind: u64,
    /// Tags that are lost: lines that start so are left out.
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
            told_sequence: None,
            behind: 0,
            lost: Vec::new(),
        }
    }
}
