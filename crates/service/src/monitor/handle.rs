//! The monitor as others see it: streams are started, looked at, stopped.

use std::sync::Arc;
use std::thread;

use refrain_core::matching::live::LiveSettings;
use refrain_stream::EarSettings;
use refrain_stream::http::{ClientError, HttpClient, HttpSettings};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::event::{OpenAiring, StreamEvent};
use super::follow::follow;
use super::pool::{Index, Pool};
use super::source::{SourceSettings, StreamSpec};
use super::status::StreamStatus;
use super::stream::{Stop, Stream};
use super::worker::StreamWorker;

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
    runtime: Handle,
    settings: Arc<MonitorSettings>,
    client: HttpClient,
}

/// A stream that is being followed. It goes on when this is dropped.
#[derive(Debug, Clone)]
pub struct StreamHandle {
    status: watch::Receiver<StreamStatus>,
    stop: Arc<Stop>,
}

impl Monitor {
    /// A monitor on the current tokio runtime, which serves its network.
    ///
    /// # Errors
    /// [`MonitorError`] if the system refuses threads or TLS.
    pub fn new(index: impl Index, settings: MonitorSettings) -> Result<Self, MonitorError> {
        let client = HttpClient::new(settings.http.clone())?;
        let cores = || thread::available_parallelism().map_or(1, Into::into);
        let threads = settings.threads.unwrap_or_else(cores);
        let runtime = Handle::current();
        let pool = Pool::start(Box::new(index), threads, runtime.clone()).map_err(MonitorError::Thread)?;
        Ok(Self { pool, runtime, settings: Arc::new(settings), client })
    }

    /// How it follows streams.
    #[must_use]
    pub fn settings(&self) -> &MonitorSettings {
        &self.settings
    }

    /// Begins to follow a stream. What happens in it is sent to `events`; while that is full the stream is not worked on.
    pub fn start(&self, spec: StreamSpec, events: mpsc::Sender<StreamEvent>) -> StreamHandle {
        self.resume(spec, Vec::new(), events)
    }

    /// Goes on with a stream that somebody else had followed, whose `airings` were going on. Those that are heard again go
    /// on without another start; the others get their final event within 12 s of sound.
    pub fn resume(
        &self,
        spec: StreamSpec,
        airings: Vec<OpenAiring>,
        events: mpsc::Sender<StreamEvent>,
    ) -> StreamHandle {
        let (status, watched) = watch::channel(StreamStatus::default());
        let id: Arc<str> = spec.id.into();
        let worker =
            StreamWorker::new(Arc::clone(&id), self.settings.ear.clone(), self.settings.live.clone());
        let worker = worker.resuming(airings).continuing_clock(spec.clock_anchor);
        let mut source = self.settings.source.clone();
        source.hls.start = spec.start;
        let stop = Arc::new(Stop::default());
        let stream = Arc::new(Stream::new(id, worker, status, events, Arc::clone(&stop)));
        let following = follow(
            Arc::clone(&self.pool),
            stream,
            spec.input,
            self.client.clone(),
            source,
            Arc::clone(&stop),
        );
        self.runtime.spawn(following);
        StreamHandle { status: watched, stop }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.pool.close();
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
        self.stop.wanted.notify_one();
    }

    /// Leaves the stream to somebody else: what waits is not worked on any more, airings that go on are told of once more as
    /// updates and get no final events.
    pub fn leave(&self) {
        self.stop.leave();
    }

    /// Waits until the stream is over and its last event sent, and gives its last status.
    pub async fn ended(&self) -> StreamStatus {
        let mut status = self.status.clone();
        // It fails where the stream is gone, which is no less over.
        match status.wait_for(|status| status.is_over).await {
            Ok(last) => last.clone(),
            Err(_) => self.status.borrow().clone(),
        }
    }
}
