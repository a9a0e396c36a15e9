//! A stream from the view of the threads: its queue, and the worker that processes it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use refrain_core::matching::live::LiveBuffers;
use refrain_stream::{Delivery, LiveAudio};
use tokio::sync::{Notify, mpsc, watch};

use super::decode::DecodeError;
use super::event::StreamEvent;
use super::pool::{Index, Pool, lock};
use super::queue::{Full, Queue};
use super::status::{StreamState, StreamStatus};
use super::worker::StreamWorker;

/// A stream from the view of the threads.
pub(super) struct Stream {
    pub(super) id: Arc<str>,
    pub(super) status: watch::Sender<StreamStatus>,
    inner: Mutex<Inner>,
    /// Notified when a delivery was removed from the queue.
    room: Notify,
    /// Locked by the thread that processes the stream.
    worker: Mutex<StreamWorker>,
    /// Ends the network side.
    stop: Arc<Stop>,
    pub(super) events: mpsc::Sender<StreamEvent>,
}

#[derive(Default)]
struct Inner {
    queue: Queue,
    /// The final state, once the source has ended.
    end: Option<StreamState>,
    /// True if the stream is in line or being processed.
    scheduled: bool,
    /// True if another worker continues the stream.
    left: bool,
}

/// A request to end a stream.
#[derive(Debug, Default)]
pub(super) struct Stop {
    pub(super) wanted: Notify,
    leave: AtomicBool,
}

impl Stop {
    /// Requests that the stream ends here because another worker continues it.
    pub(super) fn leave(&self) {
        self.leave.store(true, Ordering::SeqCst);
        self.wanted.notify_one();
    }

    /// Returns true if another worker continues the stream.
    pub(super) fn leaves(&self) -> bool {
        self.leave.load(Ordering::SeqCst)
    }
}

/// A job for a stream.
pub(super) enum Job {
    Hear(Delivery),
    Finish(StreamState),
    /// No more audio is processed; airings stay open.
    Leave(StreamState),
}

impl Stream {
    /// Creates a stream without deliveries.
    pub(super) fn new(
        id: Arc<str>,
        worker: StreamWorker,
        status: watch::Sender<StreamStatus>,
        events: mpsc::Sender<StreamEvent>,
        stop: Arc<Stop>,
    ) -> Self {
        let (inner, room) = (Mutex::default(), Notify::new());
        Self { id, status, inner, room, worker: Mutex::new(worker), events, stop }
    }

    /// Returns true if the caller must put the stream in line: it has a job to do and was not in line. Marks it as in line.
    pub(super) fn take_turn(&self) -> bool {
        let mut inner = lock(&self.inner);
        let idle = inner.queue.is_empty() && inner.end.is_none();
        !idle && !std::mem::replace(&mut inner.scheduled, true)
    }

    /// Marks the stream as not in line, after its job.
    pub(super) fn give_turn_back(&self) {
        lock(&self.inner).scheduled = false;
    }

    /// Adds a delivery. Waits for room if the source can wait.
    pub(super) async fn push(self: &Arc<Self>, pool: &Arc<Pool>, delivery: Delivery, full: Full) {
        let mut delivery = delivery;
        loop {
            // Created before the queue is checked, so that room that is made in between is noticed.
            let room = self.room.notified();
            let pushed = lock(&self.inner).queue.push(delivery, full);
            match pushed {
                Ok(()) => return pool.schedule(self),
                Err(back) => delivery = back,
            }
            room.await;
        }
    }

    /// Marks the source as ended. Queued deliveries are still processed.
    pub(super) fn end(self: &Arc<Self>, pool: &Arc<Pool>, state: StreamState) {
        lock(&self.inner).end.get_or_insert(state);
        pool.schedule(self);
    }

