//! Queues with at-least-once delivery.

use std::time::Duration;

use async_trait::async_trait;

use super::OutsideError;

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names the message.
    pub id: String,
    /// Names this receipt of it: what deletes and hides want.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent, milliseconds since 1970, if the queue tells.
    pub sent_at: Option<i64>,
}

/// How a queue is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// Messages that wait, about.
    pub waiting: u64,
    /// Messages that were received and not yet deleted, about.
    pub in_flight: u64,
    /// How long a received message is hidden.
    pub hidden_for: Duration,
    /// The queue of messages that nobody could handle, if there is one.
    pub dead_letters: Option<String>,
    /// After how many receipts the queue itself moves a message there.
    pub most_receives: Option<u32>,
}

/// A queue.
#[async_trait]
pub trait Queue: Send + Sync {
    /// What logs call it: the last part of its address.
    fn name(&self) -> &str;

    /// At most `most` messages (1 to 10); waits for the first at most `wait` (up to 20 s).
    async fn receive(&self, most: u32, wait: Duration) -> Result<Vec<Message>, OutsideError>;

    /// Deletes messages by their receipts, any number. On an error some may be deleted.
    async fn delete(&self, receipts: &[String]) -> Result<(), OutsideError>;

    /// Hides received messages for so long from now; zero shows them again at once.
    async fn hide(&self, receipts: &[String], time: Duration) -> Result<(), OutsideError>;

    /// Moves a message that cannot be handled to the queue of dead letters, with the reason as an attribute. Without
    /// such a queue: an error of kind `NotFound`, and nothing is done.
    async fn bury(&self, message: &Message, why: &str) -> Result<(), OutsideError>;

    /// How it is set up. Also says whether we may read it at all.
    async fn facts(&self) -> Result<QueueFacts, OutsideError>;

    /// Tries every call that a consumer makes. At most one message is received and released immediately, which increases
    /// its receive count by one; no message is deleted or added. The default is for queues without permissions.
    ///
    /// # Errors
    /// Fails with the first call that is not permitted or not answered.
    async fn check_access(&self) -> Result<(), OutsideError> {
        Ok(())
    }
}
