//! Threads that work on all streams in turn.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::live::{LiveBuffers, LiveSettings};
use refrain_stream::http::{ClientError, HttpClient, HttpSettings};
use refrain_stream::{Delivery, EarSettings};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};

use super::event::StreamEvent;
use super::follow::follow;
use super::queue::{Full, Queue};
use super::source::{SourceSettings, StreamSpec};
use super::status::{StreamState, StreamStatus};
use super::worker::StreamWorker;

/// The index that streams are searched in.
pub trait Index: Send + Sync + 'static {
    /// What can be searched now.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// A search found this snapshot damaged. Called on a worker's thread, so it must not wait.
    fn is_damaged(&self, snapshot: &Arc<Snapshot>, error: &IndexError) {
        let _ = (snapshot, error);
    }
}

impl<F: Fn() -> Arc<Snapshot> + Send + Sync + 'static> Index for F {
    fn snapshot(&self) -> Arc<Snapshot> {
        self()
    }
}

/// How streams are followed.
#[derive(Debug, Clone, Default)]
pub struct MonitorSettings {
    /// Threads that work on sound. Default: one per core.
    pub threads: Option<usize>,
    /// How streams are searched.
    pub live: LiveSettings,
    /// How they are heard.
    pub ear: EarSettings,
    /// How they are fetched.
    pub source: SourceSettings,
    /// Limits of HTTP.
    pub http: HttpSettings,
}

/// Streams cannot be followed at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No threads.
    #[error("no thread to work on streams with: {0}")]
    Thread(std::io::Error),
}

/// Follows streams. When it is dropped, nothing is worked on any more: stop the streams first.
pub struct Monitor {
    pool: Arc<Pool>,
    settings: Arc<MonitorSettings>,
    client: HttpClient,
}

/// A stream that is being followed. It goes on when this is dropped.
#[derive(Debug, Clone)]
pub struct StreamHandle {
    status: watch::Receiver<StreamStatus>,
    stop: Arc<Notify>,
}

/// What threads and streams share.
pub(super) struct Pool {
    index: Box<dyn Index>,
    ready: Mutex<Ready>,
    wake: Condvar,
    runtime: Handle,
}

#[derive(Default)]
struct Ready {
    streams: VecDeque<Arc<Stream>>,
    closed: bool,
}

/// A stream as threads see it.
pub(super) struct Stream {
    pub(super) id: Arc<str>,
    pub(super) status: watch::Sender<StreamStatus>,
    inner: Mutex<Inner>,
    /// There is room in the queue.
    room: Notify,
    /// Held by the one thread that works on it.
    worker: Mutex<StreamWorker>,
    events: mpsc::Sender<StreamEvent>,
}

#[derive(Default)]
struct Inner {
    queue: Queue,
    /// How it ended, once nothing more comes.
    end: Option<StreamState>,
    /// Whether it is in line or being worked on.
    scheduled: bool,
}

/// What a thread does for a stream.
enum Job {
    Hear(Delivery),
    Finish(StreamState),
}

impl Monitor {
    /// A monitor on the current tokio runtime, which serves its network.
    ///
    /// # Errors
    /// [`MonitorError`] if the system refuses threads or TLS.
    pub fn new(index: impl Index, settings: MonitorSettings) -> Result<Self, MonitorError> {
        let client = HttpClient::new(settings.http.clone())?;
        let (ready, wake) = (Mutex::default(), Condvar::new());
        let pool = Arc::new(Pool { index: Box::new(index), ready, wake, runtime: Handle::current() });
        let threads = settings.threads.or_else(|| thread::available_parallelism().ok().map(Into::into));
        for number in 0..threads.unwrap_or(1).max(1) {
            let pool = Arc::clone(&pool);
            let builder = thread::Builder::new().name(format!("stream-{number}"));
            builder.spawn(move || pool.work()).map_err(MonitorError::Thread)?;
        }
        Ok(Self { pool, settings: Arc::new(settings), client })
    }

    /// Begins to follow a stream. What happens in it is sent to `events`; while that is full the stream is not worked on.
    pub fn start(&self, spec: StreamSpec, events: mpsc::Sender<StreamEvent>) -> StreamHandle {
        let (status, watched) = watch::channel(StreamStatus::default());
        let id: Arc<str> = spec.id.into();
        let (ear, live) = (self.settings.ear.clone(), self.settings.live.clone());
        let worker = Mutex::new(StreamWorker::new(Arc::clone(&id), ear, live));
        let (inner, room) = (Mutex::default(), Notify::new());
        let stream = Arc::new(Stream { id, status, inner, room, worker, events });
        let stop = Arc::new(Notify::new());
        let following = follow(
            Arc::clone(&self.pool),
            stream,
            spec.input,
            self.client.clone(),
            self.settings.source.clone(),
            Arc::clone(&stop),
        );
        self.pool.runtime.spawn(following);
        StreamHandle { status: watched, stop }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        lock(&self.pool.ready).closed = true;
        self.pool.wake.notify_all();
    }
}

