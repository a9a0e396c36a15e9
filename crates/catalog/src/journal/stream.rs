//! Streams: start, end and queries.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::attempts::{MAX_DEATHS, MAX_WORKER_DEATHS};
use super::stored::name_fault;
use crate::CatalogError;

/// Origin of streams whose audio is stored in objects, one per segment. [`crate::StreamLeases::claim_archives`] claims
/// them.
pub const ARCHIVE: &str = "archive";

/// State of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// Nothing was received yet, and no request has failed.
    Starting,
    /// Audio is being decoded.
    Live,
    /// Media is being received, but no audio can be decoded from it.
    NoAudio,
    /// Audio is being decoded, and it has been silent for some seconds.
    Silent,
    /// Media is expected, but the source delivers none.
    Stalled,
    /// Requests to the source fail and are repeated.
    Retrying,
    /// The stream has ended.
    Ended,
    /// The stream failed and is not retried.
    Failed,
}

impl StreamState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Live,
        Self::NoAudio,
        Self::Silent,
        Self::Stalled,
        Self::Retrying,
        Self::Ended,
        Self::Failed,
    ];

    /// Returns the name of the state as it appears in databases and responses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::NoAudio => "no_audio",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::Retrying => "retrying",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }

    /// Returns true if the stream has ended or failed.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Failed)
    }

    /// Returns true if audio is being decoded, silent or not.
    #[must_use]
    pub fn is_decoding(self) -> bool {
        matches!(self, Self::Live | Self::Silent)
    }

    /// Returns the state in the column `state`, which older programs know, and the text in the column `state_detail`
    /// (`None` if the first column is exact).
    pub(crate) fn stored(self) -> (Self, Option<&'static str>) {
        match self {
            Self::NoAudio | Self::Retrying => (Self::Stalled, Some(self.as_str())),
            Self::Silent => (Self::Live, Some(self.as_str())),
            exact => (exact, None),
        }
    }

    /// Returns the state of a row with these columns; `None` if the name in `state` is unknown. A detail that does not
    /// belong to `state` is outdated and ignored: statements that change only `state` wrote the row since.
    pub(crate) fn from_stored(state: &str, detail: Option<&str>) -> Option<Self> {
        let state = Self::from_name(state)?;
        let exact = detail.and_then(Self::from_name).filter(|exact| exact.stored().0 == state);
        Some(exact.unwrap_or(state))
    }

    /// Returns the state with this name, or `None` if the name is unknown.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Request headers of a stream. They can contain secrets, so the debug output does not contain the text.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamHeaders(String);

impl StreamHeaders {
    /// Wraps a text, which only workers interpret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The start of a stream, as reported by its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStream {
    /// Permanent identifier, for example the ARN of a channel.
    pub id: String,
    /// URL of the audio.
    pub url: String,
    /// Headers of the requests to the origin of the URL; `None` if none exist.
    pub headers: Option<StreamHeaders>,
    /// Name of the source that reported the stream, for example `ivs`.
    pub origin: String,
    /// Name of this session; `None` if the origin does not name sessions.
    pub session: Option<String>,
    /// Start time as reported by the origin, in milliseconds since the Unix epoch; the same in each report of the same
    /// start.
    pub started_at: i64,
}

impl NewStream {
    /// Returns the reason why the stream cannot be stored, or `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        name_fault("stream", &self.id)
    }
}

/// The outcome of [`crate::StreamRegistry::start_stream`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartOutcome {
    /// A new stream, or a new session of a known one, was started.
    Started(Stream),
    /// The start was known or outdated, and nothing changed. Contains the stored stream.
    Known(Stream),
}

/// Identifies a session of a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// Id of the stream, [`Stream::id`].
    pub id: String,
    /// Start of the session, [`Stream::started_at`].
    pub started_at: i64,
}

