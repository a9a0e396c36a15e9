//! Queues with at-least-once delivery.

use std::time::Duration;

use async_trait::async_trait;

use super::CloudError;

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Id of the message.
    pub id: String,
    /// Id of this receive of the message. It is needed to delete the message and to change its visibility.
    pub receipt: String,
    /// Text of the message.
    pub body: String,
    /// Number of times that the message was received, including this time.
    pub receives: u32,
    /// Time when the message was sent, in milliseconds since 1970; `None` if the queue does not report it.
    pub sent_at: Option<i64>,
}

/// Configuration and state of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// Approximate number of messages that wait to be received.
    pub waiting: u64,
    /// Approximate number of messages that were received and not yet deleted.
    pub in_flight: u64,
    /// Visibility timeout: the time for which a received message is hidden from other receivers.
    pub visibility_timeout: Duration,
    /// Address of the dead-letter queue, for messages that cannot be handled; `None` if the queue has none.
    pub dead_letter_queue: Option<String>,
    /// Number of receives after which the queue itself moves a message to the dead-letter queue; `None` if it never
    /// does.
    pub max_receives: Option<u32>,
}

/// A queue with at-least-once delivery.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Returns the name of the queue for logs: the last part of its address.
    fn name(&self) -> &str;

    /// Receives up to `max` messages (1 to 10). Waits at most `wait` (up to 20 s) for the first one; if none arrives in
    /// this time, the list is empty.
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<QueueMessage>, CloudError>;

    /// Deletes any number of messages by their receipts. After an error, some may be deleted.
    async fn delete(&self, receipts: &[String]) -> Result<(), CloudError>;

    /// Hides received messages for `time` from now on. Zero makes them visible at once.
    async fn change_visibility(&self, receipts: &[String], time: Duration) -> Result<(), CloudError>;

    /// Moves a message that cannot be handled to the dead-letter queue, with the reason `why` as an attribute. Without
    /// a dead-letter queue, the message stays in this queue, and the result is an error of the kind `NotFound`.
    async fn dead_letter(&self, message: &QueueMessage, why: &str) -> Result<(), CloudError>;

    /// Returns the configuration and state of the queue. Fails if this process may not read them.
    async fn facts(&self) -> Result<QueueFacts, CloudError>;

    /// Checks the permissions of this process with every call that a consumer makes. At most one message is received
    /// and made visible again at once, which increases its receive count by one. No message is deleted or added. The
    /// default implementation does nothing; it is for queues without permissions.
    ///
    /// # Errors
    /// The error of the first call that is not permitted or gets no response.
    async fn check_access(&self) -> Result<(), CloudError> {
        Ok(())
    }
}
