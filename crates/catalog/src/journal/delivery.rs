//! Messages in the outbox.

use std::time::Duration;

use super::DetectionId;
use super::stored::name_fault;

/// A message to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOutboxMessage {
    /// Name of the sink that receives it.
    pub sink: String,
    /// Identifies the message: a second message with the same sink and key is ignored.
    pub key: String,
    /// Content of the message, JSON.
    pub payload: String,
}

impl NewOutboxMessage {
    /// Returns the reason why the message cannot be stored, or `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        // Sink and key together are the key of one index, so their total length is limited as well.
        name_fault("sink", &self.sink).or_else(|| name_fault("message", &(self.sink.clone() + &self.key)))
    }
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Number of the message in the outbox.
    pub id: i64,
    /// Detection that the message reports, if any.
    pub detection: Option<DetectionId>,
    /// Name of the sink that receives it.
    pub sink: String,
    /// Identifies the message within its sink.
    pub key: String,
    /// Content of the message, JSON.
    pub payload: String,
    /// Time at which it was added to the outbox, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Number of claims, each of which is an attempt to deliver it.
    pub attempts: u32,
    /// Time at which it is due if it is neither delivered nor dead, in milliseconds since the Unix epoch.
    pub next_attempt_at: i64,
    /// Time at which it was delivered, in milliseconds since the Unix epoch.
    pub delivered_at: Option<i64>,
    /// Time at which it was marked as dead, in milliseconds since the Unix epoch.
    pub dead_at: Option<i64>,
    /// Error of the last attempt that failed.
    pub last_error: Option<String>,
}

/// Delivery status of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// The message is neither delivered nor dead.
    Waiting,
    /// The message was delivered.
    Delivered,
    /// Delivery failed permanently, or no process claimed the message.
    Dead,
}

/// Selects the messages to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxFilter {
    /// Includes only messages for this sink.
    pub sink: Option<String>,
    /// Includes only messages with this status.
    pub status: Option<DeliveryStatus>,
}

/// The consequence of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// The message is due again after this time.
    RetryAfter(Duration),
    /// The message is dead.
    Dead,
}

/// Age limits for [`crate::Journal::prune`]. With `None`, nothing of that kind is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionLimits {
    /// Deletes detections that were last seen, and streams that ended, before this time (milliseconds since the Unix
    /// epoch).
    pub detections: Option<i64>,
    /// Deletes messages that were delivered or marked as dead before this time (milliseconds since the Unix epoch).
    pub deliveries: Option<i64>,
}

impl RetentionLimits {
    /// Returns limits that delete everything before one time (milliseconds since the Unix epoch).
    #[must_use]
    pub fn before(time: i64) -> Self {
        Self { detections: Some(time), deliveries: Some(time) }
    }
}

/// Numbers of records that [`crate::Journal::prune`] deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneCounts {
    /// Number of detections.
    pub detections: u64,
    /// Number of messages of the outbox.
    pub deliveries: u64,
    /// Number of ended streams.
    pub streams: u64,
}

impl PruneCounts {
    /// Returns the largest of the three numbers.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.detections.max(self.deliveries).max(self.streams)
    }
}
