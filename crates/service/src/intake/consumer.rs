//! From a queue to its handler.

use std::sync::Arc;
use std::time::Duration;

use refrain_stream::Backoff;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::delete::delete_all;
use super::work::Work;
use crate::measure::Measures;
use crate::outside::{Message, Queue};

/// Most messages of one receive, as queues have it.
const BATCH: u32 = 10;

/// How long a receive waits for the first message.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Receives under way at once: while one is answered, others ask.
const RECEIVERS: usize = 3;

/// Messages that are handled at once, unless [`Consumer::parallel`] says otherwise.
const PARALLEL: usize = 64;

/// Pauses after a receive that failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How long messages are taken to be hidden where the queue does not tell: the default of SQS.
const USUALLY_HIDDEN: Duration = Duration::from_secs(30);

/// Receipts that wait to be deleted.
const RECEIPTS: usize = 1_000;

/// Takes messages from a queue and has them handled.
pub struct Consumer {
    queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    measures: Arc<Measures>,
    parallel: usize,
}

impl Consumer {
    /// A consumer of this queue.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, handler: Arc<dyn Handler>, measures: Arc<Measures>) -> Self {
        Self { queue, handler, measures, parallel: PARALLEL }
    }

    /// With so many messages handled at once, at least one.
    #[must_use]
    pub fn parallel(self, messages: usize) -> Self {
        Self { parallel: messages.max(1), ..self }
    }

    /// Takes messages until `stop` is cancelled; then what was begun is finished, and what was not is shown again at
    /// once.
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

    /// How long the queue hides what is received. `None` if the end came first.
    async fn hidden_for(&self, stop: &CancellationToken) -> Option<Duration> {
        let mut backoff = Backoff::new(PAUSES);
        loop {
            match self.queue.facts().await {
                Ok(facts) => return Some(facts.hidden_for),
                Err(error) if !error.is_transient() => {
                    let queue = self.queue.name();
                    tracing::warn!(queue, %error, "the queue does not say how it is set up; 30 s of hiding are assumed");
                    return Some(USUALLY_HIDDEN);
                }
                Err(error) => {
                    tracing::warn!(queue = self.queue.name(), %error, "the queue is away; trying again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(backoff.next()) => {}
            }
        }
    }
}

/// Receives messages and begins to handle them, never more than there is room for; waits for the last in the end.
async fn receive(work: Arc<Work>, slots: Arc<Semaphore>, stop: CancellationToken) {
    let (mut backoff, mut tasks) = (Backoff::new(PAUSES), JoinSet::new());
    while let Some(mut room) = room(&slots, &stop).await {
        while tasks.try_join_next().is_some() {}
        let most = u32::try_from(room.len()).unwrap_or(BATCH);
        // A receive that is given up may have taken messages with it. They come again when they are no longer hidden.
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            received = work.queue.receive(most, LONG_POLL) => received,
        };
        let messages = match received {
            Ok(messages) => messages,
            Err(error) => {
                drop(room);
                tracing::warn!(queue = work.queue.name(), %error, "cannot receive; trying again");
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

/// Room for at least one message and at most a batch. `None` at the end.
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
        tracing::debug!(queue = queue.name(), %error, "messages stay hidden for a while");
    }
}
