//! Recording of the outcomes of deliveries in the database.

use std::time::Duration;

use refrain_catalog::{AfterFailure, CatalogError, OutboxMessage};
use tokio::time::Instant;

use super::{DeliveryResult, FinishedDelivery, SinkWorker};
use crate::clock::{Clock, SystemClock};
use crate::delivery::retry::{after, pause};
use crate::delivery::sinks::DeliveryError;

/// Maximum pause between two attempts to reach the database. After an outage of the database, deliveries continue at
/// most this time later. At half this value, each sink of each process sends twice the requests to a database that is
/// starting; at twice this value, deliveries continue up to 30 s late.
const MAX_DATABASE_PAUSE: Duration = Duration::from_secs(15);

impl SinkWorker {
    /// Records the outcome of this delivery and of all others that have ended by now.
    pub(super) async fn settle(&mut self, ended: FinishedDelivery) {
        let mut next = Some(ended);
        while let Some(ended) = next {
            let (id, outcome) = match ended {
                Ok((id, outcome)) => (id, outcome),
                Err(error) => (
                    error.id(),
                    Err(DeliveryError::Transient(format!(
                        "the task that delivers the message failed: {error}"
                    ))),
                ),
            };
            if let Some(delivery) = self.claimed.remove(&id) {
                self.handle_outcome(delivery, outcome).await;
            }
            // All deliveries that have ended by now are recorded together: one write for many messages, which matters
            // when a sink accepts thousands after an outage.
            next = self.in_flight.try_join_next_with_id();
        }
        self.record_delivered().await;
    }

    async fn handle_outcome(&mut self, delivery: OutboxMessage, outcome: DeliveryResult) {
        let (why, then) = match outcome {
            Ok(()) => {
                // Successes are collected and written together below. A failure is written at once, because its pause
                // differs for each message.
                self.unrecorded.push(delivery.id);
                return self.succeeded();
            }
            Err(DeliveryError::Permanent(why)) => {
                self.succeeded();
                // A sink that refuses a message is reachable, so this counts as a success for the circuit breaker.
                (why, AfterFailure::Dead)
            }
            Err(DeliveryError::Transient(why)) => {
                self.failed(delivery.id, &why);
                (why, self.after(&delivery, Duration::ZERO))
            }
            Err(DeliveryError::TransientAfter(why, pause)) => {
                self.failed(delivery.id, &why);
                (why, self.after(&delivery, pause))
            }
        };
        self.record_failure(&delivery, &why, then).await;
    }

    /// Decides if a message is retried after a failed attempt, at the earliest after `min_pause`, or is dead.
    fn after(&self, delivery: &OutboxMessage, min_pause: Duration) -> AfterFailure {
        after(delivery, SystemClock.now(), (min_pause, self.policy.max_pause), self.policy.give_up)
    }

    fn succeeded(&mut self) {
        if self.circuit.succeeded() {
            tracing::info!(
                sink = self.name,
                "sink responded after failures, sending several messages at a time"
            );
            self.next_poll = Instant::now();
        }
    }

    fn failed(&mut self, message: i64, why: &str) {
        if self.circuit.failed(message) {
            tracing::warn!(
                sink = self.name,
                why,
                "deliveries of several messages to the sink failed without a success, sending one message at a time \
                 until the sink responds"
            );
        }
        if self.circuit.is_open() {
            self.next_poll = Instant::now() + self.circuit.pause(self.policy.max_pause);
        }
    }

    async fn record_failure(&mut self, delivery: &OutboxMessage, why: &str, then: AfterFailure) {
        let (sink, id, key) = (&self.name, delivery.id, &delivery.key);
        match then {
            AfterFailure::Dead => {
                self.counters.deliveries_dead.add(1);
                tracing::error!(
                    sink,
                    message_id = id,
                    key,
                    why,
                    "delivery failed permanently, message marked as dead; `refrain outbox retry` makes it due again"
                );
            }
            AfterFailure::RetryAfter(pause) => {
                self.counters.delivery_failures.add(1);
                tracing::debug!(
                    sink,
                    message_id = id,
                    key,
                    why,
                    attempt = delivery.attempts,
                    retry_seconds = pause.as_secs_f64(),
                    "delivery of the message failed, retrying"
                );
                let due = Instant::now() + pause;
                self.retry_times.insert(due);
                // While the circuit is open, the pause between two probes determines the next poll. The due time of a
                // single message must not make the poll earlier.
                if !self.circuit.is_open() {
                    self.next_poll = self.next_poll.min(due);
                }
            }
        }
        let recorded = self.catalog.journal().mark_delivery_failed(id, delivery.attempts, why, then).await;
        if let Err(error) = recorded {
            // Nothing is lost: the claim expires, and the message is due again.
            self.database_failed("cannot record a failed delivery", &error);
        }
    }

    /// Records the successful deliveries. If the database fails, they are kept for the next call. Returns true if all
    /// are recorded.
    pub(super) async fn record_delivered(&mut self) -> bool {
        if self.unrecorded.is_empty() {
            return true;
        }
        match self.catalog.journal().mark_delivered(&self.unrecorded, SystemClock.now()).await {
            Ok(()) => {
                // The messages are counted after the write: until then, another process may still deliver and count
                // them.
                self.counters.delivered.add(self.unrecorded.len() as u64);
                self.unrecorded.clear();
                true
            }
            Err(error) => {
                self.database_failed("cannot record successful deliveries", &error);
                false
            }
        }
    }

    pub(super) fn database_failed(&mut self, what: &'static str, error: &CatalogError) {
        tracing::warn!(
            sink = self.name,
            %error,
            what,
            max_pause_seconds = MAX_DATABASE_PAUSE.as_secs(),
            "cannot access the outbox in the database, retrying with growing pauses"
        );
        self.database_failures = self.database_failures.saturating_add(1);
        self.next_poll = Instant::now() + pause(self.database_failures, MAX_DATABASE_PAUSE);
    }

    /// Aborts the running deliveries and makes their messages due at once for other processes.
    pub(super) async fn release_claims(&mut self) {
        // Deliveries are aborted before their claims are released. In the other order, another process could send a
        // message while this one still sends it.
        self.in_flight.abort_all();
        while let Some(ended) = self.in_flight.join_next_with_id().await {
            // A delivery may have succeeded just before it was aborted.
            if let Ok((id, Ok(()))) = ended
                && let Some(delivery) = self.claimed.remove(&id)
            {
                self.unrecorded.push(delivery.id);
            }
        }
        self.record_delivered().await;
        for (_, delivery) in std::mem::take(&mut self.claimed) {
            let why = "the process that was delivering it ended";
            self.record_failure(&delivery, why, AfterFailure::RetryAfter(Duration::ZERO)).await;
        }
    }
}
