//! Settings of an HLS source.

use std::str::FromStr;
use std::time::Duration;

use super::playlist::{MAX_PLAYLIST_BYTES, MediaPlaylist, MediaSegment};
use refrain_net::{PrivateHost, StreamAccess, TransferLimits};

/// Choice of the rendition of a master playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RenditionChoice {
    /// A rendition with audio only if there is one, otherwise the variant with the lowest bandwidth, without renditions
    /// whose CODECS cannot be decoded.
    #[default]
    Automatic,
    /// The variant with this name, or the audio rendition with this name or language, without regard to case.
    Name(String),
    /// The variant at this index in the master playlist, from 0.
    Index(usize),
    /// The variant with the highest bandwidth up to this value, in bits per second. If all variants exceed the value,
    /// the variant with the lowest bandwidth is chosen.
    MaxBandwidth(u64),
}

/// Error of parsing a [`RenditionChoice`]. The text states the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenditionChoiceError(String);

impl FromStr for RenditionChoice {
    type Err = RenditionChoiceError;

    /// Parses a name, `#0` for the first variant, or `max:BITS` for the highest bandwidth up to BITS per second.
    fn from_str(text: &str) -> Result<Self, RenditionChoiceError> {
        let number = |text: &str| {
            text.parse::<u64>().map_err(|_| RenditionChoiceError(format!("{text:?} is not a number")))
        };
        if let Some(index) = text.strip_prefix('#') {
            let index = usize::try_from(number(index)?);
            return index.map(Self::Index).map_err(|error| RenditionChoiceError(error.to_string()));
        }
        match text.strip_prefix("max:") {
            Some(bits) => Ok(Self::MaxBandwidth(number(bits)?)),
            None if text.is_empty() => {
                Err(RenditionChoiceError("the value is empty; omit it to use the default".to_owned()))
            }
            None => Ok(Self::Name(text.to_owned())),
        }
    }
}

/// Settings of an HLS source. The defaults are for live streams from untrusted servers.
#[derive(Debug, Clone)]
pub struct HlsSettings {
    /// Choice of the rendition of a master playlist.
    pub rendition: RenditionChoice,
    /// Preferred language of audio renditions, as a code of ISO 639 or a tag of RFC 5646; `None` for any.
    pub language: Option<String>,
    /// First and longest pause before a rendition that failed is tested again. The pause doubles with each failure.
    pub return_pause: (Duration, Duration),
    /// True if the host of the stream's own URL may have a private address. A literal private address in that URL and
    /// `localhost` need no permission.
    pub allow_private: bool,
    /// Further hosts that may have private addresses: hosts of segments, keys, sections and redirects.
    pub private_hosts: Vec<PrivateHost>,
    /// Headers and cookies of the requests. Each stream needs its own value.
    pub access: StreamAccess,
    /// Number of segments at the end of a live playlist with which [`Start::LiveEdge`] begins; at least one.
    pub start_segments_back: usize,
    /// Position in the first playlist at which the source begins.
    pub start: Start,
    /// Duration of the segments at the end of a live playlist with which [`Start::CatchUp`] begins.
    pub catch_up: Duration,
    /// True if parts of segments (Low-Latency HLS) are used at the live edge of a playlist that lists them.
    pub low_latency: bool,
    /// Maximum number of segments and parts that are being fetched, or are fetched and not yet delivered; at least one.
    pub prefetch: usize,
    /// Capacity of the queue of deliveries to the consumer; at least one.
    pub queue: usize,
    /// Shortest and longest time between two loads of a playlist, regardless of its target duration.
    pub reload: (Duration, Duration),
    /// Size and time limits of loading a playlist.
    pub playlist: TransferLimits,
    /// Size and time limits of fetching a segment or a section. The time limit also applies to a key.
    pub segment: TransferLimits,
    /// First and longest pause before a failed request is repeated. Pauses double and are randomized.
    pub retry: (Duration, Duration),
    /// Longest time for which the fetching of a segment is retried. The segments after it are delayed by this time.
    pub segment_timeout: Duration,
    /// Time for which a key is not requested again after it could not be fetched.
    pub key_pause: Duration,
    /// Interval at which the master playlist is resolved again even if there was no error. Variant URLs of Amazon IVS
    /// expire after 34 to 87 minutes.
    pub resolve_every: Duration,
    /// Shortest time between two resolutions of the master playlist.
    pub resolve_pause: Duration,
    /// Number of target durations without a new segment after which a stream is stalled.
    pub stalled_after: f64,
    /// Time without a new segment after which a stream ends.
    pub give_up_after: Duration,
    /// Time after its listing at which a segment of a live stream is dropped and counted as a gap, if fetching it has
    /// not begun.
    pub max_behind: Duration,
}

