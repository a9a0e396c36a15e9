//! Streams and their leases.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attempts::{MAX_DEATHS, MAX_WORKER_DEATHS};
use super::stored::name_fault;

/// Origin of streams whose audio is stored in objects, one per segment. [`crate::Journal::claim_archives`] claims them.
pub const ARCHIVE: &str = "archive";

/// Time after the expiry of a lease from which its stream is counted as waiting. A running service claims it sooner, so
/// that an ordinary take-over is not counted. At half of it, one slow claim is reported as missing capacity; at twice,
/// real lack of capacity is reported 5 s later.
pub const WAITING_AFTER_EXPIRY: Duration = Duration::from_secs(5);

/// Separates the name of a worker from its random id.
const OWNER_SEPARATOR: char = '/';

/// Returns a new owner of leases. The name is for display only: each call returns a different owner, so that two
/// processes with the same name never share a lease.
#[must_use]
pub fn new_owner(name: &str) -> String {
    format!("{name}{OWNER_SEPARATOR}{}", Uuid::new_v4())
}

/// Returns the name of the worker in an owner of [`new_owner`].
#[must_use]
pub fn worker_name(owner: &str) -> &str {
    // From the right, because the name of a worker can contain the separator and its id cannot.
    owner.rsplit_once(OWNER_SEPARATOR).map_or(owner, |(name, _)| name)
}

/// Returns the text for [`Stream::reason`] of a stream that is quarantined because of its deaths.
pub(crate) fn quarantine_reason() -> String {
    format!(
        "quarantined: the process died {MAX_WORKER_DEATHS} times while it began to decode this stream; start the stream again \
         when its source is repaired"
    )
}

/// State of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamState {
    /// No audio has been received yet.
    Starting,
    /// Audio is being received.
    Live,
    /// Audio is expected, but none is being received.
    Stalled,
    /// The stream has ended.
    Ended,
    /// The stream failed and is not retried.
    Failed,
}

impl StreamState {
    const ALL: [Self; 5] = [Self::Starting, Self::Live, Self::Stalled, Self::Ended, Self::Failed];

    /// Returns the name of the state as it appears in databases and responses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }

    /// Returns true if the stream has ended or failed.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Failed)
    }

    /// Returns the state with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// The start of a stream, as reported by its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStream {
    /// Permanent identifier, for example the ARN of a channel.
    pub id: String,
    /// URL of the audio.
    pub url: String,
    /// Source that reported the stream.
    pub origin: String,
    /// Name of this session, if the origin names sessions.
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

/// The outcome of [`crate::Journal::start_stream`].
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
    /// Source that reported the stream.
    pub origin: String,
    /// Name of this session, if it has one.
    pub session: Option<String>,
    /// Current state.
    pub state: StreamState,
    /// Reason of the state.
    pub reason: Option<String>,
    /// Time of the first sample of the session, if known, in milliseconds since the Unix epoch.
    pub epoch: Option<i64>,
    /// Anchor of the session's clock, with which the next worker continues it; `None` if the stream has dates or no
    /// timestamps. Only workers interpret the text.
    pub clock_anchor: Option<String>,
    /// Start time of its first session, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Start time of this session, in milliseconds since the Unix epoch. It increases with every session and identifies
    /// it.
    pub started_at: i64,
    /// Time of the last change of anything but the lease, in milliseconds since the Unix epoch.
    pub updated_at: i64,
    /// Time at which the session ended, in milliseconds since the Unix epoch.
    pub ended_at: Option<i64>,
    /// Owner of the lease.
    pub lease_owner: Option<String>,
    /// Time at which the lease expires by the clock of the database, in milliseconds since the Unix epoch.
    pub lease_until: Option<i64>,
    /// Number of claims since the stream was last live.
    pub attempts: u32,
    /// Number of claims that did not end in an orderly way since the stream was last confirmed. The current claim
    /// counts until it is confirmed.
    pub deaths: u32,
    /// Number of deaths of the stream's decoder since the stream was last [healthy](crate::StreamHealth::Healthy).
    pub decoder_deaths: u32,
    /// Position in a stream of segments, from which the next worker continues. Only workers interpret the text.
    pub progress: Option<String>,
}

impl Stream {
    /// Returns the key of its latest session.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        SessionKey { id: self.id.clone(), started_at: self.started_at }
    }

    /// Returns true if the stream failed because it killed its process [`MAX_WORKER_DEATHS`] times or its decoder
    /// [`MAX_DEATHS`] times. Only a new start makes it claimable again.
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
    /// Includes ended and failed streams.
    pub over: bool,
    /// Includes only streams in this state.
    pub state: Option<StreamState>,
    /// Includes only streams of this origin.
    pub origin: Option<String>,
}

/// State of a stream as reported by its worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReport {
    /// Id of the stream.
    pub id: String,
    /// Session, identified by [`Stream::started_at`].
    pub started_at: i64,
    /// Current state.
    pub state: StreamState,
    /// Reason of the state; replaces the stored one, also if it is `None`.
    pub reason: Option<String>,
    /// Time of the first sample of the session, in milliseconds since the Unix epoch; `None` keeps the stored one.
    pub epoch: Option<i64>,
    /// Anchor of the session's clock; `None` keeps the stored one.
    pub clock_anchor: Option<String>,
    /// Position in a stream of segments; `None` keeps the stored one.
    pub progress: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_with_the_same_name_get_different_owners() {
        let (one, other) = (new_owner("worker-1"), new_owner("worker-1"));
        assert_ne!(one, other);
        assert_eq!((worker_name(&one), worker_name(&other)), ("worker-1", "worker-1"));
        assert_eq!(worker_name("owner of an older version"), "owner of an older version");
    }
}
