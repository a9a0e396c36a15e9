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
use refrain_service::outside::{Message, OutsideError, OutsideErrorKind as Kind, Queue, QueueFacts};
use tokio::sync::OnceCell;

use crate::batch::{MOST, Outcome};
use crate::connect::ATTEMPT;
use crate::error::{failed, permitted};

/// Maximum duration of a long poll in seconds (`WaitTimeSeconds`).
const LONGEST_WAIT: u64 = 20;

/// Maximum visibility timeout in seconds (`VisibilityTimeout`): 12 h after the message was received.
const LONGEST_HIDDEN: u64 = 43_200;

/// Attribute of a message in the dead-letter queue that contains the reason.
const REASON: &str = "RefrainError";

/// Name and type of the attribute that makes a test message invalid: SQS and SNS accept only types that begin with `String`,
/// `Number` or `Binary`.
pub(crate) const INVALID: &str = "RefrainDoctor";

/// A receipt handle that belongs to no message.
const NO_RECEIPT: &str = "refrain-doctor";

/// Maximum length of a reason in characters. Attributes count toward the size limit of a message.
const LONGEST_REASON: usize = 1_000;

/// A queue of SQS. Requires the permissions `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:ChangeMessageVisibility` and
/// `sqs:GetQueueAttributes`, and `sqs:SendMessage` on the dead-letter queue. FIFO queues are not supported.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    name: String,
    dead_letters: OnceCell<String>,
}

impl SqsQueue {
    pub(crate) fn new(client: Client, url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        Self { client, url, name, dead_letters: OnceCell::new() }
    }

    /// Returns the URL of the dead-letter queue. It is requested until the queue has one, and then cached.
    async fn dead_letters(&self) -> Result<&str, OutsideError> {
        let found = self.dead_letters.get_or_try_init(|| async {
            self.facts().await?.dead_letters.ok_or_else(|| {
                let what = format!("cannot dead-letter a message of queue {}", self.name);
                OutsideError::new(
                    Kind::NotFound,
                    what,
                    "the queue has no redrive policy that names a dead-letter queue",
                )
            })
        });
        found.await.map(String::as_str)
    }

    /// Returns the URL of the dead-letter queue with this ARN, which is all that the redrive policy contains. Both queues
    /// belong to one account and region, so that their URLs differ only in the name.
    fn neighbour(&self, arn: &str) -> Option<String> {
        let name = arn.rsplit(':').next().filter(|name| !name.is_empty())?;
        let (folder, _) = self.url.rsplit_once('/')?;
        Some(format!("{folder}/{name}"))
    }

