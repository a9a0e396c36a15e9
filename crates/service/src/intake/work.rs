//! Handling of one message.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval_at};

use super::{Handled, Handler};
use crate::measure::Measures;
use crate::outside::{Message, OutsideErrorKind, Queue};

/// Part of the visibility timeout after which the timeout of a message is extended: one over this number.
const PART: u32 = 3;

/// Time for which a message that can never be handled is hidden if the queue has no dead-letter queue.
const OUT_OF_THE_WAY: Duration = Duration::from_secs(6 * 60 * 60);

/// Pause before a retry if a message could not be moved to the dead-letter queue.
const BURY_AGAIN: Duration = Duration::from_secs(30);

/// Pause before a message whose handler panicked is retried.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// Maximum number of messages whose ids are remembered, so that each is logged once.
const REMEMBERED: usize = 10_000;

/// State that the handling of all messages of a queue shares.
pub(super) struct Work {
    pub(super) queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    measures: Arc<Measures>,
    hidden_for: Duration,
    done: mpsc::Sender<String>,
    /// Ids of messages that could not be dead-lettered, because the queue has no dead-letter queue, and that were logged.
    logged: Mutex<HashSet<String>>,
}

impl Work {
    pub(super) fn new(
        queue: Arc<dyn Queue>,
        handler: Arc<dyn Handler>,
        measures: Arc<Measures>,
        hidden_for: Duration,
        done: mpsc::Sender<String>,
    ) -> Self {
        Self { queue, handler, measures, hidden_for, done, logged: Mutex::default() }
    }

    /// Handles a message, then deletes, moves or hides it, depending on the outcome.
    pub(super) async fn handle(&self, message: Message) {
        match self.handled(&message).await {
            Handled::Done => {
                self.measures.messages_handled.add(1);
                let _ = self.done.send(message.receipt).await;
            }
            Handled::Bury(why) => self.bury(&message, &why).await,
            Handled::Again(after) => {
                self.measures.messages_failed.add(1);
                self.hide(&message, after).await;
            }
        }
    }

    /// Runs the handler and returns its outcome. The message stays hidden while the handler runs.
    async fn handled(&self, message: &Message) -> Handled {
        let work = AssertUnwindSafe(self.handler.handle(&message.body)).catch_unwind();
        let mut work = pin!(work);
        let every = (self.hidden_for / PART).max(Duration::from_millis(100));
        let mut tick = interval_at(tokio::time::Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                handled = &mut work => return handled.unwrap_or_else(|_| {
                    tracing::error!(queue = self.queue.name(), message = message.id, "internal error, the message is retried");
                    Handled::Again(AFTER_PANIC)
                }),
                _ = tick.tick() => self.hide(message, self.hidden_for).await,
            }
        }
    }

    async fn hide(&self, message: &Message, time: Duration) {
        let receipt = std::slice::from_ref(&message.receipt);
        if let Err(error) = self.queue.hide(receipt, time).await {
            tracing::debug!(queue = self.queue.name(), message = message.id, %error, "cannot hide message");
        }
    }

    async fn bury(&self, message: &Message, why: &str) {
        let queue = self.queue.name();
        match self.queue.bury(message, why).await {
            Ok(()) => {
                self.measures.messages_buried.add(1);
                tracing::warn!(queue, message = message.id, why, "message moved to the dead-letter queue");
            }
            Err(error) if error.kind() == OutsideErrorKind::NotFound => {
                self.measures.messages_failed.add(1);
                if self.is_new(&message.id) {
                    tracing::error!(
                        queue,
                        message = message.id,
                        why,
                        "message cannot be handled, and the queue has no dead-letter queue (redrive policy); it stays hidden"
                    );
                }
                self.hide(message, OUT_OF_THE_WAY).await;
            }
            Err(error) => {
                self.measures.messages_failed.add(1);
                tracing::warn!(queue, message = message.id, why, %error, "cannot move message to the dead-letter queue");
                self.hide(message, BURY_AGAIN).await;
            }
        }
    }

    /// Returns true if a message was not logged yet.
    fn is_new(&self, id: &str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= REMEMBERED {
            logged.clear();
        }
        logged.insert(id.to_owned())
    }
}
