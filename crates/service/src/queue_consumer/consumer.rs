//! Receives the messages of a queue and passes them to its handler.

use std::sync::Arc;
use std::time::Duration;

use refrain_net::Backoff;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::delete::delete_all;
use super::work::MessageTask;
use crate::cloud::{Queue, QueueMessage};
use crate::counters::Counters;

/// Maximum number of messages per receive: the limit of [`Queue::receive`], which is that of SQS.
const MAX_RECEIVED_MESSAGES: u32 = 10;

/// Maximum time that a receive waits for the first message: the maximum of SQS, which rejects a longer wait. An idle
/// queue costs three requests per minute and receiver; at half this value, it costs twice as many.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Number of concurrent receive requests, so that the queue is polled while the messages of another request are
/// started. With 1, a burst waits for one request after the other; with 6, an idle queue costs twice the requests.
const RECEIVERS: usize = 3;

/// Default of the maximum number of messages that are handled at once. Handlers mostly wait for the platform or the
/// database; decoding has its own limit of threads. At half this value, a burst of starts takes twice as long; at twice
/// this value, a process that dies delays twice the messages until they become visible again. See
/// [`Consumer::parallel`].
const DEFAULT_PARALLEL_MESSAGES: usize = 64;

/// Minimum and maximum pause after a failed receive. After an outage of the queue, messages are received at most the
/// maximum pause late. At half of it, an outage causes twice the log lines.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Visibility timeout that is assumed if that of the queue cannot be read: the default of SQS. If the timeout of the
/// queue is shorter, a message that takes long is received twice, which handlers must allow. If it is longer, each
/// extension sets this value instead, and the next extension follows in time.
const DEFAULT_VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of receipts that wait for deletion. When it is reached, handlers wait, so a slow queue slows the
/// receivers down. It is far above [`DEFAULT_PARALLEL_MESSAGES`], so handlers rarely wait. At twice this value, more
/// handled messages can become visible again before they are deleted, and are then handled twice.
const MAX_QUEUED_RECEIPTS: usize = 1_000;

/// Receives messages from a queue and passes them to a handler.
pub struct Consumer {
    queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    counters: Arc<Counters>,
    parallel: usize,
}

impl Consumer {
    /// Creates a consumer of this queue.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, handler: Arc<dyn Handler>, counters: Arc<Counters>) -> Self {
        Self { queue, handler, counters, parallel: DEFAULT_PARALLEL_MESSAGES }
    }

    /// Sets the maximum number of messages that are handled at once, at least one.
    #[must_use]
    pub fn parallel(self, messages: usize) -> Self {
        Self { parallel: messages.max(1), ..self }
    }

    /// Receives messages until `stop` is cancelled. Then finishes the messages that are being handled, and makes
    /// received messages that are not handled yet visible at once.
    pub async fn run(self, stop: CancellationToken) {
        let Some(visibility_timeout) = self.visibility_timeout(&stop).await else { return };
        let (receipts, done) = mpsc::channel(MAX_QUEUED_RECEIPTS);
        let deleting = tokio::spawn(delete_all(Arc::clone(&self.queue), done));
        let work = Arc::new(MessageTask::new(
            Arc::clone(&self.queue),
            Arc::clone(&self.handler),
            Arc::clone(&self.counters),
            visibility_timeout,
            receipts,
        ));
        // The receivers share the slots, so that the limit holds for the queue and not for each receiver.
        let slots = Arc::new(Semaphore::new(self.parallel));
        let mut receivers = JoinSet::new();
        for _ in 0..RECEIVERS {
            receivers.spawn(receive(Arc::clone(&work), Arc::clone(&slots), stop.clone()));
        }
        receivers.join_all().await;
        // The tasks of the receivers have ended, so this drops the last sender of receipts and ends the deletion.
        drop(work);
        // Ends when the last receipt is deleted.
        let _ = deleting.await;
    }

    /// Returns the visibility timeout of the queue. `None` if `stop` was cancelled first.
    async fn visibility_timeout(&self, stop: &CancellationToken) -> Option<Duration> {
        let mut backoff = Backoff::new(PAUSES);
        loop {
            match self.queue.facts().await {
                Ok(facts) => return Some(facts.visibility_timeout),
                Err(error) if !error.is_transient() => {
                    let queue = self.queue.name();
                    tracing::warn!(
                        queue,
                        %error,
                        visibility_timeout_seconds = DEFAULT_VISIBILITY_TIMEOUT.as_secs(),
                        "cannot read the attributes of the queue, assuming this visibility timeout"
                    );
                    return Some(DEFAULT_VISIBILITY_TIMEOUT);
                }
                Err(error) => {
                    tracing::warn!(
                        queue = self.queue.name(),
                        %error,
                        max_pause_seconds = PAUSES.1.as_secs(),
                        "cannot read the attributes of the queue, receiving no messages until a retry succeeds"
                    );
                }
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(backoff.next()) => {}
            }
        }
    }
}