/// A stream in its latest session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Permanent identifier.
    pub id: String,
    /// URL of the audio.
    pub url: String,
    /// Headers of the requests to the origin of the URL; `None` if none exist.
    pub headers: Option<StreamHeaders>,
    /// Name of the source that reported the stream, for example `ivs`.
    pub origin: String,
    /// Name of this session; `None` if the origin does not name sessions.
    pub session: Option<String>,
    /// Current state.
    pub state: StreamState,
    /// Reason of the state; `None` if none exists.
    pub reason: Option<String>,
    /// Time of the first sample of the session, in milliseconds since the Unix epoch; `None` if it is not known yet.
    pub epoch: Option<i64>,
    /// Anchor of the session's clock, with which the next worker continues the clock; `None` if the stream has dates or
    /// no timestamps. Only workers interpret the text.
    pub clock_anchor: Option<String>,
    /// Alerts about the audio that were reported, after which the next worker continues; `None` if none were stored. Only
    /// workers interpret the text.
    pub alerts: Option<String>,
    /// Start time of the first session of the stream, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Start time of this session, in milliseconds since the Unix epoch. The start time increases with every session,
    /// so it identifies the session.
    pub started_at: i64,
    /// Time of the last change of the stream, except changes of its lease, in milliseconds since the Unix epoch.
    pub updated_at: i64,
    /// Time at which the session ended or failed, in milliseconds since the Unix epoch; `None` before that.
    pub ended_at: Option<i64>,
    /// Owner of the lease; `None` if there is no lease.
    pub lease_owner: Option<String>,
    /// Time at which the lease expires by the clock of the database, in milliseconds since the Unix epoch; `None` if
    /// there is no lease.
    pub lease_until: Option<i64>,
    /// Number of claims since the stream was last live.
    pub attempts: u32,
    /// Number of claims since the stream was last confirmed ([`crate::Attempts::confirm_stream`]) or its lease was last
    /// released by its owner, including the current claim. Each earlier one of these claims ended with the death of its
    /// worker. Always 0 for [`ARCHIVE`] streams.
    pub deaths: u32,
    /// Number of deaths of the stream's decoder since the stream was last [healthy](crate::StreamHealth::Healthy).
    pub decoder_deaths: u32,
    /// Position in an archive of segments, from which the next worker continues; `None` if none was stored. Only
    /// workers interpret the text.
    pub progress: Option<String>,
}

impl Stream {
    /// Returns the key of the latest session of the stream.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        SessionKey { id: self.id.clone(), started_at: self.started_at }
    }

    /// Returns the number of deaths that is shown for the stream: those of its worker process or those of its decoder,
    /// whichever is higher.
    #[must_use]
    pub fn max_deaths(&self) -> u32 {
        self.deaths.max(self.decoder_deaths)
    }

    /// Returns true if the stream failed because it killed its process [`MAX_WORKER_DEATHS`] times or its decoder
    /// [`MAX_DEATHS`] times. Only a new start makes the stream claimable again.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        // Both counts are kept until the next start, so they show why the stream failed. A stream that failed for
        // another reason can have deaths below the limits.
        self.state == StreamState::Failed
            && (self.deaths >= MAX_WORKER_DEATHS || self.decoder_deaths >= MAX_DEATHS)
    }
}

/// Selects the streams to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamFilter {
    /// True to include ended and failed streams.
    pub over: bool,
    /// Includes only streams in this state; `None` includes all. The states `ended` and `failed` also need `over`. The
    /// state `stalled` includes `no_audio` and `retrying`, and `live` includes `silent`.
    pub state: Option<StreamState>,
    /// Includes only streams of this origin; `None` includes all.
    pub origin: Option<String>,
}

/// Starts, ends and lists streams. Part of [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait StreamRegistry: Send + Sync {
    /// Adds a stream, or starts a known stream again: as a new session, in state `starting`, without a lease. A
    /// duplicate or late call for the same start changes nothing.
    ///
    /// A known stream starts again only if `started_at` is later than that of the known session. In addition, if both
    /// sessions have names, the names must differ; otherwise the known session must have ended, and `started_at` must
    /// be later than that end. A session whose end was recorded by [`Self::record_session_end`] does not start again.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an id that is empty or longer than 2,000 bytes.
    async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError>;

    /// Ends a stream on behalf of a caller that does not hold its lease, and ends the lease. Returns false and changes
    /// nothing if the stream is unknown, has ended already, started later than `at`, or is in another session than
    /// `session`. If either session has no name, the sessions are not compared.
    async fn end_stream(
        &self,
        id: &str,
        session: Option<&str>,
        reason: Option<&str>,
        at: i64,
    ) -> Result<bool, CatalogError>;

    /// Records the end of a session other than the stored session of the stream. If the start of that session is
    /// reported later, [`Self::start_stream`] then leaves a known stream unchanged. This call does not change the
    /// stored stream.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an id or a session that is empty or longer than 2,000 bytes.
    async fn record_session_end(&self, id: &str, session: &str, at: i64) -> Result<(), CatalogError>;

    /// Returns the stream with this id, or `None` if it is unknown.
    async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError>;

    /// Returns at most `limit` streams that pass the filter, ordered by id (by code point). The page starts after the
    /// id `after`, or with the first stream if `after` is `None`.
    async fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Stream>, CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_states_are_read_again_and_outdated_details_are_ignored() {
        for state in StreamState::ALL {
            let (coarse, detail) = state.stored();
            assert_eq!(StreamState::from_stored(coarse.as_str(), detail), Some(state));
            assert_eq!(coarse.stored(), (coarse, None), "older programs know the stored state");
            assert_eq!(coarse.is_over(), state.is_over());
        }
        assert_eq!(StreamState::from_stored("starting", Some("retrying")), Some(StreamState::Starting));
        assert_eq!(StreamState::from_stored("live", Some("newer")), Some(StreamState::Live));
        assert_eq!(StreamState::from_stored("newer", None), None);
    }
}