impl StreamHandle {
    /// State and counters, now and whenever they change.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<StreamStatus> {
        self.status.clone()
    }

    /// Ends the stream: what has come of it is still worked on, then airings get their final events.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until the stream is over and its last event sent, and gives its last status.
    pub async fn ended(&self) -> StreamStatus {
        let mut status = self.status.clone();
        // It fails where the stream is gone, which is no less over.
        let _ = status.wait_for(|status| status.is_over).await;
        let last = status.borrow().clone();
        last
    }
}

impl Stream {
    /// Adds a delivery, as soon as there is room where the source can wait.
    pub(super) async fn push(self: &Arc<Self>, pool: &Arc<Pool>, delivery: Delivery, full: Full) {
        let mut delivery = delivery;
        loop {
            // Asked before looking, so that room made in between is noticed.
            let room = self.room.notified();
            let pushed = lock(&self.inner).queue.push(delivery, full);
            match pushed {
                Ok(()) => return pool.schedule(self),
                Err(back) => delivery = back,
            }
            room.await;
        }
    }

    /// Nothing more comes.
    pub(super) fn end(self: &Arc<Self>, pool: &Arc<Pool>, state: StreamState) {
        lock(&self.inner).end.get_or_insert(state);
        pool.schedule(self);
    }

    fn next(&self) -> Option<Job> {
        let mut inner = lock(&self.inner);
        if let Some(delivery) = inner.queue.pop() {
            return Some(Job::Hear(delivery));
        }
        inner.end.take().map(Job::Finish)
    }

    /// Works on one thing.
    fn run(&self, job: Job, pool: &Pool, buffers: &mut LiveBuffers) -> Vec<StreamEvent> {
        let snapshot = pool.index.snapshot();
        let mut worker = lock(&self.worker);
        let mut events = Vec::new();
        let before = worker.position();
        let (bytes, end, heard) = match job {
            Job::Hear(delivery) => {
                let bytes = if let Delivery::Bytes(bytes) = &delivery { bytes.len() } else { 0 };
                (bytes, None, worker.hear(delivery, &snapshot, buffers, &mut events))
            }
            Job::Finish(state) => (0, Some(state), worker.finish(&snapshot, buffers, &mut events)),
        };
        let position = worker.position();
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
        if let Err(error) = heard {
            tracing::warn!(stream = %self.id, %error, "a search failed");
            pool.index.is_damaged(&snapshot, &error);
        }
        events
    }

    /// The work on it panicked: it is over.
    fn broke(&self) {
        tracing::error!(stream = %self.id, "internal error; the stream is given up");
        let why = "internal error, a bug in refrain; please report it".to_owned();
        self.status.send_modify(|status| status.state = StreamState::Failed(why));
        let mut inner = lock(&self.inner);
        inner.queue = Queue::default();
        inner.end = None;
    }
}

impl Pool {
    /// Puts a stream in line that has something to be worked on, unless it is there already.
    pub(super) fn schedule(&self, stream: &Arc<Stream>) {
        let mut inner = lock(&stream.inner);
        let idle = inner.queue.is_empty() && inner.end.is_none();
        if inner.scheduled || idle {
            return;
        }
        inner.scheduled = true;
        drop(inner);
        lock(&self.ready).streams.push_back(Arc::clone(stream));
        self.wake.notify_one();
    }

    /// Works on streams, a delivery of each in turn, until the pool is closed.
    fn work(self: &Arc<Self>) {
        let mut buffers = LiveBuffers::default();
        while let Some(stream) = self.next() {
            let Some(job) = stream.next() else {
                self.done(&stream, false);
                continue;
            };
            stream.room.notify_one();
            let is_last = matches!(job, Job::Finish(_));
            let Ok(events) = catch_unwind(AssertUnwindSafe(|| stream.run(job, self, &mut buffers))) else {
                buffers = LiveBuffers::default();
                stream.broke();
                self.done(&stream, true);
                continue;
            };
            self.deliver(&stream, events, is_last);
        }
    }

    fn next(&self) -> Option<Arc<Stream>> {
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

    /// Sends events; where that has to wait, a task does it, and the stream is worked on when that is done.
    fn deliver(self: &Arc<Self>, stream: &Arc<Stream>, events: Vec<StreamEvent>, is_last: bool) {
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
                // Nobody listens any more: then nobody misses it.
                let _ = stream.events.send(event).await;
            }
            pool.done(&stream, is_last);
        });
    }

    /// A stream may be put in line again, or is over.
    fn done(&self, stream: &Arc<Stream>, is_last: bool) {
        if is_last {
            stream.status.send_modify(|status| status.is_over = true);
            return;
        }
        lock(&stream.inner).scheduled = false;
        self.schedule(stream);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
