//! The JSON output of `outbox list`.

use refrain_catalog::OutboxMessage;
use serde::Serialize;
use serde_json::value::RawValue;

/// A message in the JSON output of `outbox list`. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Serialize)]
pub(super) struct OutboxListRow {
    id: i64,
    sink: String,
    /// Key of the message, with which receivers recognize a repeated delivery.
    message: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection: Option<String>,
    created_at: i64,
    attempts: u32,
    /// Time of the next attempt; `None` if the message is delivered or dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Payload as stored in the outbox; `None`, written as `null`, if it is not valid JSON.
    payload: Option<Box<RawValue>>,
}

impl OutboxListRow {
    pub(super) fn new(delivery: OutboxMessage) -> Self {
        let (status, _) = status_and_time(&delivery);
        let waits = delivery.delivered_at.is_none() && delivery.dead_at.is_none();
        Self {
            id: delivery.id,
            sink: delivery.sink,
            message: delivery.key,
            status,
            detection: delivery.detection.map(|id| id.to_string()),
            created_at: delivery.created_at,
            attempts: delivery.attempts,
            next_attempt_at: waits.then_some(delivery.next_attempt_at),
            delivered_at: delivery.delivered_at,
            dead_at: delivery.dead_at,
            last_error: delivery.last_error,
            // Stored JSON can have line ends between its tokens, but each message has to be printed on one line.
            payload: RawValue::from_string(delivery.payload.replace(['\n', '\r'], " ")).ok(),
        }
    }
}

/// Returns the status of a message and a time in milliseconds since the Unix epoch. The time is that of the delivery if
/// it is `delivered`, of the last failure if it is `dead`, and of the next attempt if it is `waiting`.
pub(super) fn status_and_time(delivery: &OutboxMessage) -> (&'static str, i64) {
    match (delivery.delivered_at, delivery.dead_at) {
        (Some(at), _) => ("delivered", at),
        (None, Some(at)) => ("dead", at),
        (None, None) => ("waiting", delivery.next_attempt_at),
    }
}
