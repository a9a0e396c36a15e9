//! Topics by SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use refrain_service::outside::{OutsideError, Topics};

use crate::error::failed;

/// Topics of SNS, by their ARNs. Needs the rights `sns:Publish` and, to check, `sns:GetTopicAttributes`.
#[derive(Debug, Clone)]
pub struct SnsTopics {
    client: Client,
}

impl SnsTopics {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Topics for SnsTopics {
    async fn publish(&self, topic: &str, message: &str) -> Result<(), OutsideError> {
        let sent = self.client.publish().topic_arn(topic).message(message).send().await;
        sent.map(drop)
            .map_err(|error| failed(&error, format!("cannot publish to topic {topic}"), "sns:Publish"))
    }

    async fn check_topic(&self, topic: &str) -> Result<(), OutsideError> {
        let seen = self.client.get_topic_attributes().topic_arn(topic).send().await;
        seen.map(drop)
            .map_err(|error| failed(&error, format!("cannot see topic {topic}"), "sns:GetTopicAttributes"))
    }
}
