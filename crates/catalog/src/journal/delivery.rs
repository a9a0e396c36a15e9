//! The outbox: what is still to be delivered.

use std::time::Duration;

use super::DetectionId;
use super::stored::name_fault;

/// A message to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Where to: the name of a sink.
    pub sink: String,
    /// Names the message: a second one of the same sink and key is not taken.
    pub key: String,
    /// The message, JSON.
    pub payload: String,
}

impl NewDelivery {
    /// What keeps it from being stored, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        // Both stand in one index.
        name_fault("sink", &self.sink).or_else(|| name_fault("message", &(self.sink.clone() + &self.key)))
    }
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number in the outbox.
    pub id: i64,
    /// The detection that it tells of, if it does.
    pub detection: Option<DetectionId>,
    /// Where to.
    pub sink: String,
    /// Names the message.
    pub key: String,
    /// The message, JSON.
    pub payload: String,
    /// When it was put into the outbox.
    pub created_at: i64,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it is due, if it is neither delivered nor dead.
    pub next_attempt_at: i64,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was given up.
    pub dead_at: Option<i64>,
    /// Why the last attempt that failed did so.
    pub last_error: Option<String>,
}

/// Where a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Neither delivered nor given up.
    Waiting,
    /// Delivered.
    Delivered,
    /// Given up.
    Dead,
}

/// Which messages to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only messages to this sink.
    pub sink: Option<String>,
    /// Only messages that are there on their way.
    pub status: Option<DeliveryStatus>,
}

/// The consequence of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// The message is due again after this time.
    RetryAfter(Duration),
    /// The message is dead.
    Dead,
}

/// What [`crate::Journal::prune`] deletes, by age; with `None` nothing of that kind goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Detections that were last seen, and streams that were over, before that time.
    pub detections: Option<i64>,
    /// Messages that were delivered or given up before that time.
    pub deliveries: Option<i64>,
}

impl Expired {
    /// Everything before that time.
    #[must_use]
    pub fn before(time: i64) -> Self {
        Self { detections: Some(time), deliveries: Some(time) }
    }
}

/// What [`crate::Journal::prune`] deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Detections.
    pub detections: u64,
    /// Messages of the outbox.
    pub deliveries: u64,
    /// Streams that were over.
    pub streams: u64,
}

impl Pruned {
    /// How many there were of the commonest kind.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.detections.max(self.deliveries).max(self.streams)
    }
}
