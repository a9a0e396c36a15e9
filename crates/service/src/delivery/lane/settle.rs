//! Recording of the outcomes of deliveries in the database.

use std::time::Duration;

use refrain_catalog::{AfterFailure, CatalogError, Delivery};
use tokio::time::Instant;

use super::{Ended, Lane, Outcome, now};
use crate::delivery::pace::{after, pause};
use crate::delivery::sinks::Undelivered;

/// Longest pause between two attempts to reach the database.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

impl Lane {
    /// Records the outcome of this delivery and of all others that have ended by now.
    pub(super) async fn settle(&mut self, ended: Ended) {
        let mut next = Some(ended);
        while let Some(ended) = next {
            let (id, outcome) = match ended {
                Ok((id, outcome)) => (id, outcome),
                Err(error) => (error.id(), Err(Undelivered::Again("the delivery crashed".into()))),
            };
            if let Some(delivery) = self.claimed.remove(&id) {
                self.note(delivery, outcome).await;
            }
            next = self.under_way.try_join_next_with_id();
        }
        self.tell().await;
    }

    async fn note(&mut self, delivery: Delivery, outcome: Outcome) {
        let (why, then) = match outcome {
            Ok(()) => {
                self.untold.push(delivery.id);
                return self.answered();
            }
            Err(Undelivered::Refused(why)) => {
                self.answered();
                (why, AfterFailure::Dead)
            }
            Err(Undelivered::Again(why)) => {
                self.failed(delivery.id, &why);
                (why, self.after(&delivery, Duration::ZERO))
            }
            Err(Undelivered::AgainAfter(why, pause)) => {
                self.failed(delivery.id, &why);
                (why, self.after(&delivery, pause))
            }
        };
        self.tell_failure(&delivery, &why, then).await;
    }

    /// Returns what follows a failed attempt at a message. A retry does not come before `least` has passed.
    fn after(&self, delivery: &Delivery, least: Duration) -> AfterFailure {
        after(delivery, now(), (least, self.terms.longest_pause), self.terms.give_up)
    }

    fn answered(&mut self) {
        if self.circuit.answered() {
            tracing::info!(sink = self.name, "sink accepts messages again");
            self.next_look = Instant::now();
        }
    }

    fn failed(&mut self, message: i64, why: &str) {
        if self.circuit.failed(message) {
            tracing::warn!(
                sink = self.name,
                why,
                "sink is down, sending one message at a time until it recovers"
            );
        }
        if self.circuit.is_open() {
            self.next_look = Instant::now() + self.circuit.pause(self.terms.longest_pause);
        }
    }

    async fn tell_failure(&mut self, delivery: &Delivery, why: &str, then: AfterFailure) {
        let (sink, id, key) = (&self.name, delivery.id, &delivery.key);
        match then {
            AfterFailure::Dead => {
                self.measures.deliveries_dead.add(1);
                tracing::error!(
                    sink,
                    id,
                    key,
                    why,
                    "delivery failed permanently; `refrain outbox retry` retries it"
                );
            }
            AfterFailure::RetryAfter(pause) => {
                self.measures.delivery_failures.add(1);
                tracing::debug!(sink, id, key, why, attempt = delivery.attempts, "delivery failed, retrying");
                let due = Instant::now() + pause;
                self.dues.insert(due);
                if !self.circuit.is_open() {
                    self.next_look = self.next_look.min(due);
                }
            }
        }
        let told = self.catalog.journal().delivery_failed(id, delivery.attempts, why, then).await;
        if let Err(error) = told {
            // Nothing is lost: the claim expires, and the message is due again.
            self.database_failed("cannot record a failed delivery", &error);
        }
    }

    /// Records the successful deliveries. If that fails, they are kept for the next call. Returns true if all are recorded.
    pub(super) async fn tell(&mut self) -> bool {
        if self.untold.is_empty() {
            return true;
        }
        match self.catalog.journal().delivered(&self.untold, now()).await {
            Ok(()) => {
                self.measures.delivered.add(self.untold.len() as u64);
                self.untold.clear();
                true
            }
            Err(error) => {
                self.database_failed("cannot record successful deliveries", &error);
                false
            }
        }
    }

    pub(super) fn database_failed(&mut self, what: &'static str, error: &CatalogError) {
        tracing::warn!(sink = self.name, %error, what, "outbox unavailable, retrying");
        self.database_failures = self.database_failures.saturating_add(1);
        self.next_look = Instant::now() + pause(self.database_failures, LONGEST_WAIT);
    }

    /// Aborts the running deliveries and makes their messages due at once for other processes.
    pub(super) async fn give_back(&mut self) {
        self.under_way.abort_all();
        while let Some(ended) = self.under_way.join_next_with_id().await {
            // A delivery may have succeeded just before it was aborted.
            if let Ok((id, Ok(()))) = ended
                && let Some(delivery) = self.claimed.remove(&id)
            {
                self.untold.push(delivery.id);
            }
        }
        self.tell().await;
        for (_, delivery) in std::mem::take(&mut self.claimed) {
            let why = "the process that was delivering it ended";
            self.tell_failure(&delivery, why, AfterFailure::RetryAfter(Duration::ZERO)).await;
        }
    }
}
