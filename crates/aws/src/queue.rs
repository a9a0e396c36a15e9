//! Queues of SQS.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName,
};
use refrain_service::cloud::{CloudError, CloudErrorKind as Kind, Queue, QueueFacts, QueueMessage};
use tokio::sync::OnceCell;

use crate::batch::{BatchOutcome, MAX_BATCH_MESSAGES};
use crate::connect::ATTEMPT_TIMEOUT;
use crate::error::{failed, permitted};

/// Maximum duration of a long poll in seconds (`WaitTimeSeconds`).
const MAX_WAIT_SECONDS: u64 = 20;

/// Maximum visibility timeout in seconds (`VisibilityTimeout`): 12 h after the message was received.
const MAX_VISIBILITY_SECONDS: u64 = 43_200;

/// Attribute of a dead-lettered message that contains the reason.
const REASON_ATTRIBUTE: &str = "RefrainError";

/// Name and type of an invalid attribute, with which permissions are tested: SQS and SNS accept only types that begin
/// with `String`, `Number` or `Binary`.
pub(crate) const INVALID_TYPE: &str = "RefrainDoctor";

const INVALID_RECEIPT: &str = "refrain-doctor";

/// Maximum length of a reason in characters. At half this value, chains of causes are cut off; at twice this value,
/// fewer messages near the size limit can be dead-lettered, because attributes count toward that limit.
const MAX_REASON_CHARS: usize = 1_000;

/// A queue of SQS. Requires the permissions `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:ChangeMessageVisibility`
/// and `sqs:GetQueueAttributes`, and `sqs:SendMessage` on the dead-letter queue. FIFO queues are not supported.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    name: String,
    dead_letter_queue: OnceCell<String>,
}

impl SqsQueue {
    pub(crate) fn new(client: Client, url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        Self { client, url, name, dead_letter_queue: OnceCell::new() }
    }

    /// Returns the URL of the dead-letter queue. The first URL found is cached; until then, each call requests the
    /// attributes of the queue.
    ///
    /// # Errors
    /// Fails if the request fails or the queue has no dead-letter queue.
    async fn dead_letter_queue(&self) -> Result<&str, CloudError> {
        let found = self.dead_letter_queue.get_or_try_init(|| async {
            self.facts().await?.dead_letter_queue.ok_or_else(|| {
                let what = format!("cannot dead-letter a message of queue {}", self.name);
                CloudError::new(
                    Kind::NotFound,
                    what,
                    "the queue has no redrive policy that names a dead-letter queue",
                )
            })
        });
        found.await.map(String::as_str)
    }

    /// Returns the URL of the queue with this ARN, or `None` if the ARN is invalid. SQS requires that a dead-letter
    /// queue has the account and region of this queue.
    fn queue_url_of(&self, arn: &str) -> Option<String> {
        let name = arn.rsplit(':').next().filter(|name| !name.is_empty())?;
        let (folder, _) = self.url.rsplit_once('/')?;
        Some(format!("{folder}/{name}"))
    }

