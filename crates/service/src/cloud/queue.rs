//! Queues with at-least-once delivery.

use std::time::Duration;

use async_trait::async_trait;

use super::CloudError;

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Id of the message.
    pub id: String,
    /// Id of this receipt of the message, which is needed to delete or hide it.
    pub receipt: String,
    /// Text of the message.
    pub body: String,
    /// Number of times that it was received, this time included.
    pub receives: u32,
    /// Time when it was sent, in milliseconds since 1970, if the queue reports it.
    pub sent_at: Option<i64>,
}

/// Configuration and state of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// Approximate number of messages that wait.
    pub waiting: u64,
    /// Approximate number of messages that were received and not yet deleted.
    pub in_flight: u64,
    /// Visibility timeout: time for which a received message is hidden.
    pub visibility_timeout: Duration,
    /// The dead-letter queue, for messages that could not be handled, if there is one.
    pub dead_letter_queue: Option<String>,
    /// Number of receipts after which the queue itself moves a message to the dead-letter queue.
    pub max_receives: Option<u32>,
}

/// A queue with at-least-once delivery.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Returns the name of the queue for logs: the last part of its address.
    fn name(&self) -> &str;

    /// Receives at most `max` messages (1 to 10). Waits for the first one at most `wait` (up to 20 s).
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<QueueMessage>, CloudError>;

    /// Deletes any number of messages by their receipts. After an error, some may be deleted.
    async fn delete(&self, receipts: &[String]) -> Result<(), CloudError>;

    /// Hides received messages for `time` from now on. Zero makes them visible at once.
    async fn change_visibility(&self, receipts: &[String], time: Duration) -> Result<(), CloudError>;

    /// Moves a message that cannot be handled to the dead-letter queue, with the reason as an attribute. Without such a
    /// queue it has no effect and fails with an error of the kind `NotFound`.
    async fn dead_letter(&self, message: &QueueMessage, why: &str) -> Result<(), CloudError>;

    /// Returns the configuration and state of the queue. Fails if they may not be read.
    async fn facts(&self) -> Result<QueueFacts, CloudError>;

    /// Tries every call that a consumer makes. At most one message is received and released immediately, which
    /// increases its receive count by one; no message is deleted or added. The default is for queues without
    /// permissions.
    ///
    /// # Errors
    /// The error of the first call that is not permitted or not answered.
    async fn check_access(&self) -> Result<(), CloudError> {
        Ok(())
    }
}
