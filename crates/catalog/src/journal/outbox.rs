//! Messages in the outbox.

use std::time::Duration;

use async_trait::async_trait;

use super::detection_id::DetectionId;
use super::stored::name_fault;
use crate::CatalogError;

/// A message to add to the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOutboxMessage {
    /// Name of the sink that receives the message.
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
    /// Detection that the message reports; `None` if the message belongs to no detection.
    pub detection: Option<DetectionId>,
    /// Name of the sink that receives the message.
    pub sink: String,
    /// Identifies the message within its sink.
    pub key: String,
    /// Content of the message, JSON.
    pub payload: String,
    /// Time at which the message was added to the outbox, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Number of claims since the message was added or retried ([`Outbox::retry`]). Each claim is an attempt to deliver
    /// the message.
    pub attempts: u32,
    /// Time at which the message is due, or its claim expires, in milliseconds since the Unix epoch. Not used if the
    /// message is delivered or dead.
    pub next_attempt_at: i64,
    /// Time at which the message was delivered, in milliseconds since the Unix epoch; `None` if it is not delivered.
    pub delivered_at: Option<i64>,
    /// Time at which the message was marked as dead, in milliseconds since the Unix epoch; `None` if it is not dead.
    pub dead_at: Option<i64>,
    /// Error of the last attempt that failed, or the reason why the message expired; `None` if none exists.
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
    /// Includes only messages for this sink; `None` includes all sinks.
    pub sink: Option<String>,
    /// Includes only messages with this status; `None` includes all.
    pub status: Option<DeliveryStatus>,
}

/// What happens to a message after an attempt to deliver it has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// The message is due again after this time.
    RetryAfter(Duration),
    /// The message is dead.
    Dead,
}

/// Adds, claims, lists and retries messages, and records the results of their delivery. Part of [`crate::Journal`],
/// whose guarantees apply.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Adds messages that belong to no detection to the outbox, once per sink and key. The messages are due at once, by
    /// the clock of the database. `now` is the time of their creation, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if a sink is empty, or if sink and key together are longer than 2,000 bytes.
    async fn enqueue(&self, deliveries: &[NewOutboxMessage], now: i64) -> Result<(), CatalogError>;

    /// Claims at most `limit` messages of a sink, those that have been due for longest first, and counts the attempt.
    /// Returns them ordered by id. No two workers get the same message. A message whose delivery is not reported within
    /// the time `claim` becomes due again, because its worker may have died. A sink can therefore receive a message
    /// twice; its receiver recognizes the duplicate by the key.
    async fn claim_deliveries(
        &self,
        sink: &str,
        limit: u32,
        claim: Duration,
    ) -> Result<Vec<OutboxMessage>, CatalogError>;

    /// Marks messages as delivered at the time `now`, in milliseconds since the Unix epoch. This also applies to
    /// messages that have been claimed again or marked as dead in the meantime.
    async fn mark_delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError>;

    /// Records that an attempt to deliver a message failed with `error`, and applies `then` to the message. `attempt`
    /// is the value of [`OutboxMessage::attempts`] that the claim returned. Returns false and changes nothing if the
    /// message has been claimed again since then, or is delivered or dead.
    async fn mark_delivery_failed(
        &self,
        id: i64,
        attempt: u32,
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError>;

    /// Returns at most `limit` messages that pass the filter, ordered by id. The page starts after the id `after`, or
    /// with the first message if `after` is `None`.
    async fn deliveries(
        &self,
        filter: &OutboxFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OutboxMessage>, CatalogError>;

    /// Makes the dead ones of these messages due again, with attempts counted from 0, and returns their number.
    async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError>;
}
