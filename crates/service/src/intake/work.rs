//! One message at a time.

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

/// A message is hidden anew each time that so much of the time is over for which the queue hides it.
const PART: u32 = 3;

/// Where there is no queue of dead letters, what cannot be understood is hidden for so long.
const OUT_OF_THE_WAY: Duration = Duration::from_secs(6 * 60 * 60);

/// What could not be buried is tried again after this time.
const BURY_AGAIN: Duration = Duration::from_secs(30);

/// A message whose handling broke comes again after this time.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// Most messages whose ids are remembered so that each is logged once.
const REMEMBERED: usize = 10_000;

/// What the handling of messages shares.
pub(super) struct Work {
    pub(super) queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    measures: Arc<Measures>,
    hidden_for: Duration,
    done: mpsc::Sender<String>,
    /// Messages that could not be buried and were logged.
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

    /// Has a message handled, and does with it what follows.
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

    /// What the handler says; the message is hidden as long as it works.
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
                    tracing::error!(queue = self.queue.name(), message = message.id, "internal error; the message comes again");
                    Handled::Again(AFTER_PANIC)
                }),
                _ = tick.tick() => self.hide(message, self.hidden_for).await,
            }
        }
    }

    async fn hide(&self, message: &Message, time: Duration) {
        let receipt = std::slice::from_ref(&message.receipt);
        if let Err(error) = self.queue.hide(receipt, time).await {
            tracing::debug!(queue = self.queue.name(), message = message.id, %error, "cannot hide a message");
        }
    }

    async fn bury(&self, message: &Message, why: &str) {
        let queue = self.queue.name();
        match self.queue.bury(message, why).await {
            Ok(()) => {
                self.measures.messages_buried.add(1);
                tracing::warn!(queue, message = message.id, why, "a message went to the dead letters");
            }
            Err(error) if error.kind() == OutsideErrorKind::NotFound => {
                self.measures.messages_failed.add(1);
                if self.is_new(&message.id) {
                    tracing::error!(
                        queue,
                        message = message.id,
                        why,
                        "a message cannot be understood, and the queue has no queue of dead letters (redrive policy); it stays, hidden"
                    );
                }
                self.hide(message, OUT_OF_THE_WAY).await;
            }
            Err(error) => {
                self.measures.messages_failed.add(1);
                tracing::warn!(queue, message = message.id, why, %error, "a message could not be moved to the dead letters");
                self.hide(message, BURY_AGAIN).await;
            }
        }
    }

    /// Whether a message was not logged yet.
    fn is_new(&self, id: &str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= REMEMBERED {
            logged.clear();
        }
        logged.insert(id.to_owned())
    }
}
