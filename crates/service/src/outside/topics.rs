//! Topics that many listen to.

use async_trait::async_trait;

use super::OutsideError;

/// Topics.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Sends a message to everybody who listens.
    async fn publish(&self, topic: &str, message: &str) -> Result<(), OutsideError>;

    /// Whether the topic is there and we may see it.
    async fn check_topic(&self, topic: &str) -> Result<(), OutsideError>;
}
