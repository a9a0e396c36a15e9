//! The journal: streams with their leases, detections, and the outbox of messages to deliver.
//!
//! Each file has the types and the operations of one topic.

mod attempts;
mod backlog;
mod detection;
mod detection_id;
pub(crate) mod detection_state;
mod detections;
mod lease;
mod outbox;
mod session;
mod stored;
mod stream;

pub use attempts::{
    Attempts, MAX_DEATHS, MAX_WORKER_DEATHS, ObjectAttempts, ObjectVersion, SUSPECT_DEATHS, StreamHealth,
};
pub(crate) use backlog::unclaimed_reason;
pub use backlog::{Backlog, OutboxUpkeep, PruneCounts, RetentionLimits, SinkBacklog};
pub use detection::Detection;
pub use detection_id::DetectionId;
pub use detections::{DetectionSource, Detections, PageCursor, StoredDetection};
pub(crate) use lease::quarantine_reason;
pub use lease::{StreamLeases, WAITING_AFTER_EXPIRY, new_owner, worker_name};
pub use outbox::{AfterFailure, DeliveryStatus, NewOutboxMessage, Outbox, OutboxFilter, OutboxMessage};
pub use session::{DetectionRecord, SessionRecords, SessionUpdate, StreamReport};
pub(crate) use stored::{clamp_time, milliseconds, name_fault, text};
pub use stream::{
    ARCHIVE, NewStream, SessionKey, StartOutcome, Stream, StreamFilter, StreamHeaders, StreamRegistry,
    StreamState,
};

/// The records of live monitoring, in the database of the catalog. The guarantees of [`crate::Catalog`] for
/// transactions, shared access and dropped calls apply to the journal too.
///
/// Times are milliseconds since the Unix epoch and come from the caller, with one exception: only the clock of the
/// database decides when the lease of a stream expires and when a message is due. Leases and claims coordinate several
/// machines, and a machine whose own clock is fast would take streams and messages from live workers. A NUL in a text
/// is stored as U+FFFD.
pub trait Journal:
    StreamRegistry + StreamLeases + SessionRecords + Attempts + Detections + Outbox + OutboxUpkeep
{
}

impl<T> Journal for T where
    T: StreamRegistry + StreamLeases + SessionRecords + Attempts + Detections + Outbox + OutboxUpkeep
{
}
