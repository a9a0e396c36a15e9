//! How a playlist is followed.

use std::time::Duration;

use super::playlist::{MAX_PLAYLIST_BYTES, MediaPlaylist, MediaSegment};
use crate::http::{Limits, PrivateHost};

/// Which rendition of a master playlist is followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RenditionChoice {
    /// Audio alone if there is such a rendition, else the lowest bandwidth.
    #[default]
    Automatic,
    /// The variant or audio rendition of this name, without regard to case.
    Name(String),
    /// The variant at this place in the master playlist, counted from 0.
    Index(usize),
    /// The variant of the highest bandwidth that is not above this, bits a second; else the lowest.
    MaxBandwidth(u64),
}

/// How a playlist is followed. The defaults are for live streams of strangers.
#[derive(Debug, Clone)]
pub struct HlsSettings {
    /// Which rendition is followed.
    pub rendition: RenditionChoice,
    /// Whether the host of the stream's own URL may have a private address. A literal private address in that URL and
    /// `localhost` need no permission.
    pub allow_private: bool,
    /// Further hosts that may have private addresses: those of segments, keys, sections and redirects.
    pub private_hosts: Vec<PrivateHost>,
    /// Number of segments at the end of a live playlist with which [`Start::LiveEdge`] begins; at least one.
    pub start_segments_back: usize,
    /// Where to begin.
    pub start: Start,
    /// Time at the end of a live playlist with which [`Start::CatchUp`] begins.
    pub catch_up: Duration,
    /// Whether a playlist that lists parts of segments (Low-Latency HLS) is followed by them at its live edge.
    pub low_latency: bool,
    /// Most segments or parts that are fetched at once or wait, fetched, for their turn; at least one.
    pub prefetch: usize,
    /// Most deliveries that wait for the consumer; at least one.
    pub queue: usize,
    /// Bounds of the time between two loads of a playlist, whatever its target duration says.
    pub reload: (Duration, Duration),
    /// Limits of a playlist.
    pub playlist: Limits,
    /// Limits of a segment, a section or a key.
    pub segment: Limits,
    /// First and longest pause before something that failed is tried again. Pauses double and are spread by chance.
    pub retry: (Duration, Duration),
    /// How long a segment that cannot be had holds up those after it.
    pub segment_patience: Duration,
    /// How long a key that cannot be had is not asked for again.
    pub key_pause: Duration,
    /// How often the master playlist is resolved again while all is well: IVS's variant URLs expire after 34 to 87 minutes.
    pub resolve_every: Duration,
    /// Least time between two resolutions of the master playlist.
    pub resolve_pause: Duration,
    /// Without a new segment for so many target durations a stream is stalled.
    pub stalled_after: f64,
    /// Without a new segment for so long a stream is over.
    pub give_up_after: Duration,
    /// Segments of a live stream that could not be begun for so long are dropped and counted.
    pub max_behind: Duration,
}

/// The segment of a playlist with which to begin. A playlist with `EXT-X-ENDLIST` is complete, any other one is live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// The newest segments of a live playlist, or the first one of a complete playlist.
    #[default]
    LiveEdge,
    /// The segments of the last [`HlsSettings::catch_up`] of a live playlist, or the first one of a complete playlist: another
    /// process followed the stream and may have missed some of them.
    CatchUp,
    /// The newest segments of a live playlist, or none of a complete playlist: it was followed to its end.
    AfterEnd,
}

impl HlsSettings {
    /// Number of segments at the end of the first playlist with which to begin.
    pub(super) fn segments_back(&self, list: &MediaPlaylist) -> usize {
        let newest = self.start_segments_back.max(1);
        match (self.start, list.end) {
            (Start::AfterEnd, true) => 0,
            (Start::LiveEdge | Start::CatchUp, true) => usize::MAX,
            (Start::LiveEdge | Start::AfterEnd, false) => newest,
            (Start::CatchUp, false) => {
                let mut left = self.catch_up.as_secs_f64();
                let is_wanted = |segment: &&MediaSegment| {
                    let is_wanted = left > 0.0;
                    left -= segment.seconds;
                    is_wanted
                };
                list.segments.iter().rev().take_while(is_wanted).count().max(newest)
            }
        }
    }
}

impl Default for HlsSettings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            rendition: RenditionChoice::Automatic,
            allow_private: false,
            private_hosts: Vec::new(),
            start_segments_back: 3,
            start: Start::LiveEdge,
            catch_up: seconds(60),
            low_latency: true,
            prefetch: 3,
            queue: 2,
            reload: (Duration::from_millis(250), seconds(30)),
            playlist: Limits { bytes: MAX_PLAYLIST_BYTES, total: seconds(15) },
            segment: Limits { bytes: 64 * 1024 * 1024, total: seconds(60) },
            retry: (Duration::from_millis(250), seconds(5)),
            segment_patience: seconds(20),
            key_pause: seconds(10),
            resolve_every: seconds(30 * 60),
            resolve_pause: seconds(10),
            stalled_after: 3.0,
            give_up_after: crate::GIVE_UP_AFTER,
            max_behind: seconds(60),
        }
    }
}
