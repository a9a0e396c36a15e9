//! Tests of the consumer of a queue.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use refrain_service::counters::Counters;
use refrain_service::queue_consumer::{Consumer, Disposition, Handler};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::memory_cloud::MemoryQueue;
use crate::process::{DEADLINE, until};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// A handler that does what the message says.
struct ScriptedHandler {
    /// Messages that begin with `wait` need a permit of this semaphore.
    gate: Semaphore,
    done: Mutex<Vec<String>>,
    in_progress: AtomicUsize,
    max_in_progress: AtomicUsize,
    tries: AtomicU32,
}

impl ScriptedHandler {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Semaphore::new(0),
            done: Mutex::default(),
            in_progress: AtomicUsize::new(0),
            max_in_progress: AtomicUsize::new(0),
            tries: AtomicU32::new(0),
        })
    }

    fn done(&self) -> usize {
        self.done.lock().unwrap().len()
    }
}

#[async_trait]
impl Handler for ScriptedHandler {
    async fn handle(&self, body: &str) -> Disposition {
        let now = self.in_progress.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_in_progress.fetch_max(now, Ordering::SeqCst);
        if body.starts_with("wait") {
            self.gate.acquire().await.unwrap().forget();
        }
        self.in_progress.fetch_sub(1, Ordering::SeqCst);
        self.done.lock().unwrap().push(body.to_owned());
        match body {
            "nonsense" => Disposition::DeadLetter("it makes no sense".to_owned()),
            "twice" if self.tries.fetch_add(1, Ordering::SeqCst) == 0 => Disposition::Retry(Duration::ZERO),
            "break" if self.tries.fetch_add(1, Ordering::SeqCst) == 0 => panic!("on purpose"),
            _ => Disposition::Ack,
        }
    }
}

struct Running {
    queue: Arc<MemoryQueue>,
    handler: Arc<ScriptedHandler>,
    counters: Arc<Counters>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(queue: MemoryQueue, parallel: usize) -> Self {
        let (queue, handler, counters) =
            (Arc::new(queue), ScriptedHandler::new(), Arc::new(Counters::default()));
        let stop = CancellationToken::new();
        let consumer =
            Consumer::new(queue.clone(), handler.clone(), Arc::clone(&counters)).parallel(parallel);
        let task = tokio::spawn(consumer.run(stop.clone()));
        Self { queue, handler, counters, stop, task }
    }

    async fn until_empty(&self) {
        until("the queue is empty", || async { self.queue.undeleted() == 0 }).await;
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.task).await.expect("the consumer does not end").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn burst_is_handled_once_each_with_limited_parallelism() {
    let queue = MemoryQueue::new(LONG, true);
    (0..1_000).for_each(|n| queue.send(format!("message {n}")));
    let running = Running::start(queue, 7);
    running.until_empty().await;
    let mut done = running.handler.done.lock().unwrap().clone();
    done.sort();
    done.dedup();
    assert_eq!((done.len(), running.handler.done()), (1_000, 1_000));
    assert!(running.handler.max_in_progress.load(Ordering::SeqCst) <= 7);
    assert_eq!(running.counters.messages_handled.get(), 1_000);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_message_is_dead_lettered_and_stops_no_other() {
    let queue = MemoryQueue::new(LONG, true);
    ["good", "nonsense", "better"].into_iter().for_each(|body| queue.send(body));
    let running = Running::start(queue, 2);
    running.until_empty().await;
    assert_eq!(running.queue.dead(), [("nonsense".to_owned(), "it makes no sense".to_owned())]);
    assert_eq!((running.counters.messages_dead_lettered.get(), running.handler.done()), (1, 3));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_message_stays_in_a_queue_without_dead_letters() {
    let queue = MemoryQueue::new(Duration::from_millis(300), false);
    ["nonsense", "good"].into_iter().for_each(|body| queue.send(body));
    let running = Running::start(queue, 2);
    until("the good message is deleted and the other one is hidden", || async {
        running.queue.undeleted() == 1
            && running.counters.messages_failed.get() == 1
            && running.queue.hides() == 1
    })
    .await;
    assert_eq!((running.queue.visible(), running.queue.dead().len()), (0, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_or_panicked_message_is_received_again() {
    let queue = MemoryQueue::new(LONG, true);
    queue.send("twice");
    let running = Running::start(queue, 2);
    running.until_empty().await;
    assert_eq!((running.handler.done(), running.counters.messages_failed.get()), (2, 1));
    running.handler.tries.store(0, Ordering::SeqCst);
    running.queue.send("break");
    running.queue.send("good");
    until("the good message is handled", || async {
        running.queue.undeleted() == 1 && running.handler.done() == 4
    })
    .await;
    until("the message whose handler panicked is hidden", || async {
        running.counters.messages_failed.get() == 2
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_stays_hidden_during_long_work() {
    // The consumer hides the message again after a third of the time. This happens several times while the work waits.
    let queue = MemoryQueue::new(Duration::from_millis(600), true);
    queue.send("wait");
    let running = Running::start(queue, 4);
    until("it was hidden four times", || async { running.queue.hides() >= 4 }).await;
    assert_eq!((running.queue.receives(), running.handler.done()), (1, 0));
    running.handler.gate.add_permits(1);
    running.until_empty().await;
    assert_eq!(running.handler.done(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_of_a_queue_are_retried() {
    let queue = MemoryQueue::new(LONG, true);
    for (call, times) in [("facts", 1), ("receive", 4), ("delete", 2)] {
        queue.fail(call, times);
    }
    queue.send("good");
    let running = Running::start(queue, 4);
    running.until_empty().await;
    assert_eq!(running.handler.done(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_finishes_started_messages_and_receives_no_more() {
    let queue = MemoryQueue::new(LONG, true);
    (0..20).for_each(|n| queue.send(format!("wait {n}")));
    let running = Running::start(queue, 3);
    until("three messages are being handled", || async {
        running.handler.in_progress.load(Ordering::SeqCst) == 3
    })
    .await;
    assert_eq!(running.queue.max_hidden(), 3, "no message is received before it can be handled");
    let (queue, handler) = (Arc::clone(&running.queue), Arc::clone(&running.handler));
    running.stop.cancel();
    handler.gate.add_permits(3);
    running.stop().await;
    assert_eq!((queue.undeleted(), queue.visible(), handler.done()), (17, 17, 3));
}