    /// Leaves the stream to another worker. Queued deliveries are dropped.
    pub(super) fn leave(self: &Arc<Self>, pool: &Arc<Pool>, state: StreamState) {
        {
            let mut inner = lock(&self.inner);
            inner.queue = Queue::default();
            inner.left = true;
            inner.end.get_or_insert(state);
        }
        pool.schedule(self);
    }

    /// Removes and returns the next job.
    pub(super) fn next(&self) -> Option<Job> {
        let mut inner = lock(&self.inner);
        if let Some(delivery) = inner.queue.pop() {
            self.room.notify_one();
            return Some(Job::Hear(delivery));
        }
        let left = inner.left;
        inner.end.take().map(if left { Job::Leave } else { Job::Finish })
    }

    /// Executes a job and returns its events.
    pub(super) fn run(&self, job: Job, index: &dyn Index, buffers: &mut LiveBuffers) -> Vec<StreamEvent> {
        let snapshot = index.snapshot();
        let mut worker = lock(&self.worker);
        let mut events = Vec::new();
        let before = worker.position();
        let (bytes, end, heard) = match job {
            Job::Hear(delivery) => {
                let bytes = undecoded(&delivery);
                (bytes, None, worker.hear(delivery, &snapshot, buffers, &mut events))
            }
            Job::Finish(state) => (0, Some(state), worker.finish(&snapshot, buffers, &mut events)),
            Job::Leave(state) => {
                worker.leave(&snapshot, &mut events);
                (0, Some(state), Ok(()))
            }
        };
        let (position, is_last) = (worker.position(), end.is_some());
        let failure = worker.failure().cloned();
        let queued = {
            let mut inner = lock(&self.inner);
            if bytes > 0 {
                inner.queue.learn(bytes, position - before);
            }
            inner.queue.seconds()
        };
        self.status.send_modify(|status| {
            status.ear.clone_from(worker.report());
            status.position = position;
            status.heard_until = worker.clock().epoch(position).zip(worker.clock().source());
            status.clock_anchor = worker.clock_anchor();
            status.queued_seconds = queued;
            status.airings = worker.airings();
            status.unknown_since = worker.unknown_since();
            status.times = worker.times();
            if let Err(error) = &heard {
                status.index_errors += 1;
                status.last_index_error = Some(error.to_string());
            }
            if let Some(end) = end {
                status.state = end;
            }
        });
        drop(worker);
        if let Some(why) = failure.filter(|_| !is_last) {
            tracing::error!(stream = %self.id, reason = %why, "stream cannot be decoded, ending it");
            self.end_for(match why {
                DecodeError::Hostile(_) => StreamState::DecoderDied(why.to_string()),
                _ => StreamState::Failed(why.to_string()),
            });
        }
        if let Err(error) = heard {
            tracing::warn!(stream = %self.id, %error, "search in the index failed");
            index.is_damaged(&snapshot, &error);
        }
        events
    }

    /// Ends the stream as failed; its airings get their final events before. Queued deliveries are dropped.
    fn end_for(&self, state: StreamState) {
        let mut inner = lock(&self.inner);
        inner.queue = Queue::default();
        inner.end.get_or_insert(state);
        self.stop.wanted.notify_one();
    }

    /// Ends the stream after a job panicked.
    pub(super) fn broke(&self) {
        tracing::error!(stream = %self.id, "internal error, ending the stream");
        let why = "internal error, a bug in refrain; please report it".to_owned();
        self.status.send_modify(|status| status.state = StreamState::Failed(why));
        let mut inner = lock(&self.inner);
        inner.queue = Queue::default();
        inner.end = None;
        self.stop.wanted.notify_one();
    }
}

/// Returns the bytes of a delivery that has no duration, otherwise 0.
fn undecoded(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Bytes(bytes) => bytes.len(),
        Delivery::Live(chunk) => match &chunk.audio {
            LiveAudio::Bytes(bytes) => bytes.len(),
            LiveAudio::Samples(_) => 0,
        },
        _ => 0,
    }
}
