//! Topics with any number of subscribers.

use async_trait::async_trait;

use super::CloudError;

/// Access to topics.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Sends a message to all subscribers of a topic.
    async fn publish(&self, topic: &str, message: &str) -> Result<(), CloudError>;

    /// Reads the topic's attributes and tries to publish an invalid message, which the topic rejects: nothing is
    /// published.
    ///
    /// # Errors
    /// Fails if the topic does not exist, or if this process may not publish to it.
    async fn check_topic(&self, topic: &str) -> Result<(), CloudError>;
}
