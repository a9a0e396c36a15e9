//! Records what happens in a session: detections, their messages and the state of the session, in one transaction.

use async_trait::async_trait;

use super::detections::StoredDetection;
use super::outbox::NewOutboxMessage;
use super::stream::{SessionKey, StreamState};
use crate::CatalogError;

/// State of a session as reported by its worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReport {
    /// Current state.
    pub state: StreamState,
    /// Reason of the state; replaces the stored one, also if it is `None`.
    pub reason: Option<String>,
    /// Time of the report, in milliseconds since the Unix epoch. In the states `ended` and `failed`, it is the time at
    /// which the session ended.
    pub at: i64,
    /// Time of the first sample of the session, in milliseconds since the Unix epoch; `None` keeps the stored one.
    pub epoch: Option<i64>,
    /// Anchor of the session's clock; `None` keeps the stored one.
    pub clock_anchor: Option<String>,
    /// Position in an archive of segments ([`crate::Stream::progress`]); `None` keeps the stored one.
    pub progress: Option<String>,
}

/// A state of a detection, and the messages that report it.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionRecord {
    /// The detection.
    pub detection: StoredDetection,
    /// Its messages. They are stored only if the detection is stored.
    pub messages: Vec<NewOutboxMessage>,
}

impl DetectionRecord {
    /// Returns the reason why the record cannot be stored, or `None` if it can.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.detection.fault().or_else(|| self.messages.iter().find_map(NewOutboxMessage::fault))
    }
}

/// Changes of a session that are stored together.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionUpdate<'a> {
    /// New states of detections, in their order. They can contain several states of one detection.
    pub detections: &'a [DetectionRecord],
    /// Messages that do not belong to a detection.
    pub messages: &'a [NewOutboxMessage],
    /// State of the session after these detections; `None` keeps the stored one.
    pub report: Option<&'a StreamReport>,
    /// Reported alerts about the audio ([`crate::Stream::alerts`]); `None` keeps the stored ones.
    pub alerts: Option<&'a str>,
}

impl SessionUpdate<'_> {
    /// Returns the reason why the update cannot be stored, or `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        let of_detections = self.detections.iter().find_map(DetectionRecord::fault);
        of_detections.or_else(|| self.messages.iter().find_map(NewOutboxMessage::fault))
    }
}

/// Records sessions. Part of [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait SessionRecords: Send + Sync {
    /// Stores an update of a session in one transaction, and returns true. Returns false and stores nothing if the
    /// session continues and the worker `owner` does not hold its lease. So a worker that was cut off from the database
    /// cannot add detections to a stream that another worker has taken over, and the stored position of a session always
    /// belongs to its stored detections.
    ///
    /// If the session has ended, or the stream is unknown or in another session, the report is not stored: another
    /// caller has ended the session, and the worker adds the last detections.
    ///
    /// Each detection is stored as by [`crate::Detections::record`]: if the stored state is newer, the detection and
    /// its messages are ignored. The same update can be passed again after an error. `now` is the creation time of the
    /// messages, in milliseconds since the Unix epoch. A report with the state `ended` or `failed` also ends the lease.
    /// The state `live` sets [`crate::Stream::attempts`] to 0.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if a record has a [`DetectionRecord::fault`]; nothing is stored.
    async fn record_session(
        &self,
        owner: &str,
        session: &SessionKey,
        update: &SessionUpdate<'_>,
        now: i64,
    ) -> Result<bool, CatalogError>;
}
