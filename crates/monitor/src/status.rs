//! State and counters of a stream.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use refrain_catalog::{DetectionId, TrackNumber};
use refrain_stream::hls::EndReason;
use refrain_stream::{ClockAnchor, ClockSource, DecoderReport};

use super::stage_times::StageTimes;

/// The reason why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The playlist has an end tag.
    EndList,
    /// Nothing new has arrived for the time in the settings.
    Silent,
    /// The file or pipe was read to its end.
    ReadToEnd,
    /// The station closed the connection and does not accept another.
    StationEnded,
    /// The caller stopped it by its handle.
    Stopped,
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndList => "the playlist has an end tag",
            Self::Silent => "no media for a long time",
            Self::ReadToEnd => "the input was read to its end",
            Self::StationEnded => "the station closed the connection",
            Self::Stopped => "it was stopped",
        })
    }
}

impl From<EndReason> for StreamEnd {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::EndList => Self::EndList,
            // `EndReason` is non-exhaustive; every other reason is the lack of new media.
            _ => Self::Silent,
        }
    }
}

/// State of a stream.
///
/// # Examples
/// ```
/// use refrain_monitor::{StreamEnd, StreamPhase};
///
/// let phase = StreamPhase::Ended(StreamEnd::EndList);
/// assert!(phase.is_end());
/// assert_eq!(phase.to_string(), "ended: the playlist has an end tag");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StreamPhase {
    /// No media has arrived yet.
    #[default]
    Starting,
    /// Media arrives.
    Live,
    /// No media has arrived for some time; the source keeps trying.
    Stalled,
    /// The stream has ended, for this reason.
    Ended(StreamEnd),
    /// The stream cannot be followed (any more), for this reason.
    Failed(String),
    /// The decoder of the stream died too often; the text says how.
    DecoderDied(String),
}

impl StreamPhase {
    /// Returns true if the stream has ended or failed, for whatever reason.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Failed(_) | Self::DecoderDied(_))
    }

    /// Returns the name of the state: `starting`, `live`, `stalled`, `ended` or `failed`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Ended(_) => "ended",
            Self::Failed(_) | Self::DecoderDied(_) => "failed",
        }
    }
}

impl fmt::Display for StreamPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(why) => write!(f, "{}: {why}", self.name()),
            Self::Failed(why) | Self::DecoderDied(why) => write!(f, "{}: {why}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// The kind of a stream's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// HLS.
    Hls,
    /// HTTP radio.
    Radio,
    /// Standard input or a file.
    Pipe,
    /// MPEG-TS over UDP.
    Udp,
}

/// Counters of the network side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceCounters {
    /// Number of segments, of connections to a station, or of datagrams.
    pub pieces: u64,
    /// Number of received bytes.
    pub bytes: u64,
    /// Number of repeated attempts.
    pub retries: u64,
    /// Number of failed loads of playlists.
    pub playlist_errors: u64,
    /// Number of resolutions of the master playlist after the first.
    pub resolutions: u64,
    /// The last error. It contains no tokens.
    pub last_error: Option<String>,
}

/// An open airing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurrentAiring {
    /// Id of the airing.
    pub id: DetectionId,
    /// Number of its track.
    pub track: TrackNumber,
    /// Start of the airing, seconds since 1970.
    pub epoch: f64,
}

/// State and counters of a stream since its start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamStatus {
    /// State of the stream.
    pub state: StreamPhase,
    /// True if the source has ended. Queued deliveries may still have to be processed.
    pub source_ended: bool,
    /// True if everything has been processed and the last event was sent.
    pub is_over: bool,
    /// Kind of the source, once it is known.
    pub kind: Option<SourceKind>,
    /// Counters of the network side.
    pub source: SourceCounters,
    /// Counters of the decoder: gaps by reason, decode errors, silence, level.
    pub decoder: DecoderReport,
    /// Seconds of the stream that were processed, gaps included.
    pub position: f64,
    /// Time of day of the last processed audio, seconds since 1970, and the source of this time.
    pub processed_until: Option<(f64, ClockSource)>,
    /// State that another worker needs to continue the clock of the stream. `None` if the stream has dates or no time
    /// stamps.
    pub clock_anchor: Option<ClockAnchor>,
    /// Seconds of queued media.
    pub queued_seconds: f64,
    /// Open airings.
    pub airings: Vec<CurrentAiring>,
    /// Start of the audio that no airing explains, in seconds from the first sample; `None` in silence and while an
    /// airing is detected.
    pub unknown_since: Option<f64>,
    /// Wall-clock time by stage.
    pub times: StageTimes,
    /// Number of searches that failed because the index is damaged.
    pub index_errors: u64,
    /// The last error of these searches.
    pub last_index_error: Option<String>,
}

impl StreamStatus {
    /// Returns the seconds from the last processed audio to now: the delay of the stream itself plus the delay of
    /// processing. Never negative, even if the stream's clock is ahead of this machine's.
    #[must_use]
    pub fn lag(&self) -> Option<f64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.processed_until.map(|(epoch, _)| (now - epoch).max(0.0))
    }
}
