//! A stream in the pool of threads: its queue, and the worker that processes it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use refrain_catalog::Detection;
use refrain_core::index::IndexError;
use refrain_core::matching::live::LiveBuffers;
use refrain_stream::{Delivery, LiveAudio};
use tokio::sync::{Notify, mpsc, watch};

use super::decode::DecodeError;
use super::lock::lock;
use super::queue::{DeliveryQueue, OverflowPolicy};
use super::snapshot_source::SnapshotSource;
use super::state::{self, AudioSeconds, GiveUpBudget, MediaKind, Observation, StateMachine, StreamPhase};
use super::status::StreamStatus;
use super::worker::StreamWorker;

/// A stream in the pool of threads.
pub(super) struct MonitoredStream {
    pub(super) id: Arc<str>,
    pub(super) status: watch::Sender<StreamStatus>,
    started_at: Instant,
    state: Mutex<StateMachine>,
    inner: Mutex<StreamQueue>,
    /// Notified when a delivery was removed from the queue.
    capacity_freed: Notify,
    /// Locked by the thread that processes the stream.
    worker: Mutex<StreamWorker>,
    /// Ends the task that reads the source.
    stop: Arc<Stop>,
    pub(super) events: mpsc::Sender<Detection>,
}

#[derive(Default)]
struct StreamQueue {
    queue: DeliveryQueue,
    /// The final state, which the last job publishes. `None` until the source has ended, and after the last job was
    /// taken.
    end: Option<StreamPhase>,
    /// True if the stream is in the queue of the pool or being processed.
    scheduled: bool,
    /// True if another worker continues the stream.
    released: bool,
}

/// A request to end a stream.
#[derive(Debug, Default)]
pub(super) struct Stop {
    pub(super) wanted: Notify,
    leave: AtomicBool,
}

impl Stop {
    /// Requests that this process stops following the stream, because another worker continues it.
    pub(super) fn leave(&self) {
        self.leave.store(true, Ordering::SeqCst);
        self.wanted.notify_one();
    }

    /// Returns true if another worker continues the stream.
    pub(super) fn is_handover(&self) -> bool {
        self.leave.load(Ordering::SeqCst)
    }
}

/// A job of a stream, which one thread of the pool executes.
pub(super) enum Job {
    Process(Delivery),
    Finish(StreamPhase),
    /// Ends the stream without more audio and without final events, because another worker continues it.
    Leave(StreamPhase),
}

impl MonitoredStream {
    /// Creates a stream without deliveries.
    pub(super) fn new(
        id: Arc<str>,
        worker: StreamWorker,
        state: StateMachine,
        status: watch::Sender<StreamStatus>,
        events: mpsc::Sender<Detection>,
        stop: Arc<Stop>,
    ) -> Self {
        let (inner, capacity_freed) = (Mutex::default(), Notify::new());
        let (started_at, state, worker) = (Instant::now(), Mutex::new(state), Mutex::new(worker));
        Self { id, status, started_at, state, inner, capacity_freed, worker, events, stop }
    }

    /// Passes an observation to the state machine of the stream. If the state or its reason changes, publishes and logs
    /// it.
    pub(super) fn observe(&self, observation: Observation) {
        let mut machine = lock(&self.state);
        // Read under the lock, so that the time of the machine never decreases.
        let Some(report) = machine.observe(observation, self.started_at.elapsed()) else { return };
        // Published under the lock, so that the last change is published last.
        self.status.send_modify(|status| {
            status.state = report.to.clone();
            status.reason.clone_from(&report.reason);
            status.state_changes = machine.changes();
        });
        state::log(&self.id, &report);
    }

    /// Returns the final state of the stream if its budget is exhausted, otherwise `None`.
    pub(super) fn give_up(&self, budget: &GiveUpBudget) -> Option<StreamPhase> {
        let is_idle = {
            let inner = lock(&self.inner);
            inner.queue.is_empty() && !inner.scheduled
        };
        lock(&self.state).give_up(budget, self.started_at.elapsed(), is_idle)
    }

    /// Returns the time that remains of the budget while the source is opened.
    pub(super) fn remaining(&self, budget: &GiveUpBudget) -> Duration {
        lock(&self.state).limit(budget).saturating_sub(self.started_at.elapsed())
    }

    /// Returns the final state of the stream after its budget was exhausted.
    pub(super) fn exhausted(&self, budget: &GiveUpBudget) -> StreamPhase {
        lock(&self.state).exhausted(budget)
    }

    /// Marks the stream as scheduled if it has a job to do. Returns true if the stream was not scheduled before; the
    /// caller must then add it to the queue of the pool.
    pub(super) fn mark_scheduled(&self) -> bool {
        let mut inner = lock(&self.inner);
        // The queue and `scheduled` are read under one lock: otherwise a delivery that arrives in between is never
        // processed.
        let idle = inner.queue.is_empty() && inner.end.is_none();
        !idle && !std::mem::replace(&mut inner.scheduled, true)
    }

    /// Marks the stream as not scheduled, after each job but the last.
    pub(super) fn clear_scheduled(&self) {
        lock(&self.inner).scheduled = false;
    }

    /// Adds a delivery to the queue. Waits until the queue accepts it.
    pub(super) async fn enqueue(&self, delivery: Delivery, overflow_policy: OverflowPolicy) {
        let mut delivery = delivery;
        loop {
            // The future is created before the queue is checked, so that a removal after the check is noticed.
            let capacity_freed = self.capacity_freed.notified();
            let pushed = lock(&self.inner).queue.push(delivery, overflow_policy);
            match pushed {
                Ok(()) => return,
                Err(back) => delivery = back,
            }
            capacity_freed.await;
        }
    }

