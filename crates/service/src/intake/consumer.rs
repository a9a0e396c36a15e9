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
use super::work::Work;
use crate::measure::Measures;
use crate::outside::{Message, Queue};

/// Maximum number of messages per receive: the limit of [`Queue::receive`].
const BATCH: u32 = 10;

/// Time that a receive waits for the first message.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Number of concurrent receives, so that others poll the queue while the messages of one are dispatched.
const RECEIVERS: usize = 3;

/// Default of the maximum number of messages that are handled at once. See [`Consumer::parallel`].
const PARALLEL: usize = 64;

/// Shortest and longest pause after a failed receive.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Visibility timeout that is assumed if that of the queue cannot be read: the default of SQS.
const USUALLY_HIDDEN: Duration = Duration::from_secs(30);

/// Maximum number of receipts that wait for deletion.
const RECEIPTS: usize = 1_000;

/// Receives messages from a queue and passes them to a handler.
pub struct Consumer {
    queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    measures: Arc<Measures>,
    parallel: usize,
}

impl Consumer {
    /// Creates a consumer of this queue.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, handler: Arc<dyn Handler>, measures: Arc<Measures>) -> Self {
        Self { queue, handler, measures, parallel: PARALLEL }
    }

    /// Sets the maximum number of messages that are handled at once, at least one.
    #[must_use]
    pub fn parallel(self, messages: usize) -> Self {
        Self { parallel: messages.max(1), ..self }
    }

    /// Receives messages until `stop` is cancelled. Then messages that are being handled are finished, and others are made
    /// visible at once.
    pub async fn run(self, stop: CancellationToken) {
        let Some(hidden_for) = self.hidden_for(&stop).await else { return };
        let (receipts, done) = mpsc::channel(RECEIPTS);
        let deleting = tokio::spawn(delete_all(Arc::clone(&self.queue), done));
        let work = Arc::new(Work::new(
            Arc::clone(&self.queue),
            Arc::clone(&self.handler),
            Arc::clone(&self.measures),
            hidden_for,
            receipts,
        ));
        let slots = Arc::new(Semaphore::new(self.parallel));
        let mut receivers = JoinSet::new();
        for _ in 0..RECEIVERS {
            receivers.spawn(receive(Arc::clone(&work), Arc::clone(&slots), stop.clone()));
        }
        receivers.join_all().await;
        drop(work);
        // Ends when the last receipt is deleted.
        let _ = deleting.await;
    }

    /// Returns the visibility timeout of the queue. `None` if `stop` was cancelled first.
    async fn hidden_for(&self, stop: &CancellationToken) -> Option<Duration> {
        let mut backoff = Backoff::new(PAUSES);
        loop {
            match self.queue.facts().await {
                Ok(facts) => return Some(facts.hidden_for),
                Err(error) if !error.is_transient() => {
                    let queue = self.queue.name();
                    tracing::warn!(queue, %error, "cannot read the attributes of the queue, assuming a visibility timeout of 30 s");
                    return Some(USUALLY_HIDDEN);
                }
                Err(error) => {
                    tracing::warn!(queue = self.queue.name(), %error, "queue unavailable, retrying");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(backoff.next()) => {}
            }
        }
    }
}

/// Receives messages and starts their handling, never more than there are free slots. At the end it waits for the last one.
async fn receive(work: Arc<Work>, slots: Arc<Semaphore>, stop: CancellationToken) {
    let (mut backoff, mut tasks) = (Backoff::new(PAUSES), JoinSet::new());
    while let Some(mut room) = room(&slots, &stop).await {
        while tasks.try_join_next().is_some() {}
        let most = u32::try_from(room.len()).unwrap_or(BATCH);
        // An aborted receive may have received messages. They become visible again when their timeout expires.
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            received = work.queue.receive(most, LONG_POLL) => received,
        };
        let messages = match received {
            Ok(messages) => messages,
            Err(error) => {
                drop(room);
                tracing::warn!(queue = work.queue.name(), %error, "cannot receive messages, retrying");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(backoff.next()) => continue,
                }
            }
        };
        backoff.reset();
        if stop.is_cancelled() {
            show_again(&*work.queue, &messages).await;
            break;
        }
        for message in messages {
            let (work, slot) = (Arc::clone(&work), room.pop());
            tasks.spawn(async move {
                work.handle(message).await;
                drop(slot);
            });
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Waits for a free slot. Returns the slots for at least one message and at most a batch; `None` after a stop.
async fn room(slots: &Arc<Semaphore>, stop: &CancellationToken) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        slot = Arc::clone(slots).acquire_owned() => slot.ok()?,
    };
    let mut room = vec![first];
    while room.len() < BATCH as usize
        && let Ok(slot) = Arc::clone(slots).try_acquire_owned()
    {
        room.push(slot);
    }
    Some(room)
}

async fn show_again(queue: &dyn Queue, messages: &[Message]) {
    let receipts: Vec<String> = messages.iter().map(|message| message.receipt.clone()).collect();
    if receipts.is_empty() {
        return;
    }
    if let Err(error) = queue.hide(&receipts, Duration::ZERO).await {
        tracing::debug!(queue = queue.name(), %error, "cannot release messages, they stay hidden until their timeout expires");
    }
}
