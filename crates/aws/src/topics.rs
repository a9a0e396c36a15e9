//! Topics of SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use refrain_service::cloud::{CloudError, CloudErrorKind, Topics};

use crate::error::{failed, permitted};
use crate::queue::INVALID_TYPE;

/// Topics of SNS, addressed by ARN. Requires the permission `sns:Publish`; [`Topics::check_topic`] also requires
/// `sns:GetTopicAttributes`.
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
    async fn publish(&self, topic: &str, message: &str) -> Result<(), CloudError> {
        let sent = self.client.publish().topic_arn(topic).message(message).send().await;
        sent.map(drop)
            .map_err(|error| failed(&error, format!("cannot publish to topic {topic}"), "sns:Publish"))
    }

    async fn check_topic(&self, topic: &str) -> Result<(), CloudError> {
        let result = self.client.get_topic_attributes().topic_arn(topic).send().await;
        result
            .map(drop)
            .map_err(|error| failed(&error, format!("cannot get topic {topic}"), "sns:GetTopicAttributes"))?;
        // SNS has no dry run. It checks the permission first, and then rejects a message without text whose attribute
        // has an unknown type.
        let what = || format!("cannot publish to topic {topic}");
        let attribute = MessageAttributeValue::builder().data_type(INVALID_TYPE).string_value("x").build();
        let attribute =
            attribute.map_err(|error| CloudError::new(CloudErrorKind::Invalid, what(), error.to_string()))?;
        let call =
            self.client.publish().topic_arn(topic).message("").message_attributes(INVALID_TYPE, attribute);
        permitted(call.send().await.map_err(|error| failed(&error, what(), "sns:Publish")))
    }
}