    /// Marks the source as ended with the final state `state`. Queued deliveries are still processed.
    pub(super) fn mark_ended(&self, state: StreamPhase) {
        lock(&self.inner).end.get_or_insert(state);
    }

    /// Marks the stream as continued by another worker; `state` is its final state in this process. Queued deliveries
    /// are dropped.
    pub(super) fn mark_released(&self, state: StreamPhase) {
        let mut inner = lock(&self.inner);
        // The queue is dropped: the next worker fetches this media again, and processing it twice would report it
        // twice.
        inner.queue = DeliveryQueue::default();
        inner.released = true;
        inner.end.get_or_insert(state);
    }

    /// Removes and returns the next job; `None` if none exists.
    pub(super) fn next(&self) -> Option<Job> {
        let mut inner = lock(&self.inner);
        if let Some(delivery) = inner.queue.pop() {
            self.capacity_freed.notify_one();
            return Some(Job::Process(delivery));
        }
        let released = inner.released;
        inner.end.take().map(if released { Job::Leave } else { Job::Finish })
    }

    /// Executes a job and returns its events. The whole job uses one snapshot, because the track numbers of its events
    /// must not change meaning. The lock of the worker is released before the stream is ended and before damage is
    /// reported.
    pub(super) fn run(
        &self,
        job: Job,
        index: &dyn SnapshotSource,
        buffers: &mut LiveBuffers,
    ) -> Vec<Detection> {
        let snapshot = index.snapshot();
        let mut worker = lock(&self.worker);
        let mut events = Vec::new();
        let (before, audio_before) = (worker.position(), AudioSeconds::of(worker.report()));
        let media = match &job {
            Job::Process(delivery) => MediaKind::of(delivery),
            Job::Finish(_) | Job::Leave(_) => None,
        };
        let (bytes, end, result) = match job {
            Job::Process(delivery) => {
                let bytes = undecoded(&delivery);
                (bytes, None, worker.process(delivery, &snapshot, buffers, &mut events))
            }
            Job::Finish(state) => (0, Some(state), worker.finish(&snapshot, buffers, &mut events)),
            Job::Leave(state) => {
                worker.leave(&snapshot, &mut events);
                (0, Some(state), Ok(()))
            }
        };
        let is_last = end.is_some();
        let failure = worker.failure().cloned();
        let queued_seconds = {
            let mut inner = lock(&self.inner);
            if bytes > 0 {
                inner.queue.record_rate(bytes, worker.position() - before);
            }
            inner.queue.seconds()
        };
        self.status.send_modify(|status| {
            status.queued_seconds = queued_seconds;
            update_status(status, &worker, result.as_ref().err());
        });
        let decoded = state::decoding_of(worker.report(), audio_before, media);
        drop(worker);
        decoded
            .into_iter()
            .chain(end.map(Observation::End))
            .for_each(|observation| self.observe(observation));
        if let Some(why) = failure.filter(|_| !is_last) {
            tracing::error!(stream = %self.id, reason = %why, "stream cannot be decoded, ending the stream");
            self.end_as_failed(match why {
                DecodeError::Hostile(_) => StreamPhase::DecoderDied(why.to_string()),
                _ => StreamPhase::Failed(why.to_string()),
            });
        }
        if let Err(error) = result {
            tracing::warn!(
                stream = %self.id,
                position_seconds = before,
                %error,
                "search in the index failed; a song at this position can be missed or reported late"
            );
            index.report_damage(&snapshot, &error);
        }
        events
    }

    /// Ends the stream with the failure `state`. Queued deliveries are dropped. The last job still emits the final
    /// events of the open airings.
    fn end_as_failed(&self, state: StreamPhase) {
        let mut inner = lock(&self.inner);
        inner.queue = DeliveryQueue::default();
        inner.end.get_or_insert(state);
        self.stop.wanted.notify_one();
    }

    /// Ends the stream after a job panicked. Its open airings get no final events.
    pub(super) fn fail_after_panic(&self) {
        tracing::error!(
            stream = %self.id,
            "the job that decodes and searches the stream panicked, a bug in refrain; ending the stream, without \
             final events of its open airings; please report this with the log"
        );
        let why = "the job that decodes and searches the stream panicked, a bug in refrain; please report it with \
                   the log";
        let why = why.to_owned();
        self.observe(Observation::End(StreamPhase::Failed(why)));
        let mut inner = lock(&self.inner);
        inner.queue = DeliveryQueue::default();
        inner.end = None;
        // The source is stopped, because it still fetches media that nothing processes.
        self.stop.wanted.notify_one();
    }
}

/// Copies data of the worker to the status: its counters, and the error of its last job. `error` is `None` after a
/// successful job.
fn update_status(status: &mut StreamStatus, worker: &StreamWorker, error: Option<&IndexError>) {
    let position = worker.position();
    status.decoder.clone_from(worker.report());
    status.position = position;
    status.processed_until = worker.clock().epoch(position).zip(worker.clock().source());
    status.clock_anchor = worker.clock_anchor();
    status.airings = worker.airings();
    status.unknown_since = worker.unknown_since();
    status.health = worker.health();
    status.times = worker.times();
    if let Some(error) = error {
        status.index_errors += 1;
        status.last_index_error = Some(error.to_string());
    }
}

/// Returns the size in bytes of a delivery with encoded audio of unknown duration, otherwise 0.
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
