//! The threads that process the deliveries of all streams.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use refrain_catalog::Detection;
use refrain_core::matching::live::LiveBuffers;
use refrain_stream::Delivery;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::lock::lock;
use super::queue::OverflowPolicy;
use super::snapshot_source::SnapshotSource;
use super::state::StreamPhase;
use super::stream::{Job, MonitoredStream};

/// The threads, and the queue of streams that have a job.
pub(super) struct WorkerPool {
    index: Box<dyn SnapshotSource>,
    ready: Mutex<ReadyStreams>,
    wake: Condvar,
    runtime: Handle,
}

#[derive(Default)]
struct ReadyStreams {
    streams: VecDeque<Arc<MonitoredStream>>,
    closed: bool,
}

impl WorkerPool {
    /// Starts a pool of `threads` threads, at least one. Fails if a thread cannot be started.
    pub(super) fn start(
        index: Box<dyn SnapshotSource>,
        threads: usize,
        runtime: Handle,
    ) -> std::io::Result<Arc<Self>> {
        let pool = Arc::new(Self { index, ready: Mutex::default(), wake: Condvar::new(), runtime });
        for number in 0..threads.max(1) {
            let working = Arc::clone(&pool);
            thread::Builder::new().name(format!("stream-{number}")).spawn(move || working.work())?;
        }
        Ok(pool)
    }

    /// Ends the threads, each after its current job.
    pub(super) fn close(&self) {
        lock(&self.ready).closed = true;
        // All threads wait for the same condition and each has to see that the pool is closed.
        self.wake.notify_all();
    }

    /// Adds a delivery to the queue of a stream. If the queue is full, `overflow_policy` selects one of two behaviors:
    /// the call waits, or old deliveries are dropped.
    pub(super) async fn push(
        &self,
        stream: &Arc<MonitoredStream>,
        delivery: Delivery,
        overflow_policy: OverflowPolicy,
    ) {
        stream.enqueue(delivery, overflow_policy).await;
        self.schedule(stream);
    }

    /// Ends a stream whose source has ended with the final state `state`. Queued deliveries are still processed.
    pub(super) fn end(&self, stream: &Arc<MonitoredStream>, state: StreamPhase) {
        stream.mark_ended(state);
        self.schedule(stream);
    }

    /// Ends a stream with the final state `state` because another worker continues it. Queued deliveries are dropped.
    pub(super) fn leave(&self, stream: &Arc<MonitoredStream>, state: StreamPhase) {
        stream.mark_released(state);
        self.schedule(stream);
    }

    /// Adds a stream to the queue of the pool, if it has a job to do and is neither queued nor being processed.
    fn schedule(&self, stream: &Arc<MonitoredStream>) {
        if !stream.mark_scheduled() {
            return;
        }
        lock(&self.ready).streams.push_back(Arc::clone(stream));
        self.wake.notify_one();
    }

    /// Takes the first stream from the queue of the pool and processes one of its jobs, repeatedly until the pool is
    /// closed. Each thread of the pool runs this function.
    fn work(self: &Arc<Self>) {
        let mut buffers = LiveBuffers::default();
        while let Some(stream) = self.next() {
            let Some(job) = stream.next() else {
                self.done(&stream, false);
                continue;
            };
            let is_last = matches!(job, Job::Finish(_) | Job::Leave(_));
            // A bug that one stream triggers must not end a thread that thousands of streams share.
            let Ok(events) = catch_unwind(AssertUnwindSafe(|| stream.run(job, &*self.index, &mut buffers)))
            else {
                // A panic may have left the buffers in any state.
                buffers = LiveBuffers::default();
                stream.fail_after_panic();
                self.done(&stream, true);
                continue;
            };
            self.deliver(&stream, events, is_last);
        }
    }

    fn next(&self) -> Option<Arc<MonitoredStream>> {
        let mut ready = lock(&self.ready);
        loop {
            if ready.closed {
                return None;
            }
            match ready.streams.pop_front() {
                Some(stream) => return Some(stream),
                None => ready = self.wake.wait(ready).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Sends the events of a job. If the channel is full, a tokio task sends the rest, and the stream gets no other job
    /// before all events are sent.
    fn deliver(self: &Arc<Self>, stream: &Arc<MonitoredStream>, events: Vec<Detection>, is_last: bool) {
        let mut events = VecDeque::from(events);
        while let Some(event) = events.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = stream.events.try_send(event) {
                events.push_front(event);
                break;
            }
        }
        if events.is_empty() {
            return self.done(stream, is_last);
        }
        let (pool, stream) = (Arc::clone(self), Arc::clone(stream));
        self.runtime.spawn(async move {
            for event in events {
                // An error means that the receiver was dropped and needs no events.
                let _ = stream.events.send(event).await;
            }
            pool.done(&stream, is_last);
        });
    }

    /// Completes a job. Marks the stream as over after its last job, otherwise allows the stream to be queued again.
    fn done(&self, stream: &Arc<MonitoredStream>, is_last: bool) {
        if is_last {
            stream.status.send_modify(|status| status.is_over = true);
            return;
        }
        stream.clear_scheduled();
        // Deliveries can have arrived while the stream was marked as scheduled; they did not queue the stream again.
        self.schedule(stream);
    }
}
