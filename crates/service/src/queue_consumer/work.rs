//! Handling of one message.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval_at};

use super::{Disposition, Handler};
use crate::cloud::{CloudErrorKind, Queue, QueueMessage};
use crate::counters::Counters;

/// Number of extensions of a message within its visibility timeout, while it is being handled. With 3, one extension
/// can fail before the message becomes visible. With 2, a single slow call lets another process receive the message;
/// with 6, a long job sends twice the requests.
const EXTENSIONS_PER_TIMEOUT: u32 = 3;

/// Time for which a message that can never be handled is hidden if the queue has no dead-letter queue. It is half of
/// the maximum of SQS (12 h). At half this value, the message is handled in vain twice as often; at twice this value, a
/// message whose cause a person has corrected is handled up to half a day late.
const UNHANDLED_VISIBILITY_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// Pause before a retry if a message could not be moved to the dead-letter queue. The handler runs again, which is
/// cheap for an invalid message. At half this value, an unavailable queue gets twice the calls; at twice this value,
/// the message is moved up to a minute late.
const DEAD_LETTER_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Pause before a message whose handler panicked is retried. A panic is a bug that mostly occurs again, so the pause is
/// long, and the maximum number of receives of the queue ends the retries. At half this value, the log has twice the
/// errors; at twice this value, a message whose handler does not panic again is handled a minute later.
const PANIC_RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Maximum number of message ids in memory, with which each message is logged only once. An id has some 40 bytes, so
/// all have below 1 MB. When the number is reached, all ids are removed, and their messages are logged once more.
const MAX_LOGGED_IDS: usize = 10_000;

/// State that the handling of all messages of a queue shares.
pub(super) struct MessageTask {
    pub(super) queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    counters: Arc<Counters>,
    visibility_timeout: Duration,
    done: mpsc::Sender<String>,
    /// Ids of messages that could not be dead-lettered, because the queue has no dead-letter queue, and that were
    /// logged.
    logged: Mutex<HashSet<String>>,
}

impl MessageTask {
    pub(super) fn new(
        queue: Arc<dyn Queue>,
        handler: Arc<dyn Handler>,
        counters: Arc<Counters>,
        visibility_timeout: Duration,
        done: mpsc::Sender<String>,
    ) -> Self {
        Self { queue, handler, counters, visibility_timeout, done, logged: Mutex::default() }
    }

    /// Handles a message, then deletes, moves or hides it, depending on the outcome.
    pub(super) async fn handle(&self, message: QueueMessage) {
        match self.disposition(&message).await {
            Disposition::Ack => {
                self.counters.messages_handled.add(1);
                // Fails only if the deletion has panicked. The message is then received and handled again.
                let _ = self.done.send(message.receipt).await;
            }
            Disposition::DeadLetter(why) => self.dead_letter(&message, &why).await,
            Disposition::Retry(after) => {
                self.counters.messages_failed.add(1);
                self.change_visibility(&message, after).await;
            }
        }
    }

    /// Runs the handler and returns its outcome. While the handler runs, the visibility timeout of the message is
    /// extended.
    async fn disposition(&self, message: &QueueMessage) -> Disposition {
        // A panic of one handler must not end the consumer: its other messages would stay hidden until their timeout
        // expires. Handlers share no state that a panic could leave inconsistent.
        let work = AssertUnwindSafe(self.handler.handle(&message.body)).catch_unwind();
        let mut work = pin!(work);
        let every = (self.visibility_timeout / EXTENSIONS_PER_TIMEOUT).max(Duration::from_millis(100));
        let mut tick = interval_at(tokio::time::Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                disposition = &mut work => return disposition.unwrap_or_else(|_| {
                    tracing::error!(
                        queue = self.queue.name(),
                        message_id = message.id,
                        retry_seconds = PANIC_RETRY_PAUSE.as_secs(),
                        "the handler of the message panicked, a bug in refrain; handling the message again after this \
                         time; please report this with the log"
                    );
                    Disposition::Retry(PANIC_RETRY_PAUSE)
                }),
                _ = tick.tick() => self.change_visibility(message, self.visibility_timeout).await,
            }
        }
    }

    async fn change_visibility(&self, message: &QueueMessage, time: Duration) {
        let receipt = std::slice::from_ref(&message.receipt);
        if let Err(error) = self.queue.change_visibility(receipt, time).await {
            tracing::debug!(
                queue = self.queue.name(),
                message_id = message.id,
                requested_seconds = time.as_secs(),
                %error,
                "cannot change the visibility timeout of the message, it is received again when its current timeout \
                 expires"
            );
        }
    }

    async fn dead_letter(&self, message: &QueueMessage, why: &str) {
        let queue = self.queue.name();
        match self.queue.dead_letter(message, why).await {
            Ok(()) => {
                self.counters.messages_dead_lettered.add(1);
                tracing::warn!(queue, message_id = message.id, why, "message moved to the dead-letter queue");
            }
            Err(error) if error.kind() == CloudErrorKind::NotFound => {
                self.counters.messages_failed.add(1);
                if self.is_first_log(&message.id) {
                    tracing::error!(
                        queue,
                        message_id = message.id,
                        why,
                        retry_hours = UNHANDLED_VISIBILITY_TIMEOUT.as_secs() / 3_600,
                        "message can never be handled, and its queue has no dead-letter queue; handling it again after \
                         this time; configure a dead-letter queue (redrive policy)"
                    );
                }
                self.change_visibility(message, UNHANDLED_VISIBILITY_TIMEOUT).await;
            }
            Err(error) => {
                self.counters.messages_failed.add(1);
                tracing::warn!(
                    queue,
                    message_id = message.id,
                    why,
                    %error,
                    retry_seconds = DEAD_LETTER_RETRY_PAUSE.as_secs(),
                    "cannot move the message to the dead-letter queue, handling the message again after this time"
                );
                self.change_visibility(message, DEAD_LETTER_RETRY_PAUSE).await;
            }
        }
    }

    /// Returns true if no message with the id `id` was logged yet. Adds the id to `logged`.
    fn is_first_log(&self, id: &str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= MAX_LOGGED_IDS {
            // Removing all ids is simpler than an order of age, and costs at most one more log line per message.
            logged.clear();
        }
        logged.insert(id.to_owned())
    }
}
