//! Streams and their leases.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attempts::{MAX_DEATHS, MAX_WORKER_DEATHS};
use super::stored::name_fault;

/// Origin of streams whose sound is in objects, segment by segment: [`crate::Journal::claim_archives`] gives them.
pub const ARCHIVE: &str = "archive";

/// A stream whose lease has expired is counted as waiting after this time: a running service claims it sooner.
pub const WAITING_AFTER: Duration = Duration::from_secs(5);

/// Separates the name of a worker from its random id.
const OWNER_SEPARATOR: char = '/';

/// Returns a new owner of leases. The name is for display only: each call returns another owner, so that two processes of
/// one name never share a lease.
#[must_use]
pub fn new_owner(name: &str) -> String {
    format!("{name}{OWNER_SEPARATOR}{}", Uuid::new_v4())
}

/// The name in an owner of [`new_owner`].
#[must_use]
pub fn worker_name(owner: &str) -> &str {
    owner.rsplit_once(OWNER_SEPARATOR).map_or(owner, |(name, _)| name)
}

/// The reason of a stream that was not claimed because of its deaths.
pub(crate) fn quarantine_reason() -> String {
    format!(
        "quarantined: the process died {MAX_WORKER_DEATHS} times while it began to decode this stream; start the stream again \
         when its source is repaired"
    )
}

/// How a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamState {
    /// Nothing was heard of it yet.
    Starting,
    /// Its sound comes in.
    Live,
    /// It should have sound, but none comes.
    Stalled,
    /// It is over.
    Ended,
    /// It was given up.
    Failed,
}

impl StreamState {
    const ALL: [Self; 5] = [Self::Starting, Self::Live, Self::Stalled, Self::Ended, Self::Failed];

    /// The name as databases and responses carry it.
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

    /// Whether nobody listens to it any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Failed)
    }

    /// The state of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A stream that somebody says has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStream {
    /// What it is called for ever, for example the ARN of a channel.
    pub id: String,
    /// Where its sound is.
    pub url: String,
    /// Where we heard of it.
    pub origin: String,
    /// What this session is called, where sessions have names.
    pub session: Option<String>,
    /// When it started, as told by whoever knows: twice the same for the same start.
    pub started_at: i64,
}

impl NewStream {
    /// What keeps it from being stored, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        name_fault("stream", &self.id)
    }
}

/// What [`crate::Journal::start_stream`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartOutcome {
    /// A new stream, or a new session of a known one.
    Started(Stream),
    /// Nothing: that was known. The stream as it is.
    Known(Stream),
}

/// A stream in its latest session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What it is called.
    pub id: String,
    /// Where its sound is.
    pub url: String,
    /// Where we heard of it.
    pub origin: String,
    /// What this session is called.
    pub session: Option<String>,
    /// How it is.
    pub state: StreamState,
    /// Why it is so.
    pub reason: Option<String>,
    /// When the first sample of the session was heard, if known.
    pub epoch: Option<i64>,
    /// Where the clock of the session stands, for the next worker; `None` where the stream has dates or no time stamps. The
    /// text is the worker's own.
    pub clock_anchor: Option<String>,
    /// When its first session started.
    pub created_at: i64,
    /// When this session started; grows with every session, so it tells them apart.
    pub started_at: i64,
    /// When anything but the lease changed.
    pub updated_at: i64,
    /// When the session was over.
    pub ended_at: Option<i64>,
    /// The worker that has the lease.
    pub lease_owner: Option<String>,
    /// When the lease ends by the database's clock.
    pub lease_until: Option<i64>,
    /// How often it was claimed since it was last live.
    pub attempts: u32,
    /// Claims that did not end in an orderly way since the stream last worked. The present claim counts until it works.
    pub deaths: u32,
    /// Deaths of the stream's decoder since the stream was last healthy for minutes.
    pub decoder_deaths: u32,
    /// Position in a stream of segments, for the next worker. The text is the worker's own.
    pub progress: Option<String>,
}

impl Stream {
    /// Returns true if the stream failed because it killed its process [`MAX_WORKER_DEATHS`] times or its decoder
    /// [`MAX_DEATHS`] times. Only a person starts it again.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.state == StreamState::Failed
            && (self.deaths >= MAX_WORKER_DEATHS || self.decoder_deaths >= MAX_DEATHS)
    }
}

/// Which streams to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamFilter {
    /// Ended and failed ones too.
    pub over: bool,
    /// Only streams in this state.
    pub state: Option<StreamState>,
    /// Only streams that we heard of there.
    pub origin: Option<String>,
}

/// How a stream is, as its worker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReport {
    /// Which stream.
    pub id: String,
    /// Which session, by [`Stream::started_at`].
    pub started_at: i64,
    /// How it is.
    pub state: StreamState,
    /// Why it is so; what was known is forgotten.
    pub reason: Option<String>,
    /// When its first sample was heard; `None` leaves what is known.
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
    fn processes_of_one_name_own_different_leases() {
        let (one, other) = (new_owner("worker-1"), new_owner("worker-1"));
        assert_ne!(one, other);
        assert_eq!((worker_name(&one), worker_name(&other)), ("worker-1", "worker-1"));
        assert_eq!(worker_name("owner of an older version"), "owner of an older version");
    }
}
