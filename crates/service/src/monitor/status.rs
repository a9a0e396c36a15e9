//! How a stream is doing.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use refrain_catalog::{DetectionId, TrackNumber};
use refrain_stream::hls::EndReason;
use refrain_stream::{ClockAnchor, ClockSource, EarReport};

use super::worker::StageTimes;

/// The reason why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The playlist has an end tag.
    EndList,
    /// Nothing new has arrived for the time that the settings give.
    Silent,
    /// The file or pipe was read to its end.
    ReadToEnd,
    /// The station closed the connection and does not accept another.
    StationEnded,
    /// Its handle was told to stop.
    Stopped,
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndList => "the playlist says so",
            Self::Silent => "nothing has come for a long time",
            Self::ReadToEnd => "all of it was read",
            Self::StationEnded => "the station has ended",
            Self::Stopped => "it was stopped",
        })
    }
}

impl From<EndReason> for StreamEnd {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::EndList => Self::EndList,
            _ => Self::Silent,
        }
    }
}

/// How a stream is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StreamState {
    /// Nothing has come yet.
    #[default]
    Starting,
    /// Media comes.
    Live,
    /// Nothing has come for some time; it is still waited for.
    Stalled,
    /// It is over, and why.
    Ended(StreamEnd),
    /// It cannot be followed, or no more, and why.
    Failed(String),
    /// Its decoder died too often, and how.
    DecoderDied(String),
}

impl StreamState {
    /// Returns true if nothing more comes, for whatever reason.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Failed(_) | Self::DecoderDied(_))
    }

    /// One word for it.
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

impl fmt::Display for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(why) => write!(f, "{}: {why}", self.name()),
            Self::Failed(why) | Self::DecoderDied(why) => write!(f, "{}: {why}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// What kind of source a stream has.
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

/// What the network side counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceCounters {
    /// Segments, or connections of a station, or datagrams.
    pub pieces: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Tries that were repeated.
    pub retries: u64,
    /// Loads of playlists that failed.
    pub playlist_errors: u64,
    /// Resolutions of the master playlist after the first.
    pub resolutions: u64,
    /// The last thing that went wrong; no tokens.
    pub last_error: Option<String>,
}

/// An airing that goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AiringNow {
    /// Which.
    pub id: DetectionId,
    /// Of which track.
    pub track: TrackNumber,
    /// Since when, seconds since 1970.
    pub epoch: f64,
}

/// State and counters of a stream since its start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamStatus {
    /// How it is doing.
    pub state: StreamState,
    /// Returns true when the source gives nothing more; what it gave may still have to be processed.
    pub source_ended: bool,
    /// Whether all is done: the last event is told.
    pub is_over: bool,
    /// What kind of source it is, once that is known.
    pub kind: Option<SourceKind>,
    /// What the network side counts.
    pub source: SourceCounters,
    /// What the ear counts: gaps by reason, decode errors, silence, level.
    pub ear: EarReport,
    /// Seconds of the stream that were heard, gaps included.
    pub position: f64,
    /// When the last of that was, seconds since 1970, and how that is known.
    pub heard_until: Option<(f64, ClockSource)>,
    /// What another worker needs to continue the clock of the stream; `None` where it has dates or no time stamps.
    pub clock_anchor: Option<ClockAnchor>,
    /// Seconds of media that wait to be worked on.
    pub queued_seconds: f64,
    /// Airings that go on.
    pub airings: Vec<AiringNow>,
    /// Since when, seconds from the first sample, there is sound that no airing explains.
    pub unknown_since: Option<f64>,
    /// Processor time by stage.
    pub times: StageTimes,
    /// Searches that failed because the index is damaged.
    pub index_errors: u64,
    /// The last of these.
    pub last_index_error: Option<String>,
}

impl StreamStatus {
    /// Seconds from the last sound that was heard to now: the delay of the stream itself, and ours. Never negative, also where
    /// the stream's clock is ahead of this machine's.
    #[must_use]
    pub fn lag(&self) -> Option<f64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.heard_until.map(|(epoch, _)| (now - epoch).max(0.0))
    }
}
