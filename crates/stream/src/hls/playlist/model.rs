//! Parsed playlists.

use std::sync::Arc;

use url::Url;

use super::variables::Variables;

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
    /// The variants (EXT-X-STREAM-INF), in order.
    pub variants: Vec<Variant>,
    /// The audio renditions (EXT-X-MEDIA of TYPE=AUDIO), in order.
    pub audio: Vec<AudioMedia>,
    /// The variables (EXT-X-DEFINE), which the media playlists can import.
    pub variables: Variables,
}

/// A variant stream: a version of the stream with its own bandwidth and media playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// URL of the media playlist.
    pub url: Url,
    /// BANDWIDTH, bits per second; 0 if it is missing.
    pub bandwidth: u64,
    /// CODECS, as in the playlist; `None` if it is missing.
    pub codecs: Option<String>,
    /// Name: IVS-NAME, NAME, or the GROUP-ID of the variant's video group, by which IVS names its renditions. `None` if
    /// all are missing.
    pub name: Option<String>,
    /// GROUP-ID of the variant's audio renditions (AUDIO); `None` if it is missing.
    pub audio: Option<String>,
    /// True if RESOLUTION is given.
    pub has_resolution: bool,
}

/// An audio rendition.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioMedia {
    /// URL of the media playlist; `None` if the audio is in the variants.
    pub url: Option<Url>,
    /// GROUP-ID of the group to which the rendition belongs; variants name it in AUDIO.
    pub group: String,
    /// NAME.
    pub name: String,
    /// LANGUAGE; `None` if it is missing.
    pub language: Option<String>,
    /// True if DEFAULT=YES.
    pub default: bool,
    /// True if CHARACTERISTICS contains `public.accessibility.describes-video`: a commentary for the visually impaired.
    pub describes_video: bool,
}

/// A list of segments (RFC 8216 section 4.3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlaylist {
    /// EXT-X-TARGETDURATION rounded up, seconds. If it is missing, or much longer than the usual duration of a segment,
    /// the longest plausible duration of a segment, or 6 s if no segment has a duration. The value is at least 0.1 s.
    pub target: f64,
    /// The segments, oldest first. Of a playlist without EXT-X-ENDLIST, only the newest 2,048.
    pub segments: Vec<MediaSegment>,
    /// The open segment, which the server is still producing; `None` if the playlist lists no parts of it. The open
    /// segment has no URL yet, so its `url` cannot be fetched. Its duration is the sum of the parts so far.
    pub open: Option<Box<MediaSegment>>,
    /// Media sequence number of the first of `segments`.
    pub media_sequence: u64,
    /// True if EXT-X-ENDLIST is present: no segments will be added.
    pub end: bool,
    /// True if EXT-X-PLAYLIST-TYPE is VOD.
    pub vod: bool,
    /// Low-Latency HLS features of the playlist.
    pub low_latency: LowLatency,
    /// Seconds until the next segment exists, if a clock determines it (DASH); `None` if the playlist has to be loaded
    /// at intervals of `target`.
    pub next_load: Option<f64>,
}

/// Low-Latency HLS features of a playlist (RFC 8216bis sections 4.4.3.7, 4.4.3.8 and 4.4.4.9).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LowLatency {
    /// True if CAN-BLOCK-RELOAD=YES: the server can delay the response to a reload until the next segment or part
    /// exists.
    pub can_block_reload: bool,
    /// PART-TARGET in seconds. If it is missing, the longest duration of a part; `None` if there are no parts either.
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
    /// Media sequence number. The source replaces it by the number that it uses across all loads of the playlist.
    pub sequence: u64,
    /// Media sequence number in the playlist. It is the initialisation vector if `encryption` contains none.
    pub number: u64,
    /// Duration from EXTINF, seconds; the target duration if EXTINF is missing or invalid. If it is much longer than the
    /// usual duration of the segments, that usual duration.
    pub seconds: f64,
    /// True if EXT-X-DISCONTINUITY precedes the segment.
    pub discontinuity: bool,
    /// Discontinuity sequence number: counts the discontinuities from the start of the stream.
    pub discontinuity_sequence: u64,
    /// Date of the first sample, seconds since 1970: from the playlist, or extrapolated from an adjacent segment.
    /// `None` if no date is known.
    pub program_date_time: Option<f64>,
    /// Encryption; `None` for clear media.
    pub encryption: Option<Arc<Encryption>>,
    /// Initialisation section; `None` if the segment needs none.
    pub map: Option<Arc<Map>>,
    /// True if the segment cannot be fetched: EXT-X-GAP is present, or its URL is invalid.
    pub gap: bool,
    /// True if the segment is marked as an advertisement.
    pub ad: bool,
    /// Parts of the segment that the playlist lists. A playlist lists parts only for its newest segments.
    pub parts: Vec<Part>,
}

/// EXT-X-PART: a part of a segment, which is listed before the segment is complete (RFC 8216bis section 4.4.4.9).
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// URL of the part, or of the resource that contains it.
    pub url: Url,
    /// Byte range of the part in the resource; `None` for the whole resource.
    pub range: Option<ByteRange>,
    /// Duration from DURATION, seconds; 0 if it is missing or invalid.
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
    /// AES-128 of single audio frames (METHOD=SAMPLE-AES or SAMPLE-AES-CTR) with a key from the playlist.
    SampleAes {
        /// URL of the key.
        key: Url,
        /// Initialisation vector; `None` if it is the media sequence number of the segment, or in the segment.
        iv: Option<[u8; 16]>,
    },
    /// An unsupported method. Contains its description.
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
    /// Returns the media sequence number of the segment after the last listed one.
    pub fn next_sequence(&self) -> u64 {
        self.media_sequence.saturating_add(self.segments.len() as u64)
    }

    /// Returns the number of parts of the open segment, which are listed after the last segment.
    pub fn parts_ahead(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.parts.len())
    }
}
