//! Playlists as the rest of the source sees them.

use std::sync::Arc;

use url::Url;

/// A playlist, made whole: what its writer left to be carried along is written out on each segment.
#[derive(Debug, Clone, PartialEq)]
pub enum Playlist {
    /// A list of renditions.
    Master(MasterPlaylist),
    /// A list of segments.
    Media(MediaPlaylist),
}

/// A list of renditions (RFC 8216 section 4.3.4).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MasterPlaylist {
    /// EXT-X-STREAM-INF, in order.
    pub variants: Vec<Variant>,
    /// EXT-X-MEDIA of TYPE=AUDIO, in order.
    pub audio: Vec<AudioMedia>,
}

/// A variant stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Its media playlist.
    pub url: Url,
    /// BANDWIDTH, bits a second; 0 if it is not said.
    pub bandwidth: u64,
    /// CODECS, as written.
    pub codecs: Option<String>,
    /// Its name: IVS-NAME, NAME, or the NAME of its video group, which is how IVS names its renditions.
    pub name: Option<String>,
    /// GROUP-ID of its audio renditions.
    pub audio: Option<String>,
    /// Whether RESOLUTION is given.
    pub has_resolution: bool,
}

/// An audio rendition.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioMedia {
    /// Its media playlist; without one the audio is in the variants themselves.
    pub url: Option<Url>,
    /// GROUP-ID.
    pub group: String,
    /// NAME.
    pub name: String,
    /// LANGUAGE.
    pub language: Option<String>,
    /// DEFAULT=YES.
    pub default: bool,
}

/// A list of segments (RFC 8216 section 4.3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlaylist {
    /// EXT-X-TARGETDURATION rounded up, seconds; without one the longest segment's. Always at least 0.1.
    pub target: f64,
    /// The segments, oldest first.
    pub segments: Vec<MediaSegment>,
    /// The segment that is being made, if the playlist lists parts of it. It has no URL yet (what stands there leads
    /// nowhere), and its length is that of its parts so far.
    pub open: Option<Box<MediaSegment>>,
    /// Media sequence number of the first segment.
    pub media_sequence: u64,
    /// EXT-X-ENDLIST: nothing will be added.
    pub end: bool,
    /// EXT-X-PLAYLIST-TYPE:VOD.
    pub vod: bool,
    /// What a low-latency playlist offers.
    pub low_latency: LowLatency,
}

/// What a playlist of Low-Latency HLS offers (RFC 8216bis sections 4.4.3.7, 4.4.3.8 and 4.4.4.9).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LowLatency {
    /// CAN-BLOCK-RELOAD: a reload may wait at the server for the next segment or part.
    pub can_block_reload: bool,
    /// PART-TARGET, or without one the longest part, seconds; `None` where there are no parts.
    pub part_target: Option<f64>,
    /// Whether EXT-X-PRELOAD-HINT or EXT-X-PREFETCH announces what is still to come.
    pub hint: bool,
}

/// A segment.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaSegment {
    /// Where it is.
    pub url: Url,
    /// Its part of the resource, if it is not the whole.
    pub range: Option<ByteRange>,
    /// Media sequence number.
    pub sequence: u64,
    /// Media sequence number as the playlist has it: the initialisation vector of what is encrypted without one.
    pub number: u64,
    /// EXTINF, seconds.
    pub seconds: f64,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub discontinuity: bool,
    /// Its discontinuity sequence number.
    pub discontinuity_sequence: u64,
    /// Its first sample's time, seconds since 1970: given, or counted on from a neighbour's.
    pub program_date_time: Option<f64>,
    /// How it is encrypted, if it is.
    pub encryption: Option<Arc<Encryption>>,
    /// The section that initialises it, if it needs one.
    pub map: Option<Arc<Map>>,
    /// EXT-X-GAP: there is nothing behind the URL.
    pub gap: bool,
    /// Whether it is marked as an advertisement.
    pub ad: bool,
    /// Its parts, as far as the playlist lists them: those of the newest segments.
    pub parts: Vec<Part>,
}

/// EXT-X-PART: a part of a segment, told before the segment is complete (RFC 8216bis section 4.4.4.9).
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Where it is.
    pub url: Url,
    /// Its part of the resource, if it is not the whole.
    pub range: Option<ByteRange>,
    /// DURATION, seconds.
    pub seconds: f64,
    /// GAP=YES: there is nothing behind the URL.
    pub gap: bool,
}

/// A stretch of a resource, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// How segments are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// AES-128 in CBC mode over the whole segment.
    Aes128 {
        /// Where the key is.
        key: Url,
        /// The initialisation vector, if it is not the segment's media sequence number.
        iv: Option<[u8; 16]>,
    },
    /// A method that is not for us: the reason is named.
    Unsupported(String),
}

/// EXT-X-MAP: a section that initialises segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Where it is.
    pub url: Url,
    /// Its part of the resource, if it is not the whole.
    pub range: Option<ByteRange>,
    /// How it is encrypted, if it is.
    pub encryption: Option<Arc<Encryption>>,
}

impl MediaPlaylist {
    /// Media sequence number after the last segment.
    pub fn next_sequence(&self) -> u64 {
        self.media_sequence.saturating_add(self.segments.len() as u64)
    }

    /// Number of parts after the last segment.
    pub fn parts_ahead(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.parts.len())
    }
}
