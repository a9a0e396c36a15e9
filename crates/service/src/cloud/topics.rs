//! Topics with any number of subscribers.

use async_trait::async_trait;

use super::CloudError;

/// Access to topics.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Sends a message to all subscribers of a topic.
    async fn publish(&self, topic: &str, message: &str) -> Result<(), CloudError>;

    /// Checks that a topic exists and that this process may publish to it. Reads the attributes of the topic and
    /// publishes an invalid message, which the topic rejects, so that no subscriber receives it.
    ///
    /// # Errors
    /// Fails if the topic does not exist, or if this process may not publish to it.
    async fn check_topic(&self, topic: &str) -> Result<(), CloudError>;
}