    async fn delete_one(&self, receipt: &str) -> Result<(), CloudError> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
        let deleted = call.send().await;
        deleted
            .map(drop)
            .map_err(|error| failed(&error, self.call_name("DeleteMessage"), "sqs:DeleteMessage"))
    }

    async fn set_visibility(&self, receipt: &str, seconds: i32) -> Result<(), CloudError> {
        let call = self.client.change_message_visibility().queue_url(&self.url);
        let hidden = call.receipt_handle(receipt).visibility_timeout(seconds).send().await;
        let permission = "sqs:ChangeMessageVisibility";
        hidden
            .map(drop)
            .map_err(|error| failed(&error, self.call_name("ChangeMessageVisibility"), permission))
    }

    /// Tests the permission to send to the dead-letter queue with a message that SQS rejects as invalid.
    async fn check_dead_letters(&self, url: &str) -> Result<(), CloudError> {
        let attribute = MessageAttributeValue::builder().data_type(INVALID_TYPE).string_value("x").build();
        let attribute = attribute.map_err(|error| self.build_error(&error))?;
        let call = self.client.send_message().queue_url(url).message_body("");
        let sent = call.message_attributes(INVALID_TYPE, attribute).send().await;
        let what = format!("cannot send to the dead-letter queue {url}");
        permitted(sent.map_err(|error| failed(&error, what, "sqs:SendMessage on the dead-letter queue")))
    }

    async fn delete_batch(&self, receipts: &[String], outcome: &mut BatchOutcome) -> Result<(), CloudError> {
        if let [receipt] = receipts {
            return self.delete_one(receipt).await;
        }
        let entry = |(at, receipt): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(receipt).build()
        };
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|error| self.build_error(&error))?;
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let response = call
            .send()
            .await
            .map_err(|error| failed(&error, self.call_name("DeleteMessageBatch"), "sqs:DeleteMessage"))?;
        outcome.some_failed(response.failed());
        Ok(())
    }

    async fn set_visibility_batch(
        &self,
        receipts: &[String],
        seconds: i32,
        outcome: &mut BatchOutcome,
    ) -> Result<(), CloudError> {
        if let [receipt] = receipts {
            return self.set_visibility(receipt, seconds).await;
        }
        let entry = |(at, receipt): (usize, &String)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(seconds)
                .build()
        };
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|error| self.build_error(&error))?;
        let call =
            self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
        let permission = "sqs:ChangeMessageVisibility";
        let response = call
            .send()
            .await
            .map_err(|error| failed(&error, self.call_name("ChangeMessageVisibilityBatch"), permission))?;
        outcome.some_failed(response.failed());
        Ok(())
    }

    fn call_name(&self, call: &str) -> String {
        format!("{call} of {}", self.name)
    }

    fn build_error(&self, error: &BuildError) -> CloudError {
        CloudError::new(Kind::Invalid, format!("queue {}", self.name), error.to_string())
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(&self, limit: u32, wait: Duration) -> Result<Vec<QueueMessage>, CloudError> {
        let limit = i32::try_from(limit.clamp(1, MAX_BATCH_MESSAGES as u32)).unwrap_or(1);
        let seconds = whole_seconds(wait, MAX_WAIT_SECONDS);
        // An empty poll ends after its wait; from then on the response may take as long as for any call.
        let attempt_timeout = Duration::from_secs(MAX_WAIT_SECONDS) + ATTEMPT_TIMEOUT;
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(attempt_timeout)
            .operation_timeout(attempt_timeout * 2)
            .build();
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(limit)
            .wait_time_seconds(seconds)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .customize()
            .config_override(aws_sdk_sqs::Config::builder().timeout_config(limits));
        let response = call.send().await.map_err(|error| {
            failed(&error, format!("cannot read queue {}", self.name), "sqs:ReceiveMessage")
        })?;
        Ok(response.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    async fn delete(&self, receipts: &[String]) -> Result<(), CloudError> {
        let mut outcome = BatchOutcome::default();
        for batch in receipts.chunks(MAX_BATCH_MESSAGES) {
            if let Err(error) = self.delete_batch(batch, &mut outcome).await {
                outcome.all_failed(batch.len(), &error);
            }
        }
        outcome.result("delete", receipts.len(), &self.name)
    }

    async fn change_visibility(&self, receipts: &[String], time: Duration) -> Result<(), CloudError> {
        let seconds = whole_seconds(time, MAX_VISIBILITY_SECONDS);
        let mut outcome = BatchOutcome::default();
        for batch in receipts.chunks(MAX_BATCH_MESSAGES) {
            if let Err(error) = self.set_visibility_batch(batch, seconds, &mut outcome).await {
                outcome.all_failed(batch.len(), &error);
            }
        }
        outcome.result("change the visibility of", receipts.len(), &self.name)
    }

    async fn dead_letter(&self, message: &QueueMessage, why: &str) -> Result<(), CloudError> {
        let dead_letter_queue = self.dead_letter_queue().await?;
        let what =
            || format!("cannot move message {} of queue {} to {dead_letter_queue}", message.id, self.name);
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(reason(why))
            .build()
            .map_err(|error| self.build_error(&error))?;
        let call = self.client.send_message().queue_url(dead_letter_queue).message_body(&message.body);
        let sent = call.message_attributes(REASON_ATTRIBUTE, reason).send().await;
        sent.map_err(|error| failed(&error, what(), "sqs:SendMessage on the dead-letter queue"))?;
        // Delete only after a successful send: a duplicate in the dead-letter queue is better than a lost message.
        self.delete(std::slice::from_ref(&message.receipt)).await
    }

    async fn facts(&self) -> Result<QueueFacts, CloudError> {
        use QueueAttributeName as Name;
        let what = || format!("cannot get the attributes of queue {}", self.name);
        let call = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(vec![
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::VisibilityTimeout,
            Name::RedrivePolicy,
        ]));
        let response = call.send().await.map_err(|error| failed(&error, what(), "sqs:GetQueueAttributes"))?;
        let all = response.attributes.unwrap_or_default();
        let number = |name: &Name| all.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let policy = all.get(&Name::RedrivePolicy).and_then(|text| serde_json::from_str(text).ok());
        let policy: serde_json::Value = policy.unwrap_or_default();
        Ok(QueueFacts {
            waiting: number(&Name::ApproximateNumberOfMessages),
            in_flight: number(&Name::ApproximateNumberOfMessagesNotVisible),
            visibility_timeout: Duration::from_secs(number(&Name::VisibilityTimeout)),
            dead_letter_queue: policy
                .get("deadLetterTargetArn")
                .and_then(|arn| self.queue_url_of(arn.as_str()?)),
            max_receives: policy.get("maxReceiveCount").and_then(count),
        })
    }

    async fn check_access(&self) -> Result<(), CloudError> {
        // There is no dry run, so permissions are tested with calls that cannot affect a message.
        permitted(self.delete_one(INVALID_RECEIPT).await)?;
        permitted(self.set_visibility(INVALID_RECEIPT, 0).await)?;
        for message in self.receive(1, Duration::ZERO).await? {
            self.set_visibility(&message.receipt, 0).await?;
        }
        match self.facts().await?.dead_letter_queue {
            Some(url) => self.check_dead_letters(&url).await,
            None => Ok(()),
        }
    }
}

fn message(message: aws_sdk_sqs::types::Message) -> QueueMessage {
    let attribute = message.attributes.unwrap_or_default();
    let attribute = |name| attribute.get(&name).map(String::as_str);
    QueueMessage {
        receives: attribute(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|text| text.parse().ok())
            .unwrap_or(1),
        sent_at: attribute(MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok()),
        id: message.message_id.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

/// Converts a duration to whole seconds, at most `limit`. Rounds up, so that a short wait does not become zero.
fn whole_seconds(time: Duration, limit: u64) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds.min(limit)).unwrap_or(0)
}

/// Converts the reason `why` to a valid attribute value of at most [`MAX_REASON_CHARS`] characters. SQS rejects most
/// control characters, and empty attributes.
fn reason(why: &str) -> String {
    let text: String =
        why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON_CHARS).collect();
    if text.trim().is_empty() { "no reason given".to_owned() } else { text }
}

/// Parses the maximum number of receives in a redrive policy (`maxReceiveCount`), or returns `None` if `value` is
/// invalid. SQS returns this number as a JSON string or as a JSON number, depending on how the policy was written.
fn count(value: &serde_json::Value) -> Option<u32> {
    match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.as_u64().and_then(|count| count.try_into().ok()),
    }
}
