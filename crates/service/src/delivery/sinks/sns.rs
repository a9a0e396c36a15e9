//! Sink that publishes to an SNS topic.

use std::sync::Arc;

use async_trait::async_trait;

use super::{DeliveryError, Sink, SinkMessage};
use crate::cloud::Topics;

/// Sink that publishes the body of each message unchanged.
pub(super) struct Sns {
    pub(super) topics: Arc<dyn Topics>,
    pub(super) topic: String,
}

#[async_trait]
impl Sink for Sns {
    async fn deliver(&self, message: SinkMessage) -> Result<(), DeliveryError> {
        Ok(self.topics.publish(&self.topic, &message.body).await?)
    }
}
