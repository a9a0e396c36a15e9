//! Parsed playlists.

use std::sync::Arc;

use url::Url;

/// A parsed playlist. A tag that applies to all following segments is set on each of these segments.
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
    /// URL of the media playlist.
    pub url: Url,
    /// BANDWIDTH, bits per second; 0 if it is missing.
    pub bandwidth: u64,
    /// CODECS, as in the playlist.
    pub codecs: Option<String>,
    /// Name: IVS-NAME, NAME, or the GROUP-ID of its video group, which is how IVS names its renditions.
    pub name: Option<String>,
    /// GROUP-ID of its audio renditions (AUDIO).
    pub audio: Option<String>,
    /// True if RESOLUTION is given.
    pub has_resolution: bool,
}

/// An audio rendition.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioMedia {
    /// URL of the media playlist; `None` if the audio is in the variants.
    pub url: Option<Url>,
    /// GROUP-ID.
    pub group: String,
    /// NAME.
    pub name: String,
    /// LANGUAGE.
    pub language: Option<String>,
    /// True if DEFAULT=YES.
    pub default: bool,
}

/// A list of segments (RFC 8216 section 4.3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlaylist {
    /// EXT-X-TARGETDURATION rounded up, seconds; if it is missing, the longest duration of a segment. Always at least
    /// 0.1.
    pub target: f64,
    /// The segments, oldest first.
    pub segments: Vec<MediaSegment>,
    /// The open segment, which the server is still producing, if the playlist lists parts of it. It has no URL yet, so
    /// the value of `url` cannot be fetched. Its duration is the sum of the parts so far.
    pub open: Option<Box<MediaSegment>>,
    /// Media sequence number of the first segment.
    pub media_sequence: u64,
    /// True if EXT-X-ENDLIST is present: no segments will be added.
    pub end: bool,
    /// True if EXT-X-PLAYLIST-TYPE is VOD.
    pub vod: bool,
    /// Low-Latency HLS features of the playlist.
    pub low_latency: LowLatency,
}

/// Low-Latency HLS features of a playlist (RFC 8216bis sections 4.4.3.7, 4.4.3.8 and 4.4.4.9).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LowLatency {
    /// True if CAN-BLOCK-RELOAD=YES: the server can delay the response to a reload until the next segment or part
    /// exists.
    pub can_block_reload: bool,
    /// PART-TARGET, or if it is missing the longest duration of a part, seconds; `None` if both are missing.
    pub part_target: Option<f64>,
    /// True if EXT-X-PRELOAD-HINT or EXT-X-PREFETCH announces a segment or part that does not exist yet.
    pub hint: bool,
}

/// A segment.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaSegment {
    /// URL of the segment, or of the resource that contains it.
    pub url: Url,
    /// Byte range of the segment in the resource; `None` for the whole resource.
    pub range: Option<ByteRange>,
    /// Media sequence number. The source replaces it by the number in its timeline.
    pub sequence: u64,
    /// Media sequence number in the playlist. It is the initialisation vector if the encryption has none.
    pub number: u64,
    /// Duration from EXTINF, seconds.
    pub seconds: f64,
    /// True if EXT-X-DISCONTINUITY precedes the segment.
    pub discontinuity: bool,
    /// Discontinuity sequence number.
    pub discontinuity_sequence: u64,
    /// Date of its first sample, seconds since 1970: from the playlist, or extrapolated from an adjacent segment.
    pub program_date_time: Option<f64>,
    /// Encryption; `None` for clear media.
    pub encryption: Option<Arc<Encryption>>,
    /// Initialisation section, if the segment needs one.
    pub map: Option<Arc<Map>>,
    /// True if the segment cannot be fetched: EXT-X-GAP is present, or its URL is invalid.
    pub gap: bool,
    /// True if the segment is marked as an advertisement.
    pub ad: bool,
    /// Parts that the playlist lists. A playlist lists parts only for its newest segments.
    pub parts: Vec<Part>,
}

/// EXT-X-PART: a part of a segment, which is listed before the segment is complete (RFC 8216bis section 4.4.4.9).
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// URL of the part, or of the resource that contains it.
    pub url: Url,
    /// Byte range of the part in the resource; `None` for the whole resource.
    pub range: Option<ByteRange>,
    /// Duration from DURATION, seconds.
    pub seconds: f64,
    /// True if the part cannot be fetched: GAP=YES, or its URL or byte range is invalid.
    pub gap: bool,
}

/// Byte range of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// Encryption of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// AES-128 in CBC mode over the whole segment.
    Aes128 {
        /// URL of the key.
        key: Url,
        /// Initialisation vector; `None` if it is the media sequence number of the segment.
        iv: Option<[u8; 16]>,
    },
    /// An unsupported method, with a description.
    Unsupported(String),
}

/// EXT-X-MAP: initialisation section of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// URL of the section, or of the resource that contains it.
    pub url: Url,
    /// Byte range of the section in the resource; `None` for the whole resource.
    pub range: Option<ByteRange>,
    /// Encryption; `None` for a clear section.
    pub encryption: Option<Arc<Encryption>>,
}

impl MediaPlaylist {
    /// Returns the media sequence number after the last segment.
    pub fn next_sequence(&self) -> u64 {
        self.media_sequence.saturating_add(self.segments.len() as u64)
    }

    /// Returns the number of parts listed after the last segment.
    pub fn parts_ahead(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.parts.len())
    }
}