    async fn delete_one(&self, receipt: &str) -> Result<(), OutsideError> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
        let deleted = call.send().await;
        deleted.map(drop).map_err(|error| failed(&error, self.asked("DeleteMessage"), "sqs:DeleteMessage"))
    }

    async fn hide_one(&self, receipt: &str, seconds: i32) -> Result<(), OutsideError> {
        let call = self.client.change_message_visibility().queue_url(&self.url);
        let hidden = call.receipt_handle(receipt).visibility_timeout(seconds).send().await;
        let right = "sqs:ChangeMessageVisibility";
        hidden.map(drop).map_err(|error| failed(&error, self.asked("ChangeMessageVisibility"), right))
    }

    /// Sends a message that the dead-letter queue rejects: its text is empty and its attribute has an unknown type.
    async fn try_dead_letters(&self, url: &str) -> Result<(), OutsideError> {
        let attribute = MessageAttributeValue::builder().data_type(INVALID).string_value("x").build();
        let attribute = attribute.map_err(|error| self.unbuilt(&error))?;
        let call = self.client.send_message().queue_url(url).message_body("");
        let sent = call.message_attributes(INVALID, attribute).send().await;
        let what = format!("cannot send to the dead-letter queue {url}");
        permitted(sent.map_err(|error| failed(&error, what, "sqs:SendMessage on the dead-letter queue")))
    }

    async fn delete_batch(&self, receipts: &[String], outcome: &mut Outcome) -> Result<(), OutsideError> {
        if let [receipt] = receipts {
            return self.delete_one(receipt).await;
        }
        let entry = |(at, receipt): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(receipt).build()
        };
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|error| self.unbuilt(&error))?;
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = call
            .send()
            .await
            .map_err(|error| failed(&error, self.asked("DeleteMessageBatch"), "sqs:DeleteMessage"))?;
        outcome.some_failed(answer.failed());
        Ok(())
    }

    async fn hide_batch(
        &self,
        receipts: &[String],
        seconds: i32,
        outcome: &mut Outcome,
    ) -> Result<(), OutsideError> {
        if let [receipt] = receipts {
            return self.hide_one(receipt, seconds).await;
        }
        let entry = |(at, receipt): (usize, &String)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(seconds)
                .build()
        };
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|error| self.unbuilt(&error))?;
        let call =
            self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
        let right = "sqs:ChangeMessageVisibility";
        let answer = call
            .send()
            .await
            .map_err(|error| failed(&error, self.asked("ChangeMessageVisibilityBatch"), right))?;
        outcome.some_failed(answer.failed());
        Ok(())
    }

    fn asked(&self, call: &str) -> String {
        format!("{call} of {}", self.name)
    }

    fn unbuilt(&self, error: &BuildError) -> OutsideError {
        OutsideError::new(Kind::Invalid, format!("queue {}", self.name), error.to_string())
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(&self, most: u32, wait: Duration) -> Result<Vec<Message>, OutsideError> {
        let most = i32::try_from(most.clamp(1, MOST as u32)).unwrap_or(1);
        let seconds = whole_seconds(wait, LONGEST_WAIT);
        // SQS answers a poll without a message when the poll ends; from then on the response may take as long as for any call.
        let patience = Duration::from_secs(LONGEST_WAIT) + ATTEMPT;
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(patience)
            .operation_timeout(patience * 2)
            .build();
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(most)
            .wait_time_seconds(seconds)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .customize()
            .config_override(aws_sdk_sqs::Config::builder().timeout_config(limits));
        let answer = call.send().await.map_err(|error| {
            failed(&error, format!("cannot read queue {}", self.name), "sqs:ReceiveMessage")
        })?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    async fn delete(&self, receipts: &[String]) -> Result<(), OutsideError> {
        let mut outcome = Outcome::default();
        for batch in receipts.chunks(MOST) {
            if let Err(error) = self.delete_batch(batch, &mut outcome).await {
                outcome.all_failed(batch.len(), &error);
            }
        }
        outcome.result("delete", receipts.len(), &self.name)
    }

    async fn hide(&self, receipts: &[String], time: Duration) -> Result<(), OutsideError> {
        let seconds = whole_seconds(time, LONGEST_HIDDEN);
        let mut outcome = Outcome::default();
        for batch in receipts.chunks(MOST) {
            if let Err(error) = self.hide_batch(batch, seconds, &mut outcome).await {
                outcome.all_failed(batch.len(), &error);
            }
        }
        outcome.result("change the visibility of", receipts.len(), &self.name)
    }

    async fn bury(&self, message: &Message, why: &str) -> Result<(), OutsideError> {
        let dead_letters = self.dead_letters().await?;
        let what = || format!("cannot move message {} of queue {} to {dead_letters}", message.id, self.name);
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(reason(why))
            .build()
            .map_err(|error| self.unbuilt(&error))?;
        let call = self.client.send_message().queue_url(dead_letters).message_body(&message.body);
        let sent = call.message_attributes(REASON, reason).send().await;
        sent.map_err(|error| failed(&error, what(), "sqs:SendMessage on the dead-letter queue"))?;
        // Delete only after a successful send: a duplicate in the dead-letter queue is better than a lost message.
        self.delete(std::slice::from_ref(&message.receipt)).await
    }

    async fn facts(&self) -> Result<QueueFacts, OutsideError> {
        use QueueAttributeName as Name;
        let what = || format!("cannot get the attributes of queue {}", self.name);
        let call = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(vec![
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::VisibilityTimeout,
            Name::RedrivePolicy,
        ]));
        let answer = call.send().await.map_err(|error| failed(&error, what(), "sqs:GetQueueAttributes"))?;
        let all = answer.attributes.unwrap_or_default();
        let number = |name: &Name| all.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let policy = all.get(&Name::RedrivePolicy).and_then(|text| serde_json::from_str(text).ok());
        let policy: serde_json::Value = policy.unwrap_or_default();
        Ok(QueueFacts {
            waiting: number(&Name::ApproximateNumberOfMessages),
            in_flight: number(&Name::ApproximateNumberOfMessagesNotVisible),
            hidden_for: Duration::from_secs(number(&Name::VisibilityTimeout)),
            dead_letters: policy.get("deadLetterTargetArn").and_then(|arn| self.neighbour(arn.as_str()?)),
            most_receives: policy.get("maxReceiveCount").and_then(count),
        })
    }

    async fn check_access(&self) -> Result<(), OutsideError> {
        permitted(self.delete_one(NO_RECEIPT).await)?;
        permitted(self.hide_one(NO_RECEIPT, 0).await)?;
        for message in self.receive(1, Duration::ZERO).await? {
            self.hide_one(&message.receipt, 0).await?;
        }
        match self.facts().await?.dead_letters {
            Some(url) => self.try_dead_letters(&url).await,
            None => Ok(()),
        }
    }
}

fn message(message: aws_sdk_sqs::types::Message) -> Message {
    let told = message.attributes.unwrap_or_default();
    let told = |name| told.get(&name).map(String::as_str);
    Message {
        receives: told(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|text| text.parse().ok())
            .unwrap_or(1),
        sent_at: told(MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok()),
        id: message.message_id.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

/// Converts a duration to whole seconds, at most `most`. Rounds up, so that a short wait does not become zero.
fn whole_seconds(time: Duration, most: u64) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds.min(most)).unwrap_or(0)
}

/// Converts a reason to a valid attribute. SQS rejects most control characters, and empty attributes.
fn reason(why: &str) -> String {
    let text: String =
        why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect();
    if text.trim().is_empty() { "no reason given".to_owned() } else { text }
}

/// Parses a count of the redrive policy. SQS returns it as text or as a number, as it was written when the policy was set.
fn count(value: &serde_json::Value) -> Option<u32> {
    match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.as_u64().and_then(|count| count.try_into().ok()),
    }
}