/// Segment of the first playlist with which the source begins. A playlist with `EXT-X-ENDLIST` is complete; any other
/// playlist is live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// The newest segments of a live playlist, or the first one of a complete playlist.
    #[default]
    LiveEdge,
    /// The segments of the last [`HlsSettings::catch_up`] of a live playlist, or the first one of a complete playlist.
    /// This is for a stream that another process followed before, which may have missed some of the segments.
    CatchUp,
    /// The newest segments of a live playlist, or none of a complete playlist. This is for a stream that was already
    /// followed to its end.
    AfterEnd,
}

impl HlsSettings {
    /// Returns the number of segments at the end of the first playlist `list` with which the source begins.
    pub(super) fn segments_back(&self, list: &MediaPlaylist) -> usize {
        let newest = self.start_segments_back.max(1);
        match (self.start, list.end) {
            (Start::AfterEnd, true) => 0,
            (Start::LiveEdge | Start::CatchUp, true) => usize::MAX,
            (Start::LiveEdge | Start::AfterEnd, false) => newest,
            (Start::CatchUp, false) => {
                let mut remaining = self.catch_up.as_secs_f64();
                let is_wanted = |segment: &&MediaSegment| {
                    let is_wanted = remaining > 0.0;
                    remaining -= segment.seconds;
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
            language: None,
            // Each return to a rendition that fails again costs some seconds of audio. At half these values, a
            // rendition that fails again and again costs twice the audio; at twice these values, a backup, which can
            // have a lower quality, is followed for two minutes after a short failure.
            return_pause: (seconds(60), seconds(60 * 60)),
            allow_private: false,
            private_hosts: Vec::new(),
            access: StreamAccess::default(),
            // RFC 8216 (6.3.3) requires a distance of three segments for playback; in Refrain it gives the matcher
            // audio at once. At half this value, a song that is playing is found seconds later; at twice this value,
            // each start fetches more old audio.
            start_segments_back: 3,
            start: Start::LiveEdge,
            // The lease of a worker and its take-over last less than a minute. At half this value, audio after a crash
            // can be missing; at twice this value, more of it is decoded a second time.
            catch_up: seconds(60),
            low_latency: true,
            // While one segment is being received, the requests for the next ones are under way and cost no extra time.
            // At half this value, a stream of a distant server falls behind; at twice this value, a stream keeps twice
            // the bytes in memory.
            prefetch: 3,
            // The consumer takes one delivery while the next is ready. The queue of the monitor, whose capacity is in
            // seconds, buffers the rest.
            queue: 2,
            // The minimum bounds the load on a server that announces a target duration near 0; the maximum finds the
            // end of a stalled stream with a long target duration.
            reload: (Duration::from_millis(250), seconds(30)),
            // A playlist is small, so only a server that is overloaded or down needs more than 15 s. At half this
            // value, such servers cause more retries; at twice this value, a live window of 30 s can pass during one
            // attempt.
            playlist: TransferLimits { bytes: MAX_PLAYLIST_BYTES, total: seconds(15) },
            // Video segments of 10 s at 50 Mbit/s have 63 MB. At half this value, the variants with the highest
            // bandwidth cannot be fetched; at twice this value, four segments no longer fit into the memory limit of
            // all responses.
            segment: TransferLimits { bytes: 64 * 1024 * 1024, total: seconds(60) },
            // The first retry is soon, because the servers of a CDN recover in a moment; 5 s is less than the retry
            // time of a segment. At half this value, a server that is down gets twice the requests; at twice this
            // value, a segment gets two attempts less.
            retry: (Duration::from_millis(250), seconds(5)),
            // Live playlists list segments for 20 to 30 s. At half this value, segments are lost if a server needs 15 s
            // to recover; at twice this value, little is gained, because the retries end when the segment leaves the
            // playlist (`PlaylistLocation::Removed`).
            segment_timeout: seconds(20),
            // Without a pause, each segment would wait for the retries of the same missing key.
            key_pause: seconds(10),
            // The interval is shorter than the 34 minutes after which the first URLs of Amazon IVS expire, so that a
            // change needs no failed request. At half this value, the master playlist is loaded twice as often; at
            // twice this value, some URLs expire first and their requests fail.
            resolve_every: seconds(30 * 60),
            // An expired URL fails all segments in flight at once; they must cause one resolution.
            resolve_pause: seconds(10),
            // Encoders publish segments up to one target duration late. At half this value, healthy streams alternate
            // between live and stalled; at twice this value, an outage is shown later.
            stalled_after: 3.0,
            give_up_after: crate::GIVE_UP_AFTER,
            // Older audio would be reported too late to be useful. At half this value, a short overload drops audio; at
            // twice this value, events of an overloaded process are two minutes late.
            max_behind: seconds(60),
        }
    }
}