/// Receives messages and starts their handling, never more than there are free slots. After a stop, waits until the
/// started messages are handled.
async fn receive(work: Arc<MessageTask>, slots: Arc<Semaphore>, stop: CancellationToken) {
    let (mut backoff, mut tasks) = (Backoff::new(PAUSES), JoinSet::new());
    // Slots are taken before messages are received. A message without a slot would be hidden from other processes
    // although no handler works on it.
    while let Some(mut free_slots) = free_slots(&slots, &stop).await {
        // Finished tasks are removed here, or the set would grow with each message.
        while tasks.try_join_next().is_some() {}
        let max = u32::try_from(free_slots.len()).unwrap_or(MAX_RECEIVED_MESSAGES);
        // An aborted receive may have received messages. They become visible again when their timeout expires.
        let received = tokio::select! {
            biased;
            // The stop comes first in the order, so that no receive is started after it.
            () = stop.cancelled() => break,
            received = work.queue.receive(max, LONG_POLL) => received,
        };
        let messages = match received {
            Ok(messages) => messages,
            Err(error) => {
                drop(free_slots);
                tracing::warn!(
                    queue = work.queue.name(),
                    %error,
                    max_pause_seconds = PAUSES.1.as_secs(),
                    "cannot receive messages from the queue, retrying with growing pauses"
                );
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(backoff.next()) => continue,
                }
            }
        };
        backoff.reset();
        // The messages arrived at the same time as the stop. After their release, another process can handle them at
        // once.
        if stop.is_cancelled() {
            release(&*work.queue, &messages).await;
            break;
        }
        for message in messages {
            let (work, slot) = (Arc::clone(&work), free_slots.pop());
            tasks.spawn(async move {
                work.handle(message).await;
                drop(slot);
            });
        }
    }
    // Handlers are not aborted: a stream that was started halfway would have to be repaired by the retry.
    while tasks.join_next().await.is_some() {}
}

/// Waits for a free slot, then takes all free slots up to [`MAX_RECEIVED_MESSAGES`]. Returns `None` after a stop.
async fn free_slots(slots: &Arc<Semaphore>, stop: &CancellationToken) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        slot = Arc::clone(slots).acquire_owned() => slot.ok()?,
    };
    let mut free_slots = vec![first];
    while free_slots.len() < MAX_RECEIVED_MESSAGES as usize
        && let Ok(slot) = Arc::clone(slots).try_acquire_owned()
    {
        free_slots.push(slot);
    }
    Some(free_slots)
}

async fn release(queue: &dyn Queue, messages: &[QueueMessage]) {
    let receipts: Vec<String> = messages.iter().map(|message| message.receipt.clone()).collect();
    if receipts.is_empty() {
        return;
    }
    if let Err(error) = queue.change_visibility(&receipts, Duration::ZERO).await {
        tracing::debug!(
            queue = queue.name(),
            count = messages.len(),
            %error,
            "cannot release unhandled messages at the shutdown, they are received again after their visibility timeout"
        );
    }
}
