//! The public interface of the monitor: starts streams, reports their state, stops them.

use std::sync::Arc;
use std::thread;

use refrain_catalog::Detection;
use refrain_core::audio::health::HealthThresholds;
use refrain_core::matching::live::LiveSettings;
use refrain_net::{ClientError, HttpClient, HttpSettings};
use refrain_stream::DecoderSettings;
use refrain_stream::hls::Start;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::follow::follow;
use super::health::{AlertQueue, HealthMonitor};
use super::pool::WorkerPool;
use super::snapshot_source::SnapshotSource;
use super::source::{SourceSettings, StreamSpec};
use super::state::StateMachine;
use super::status::StreamStatus;
use super::stream::{MonitoredStream, Stop};
use super::worker::StreamWorker;

/// Settings of the monitor.
#[derive(Debug, Clone, Default)]
pub struct MonitorSettings {
    /// Number of threads that process audio, at least one. `None` means one thread per core.
    pub threads: Option<usize>,
    /// Settings of the search.
    pub live: LiveSettings,
    /// Settings of the decoder.
    pub decoder: DecoderSettings,
    /// Settings of the sources.
    pub source: SourceSettings,
    /// Settings of the HTTP client.
    pub http: HttpSettings,
    /// Thresholds of the alerts about the audio.
    pub health: HealthThresholds,
}

/// Error of [`Monitor::new`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The threads cannot be started.
    #[error("cannot start the threads of the monitor: {0}")]
    Thread(std::io::Error),
}

/// Follows streams. Stop all streams before the monitor is dropped: after that, queued media is not processed, and open
/// airings get no final events.
pub struct Monitor {
    pool: Arc<WorkerPool>,
    runtime: Handle,
    settings: Arc<MonitorSettings>,
    client: HttpClient,
}

/// A handle to a stream that the monitor follows. Dropping it does not stop the stream.
#[derive(Debug, Clone)]
pub struct StreamHandle {
    status: watch::Receiver<StreamStatus>,
    stop: Arc<Stop>,
    alerts: AlertQueue,
}

impl Monitor {
    /// Creates a monitor that searches `index`. Its network requests run on the current tokio runtime.
    ///
    /// # Errors
    /// [`MonitorError`] if the HTTP client or the threads cannot be created.
    pub fn new(index: impl SnapshotSource, settings: MonitorSettings) -> Result<Self, MonitorError> {
        let client = HttpClient::new(settings.http.clone())?;
        let cores = || thread::available_parallelism().map_or(1, Into::into);
        let threads = settings.threads.unwrap_or_else(cores);
        let runtime = Handle::current();
        let pool =
            WorkerPool::start(Box::new(index), threads, runtime.clone()).map_err(MonitorError::Thread)?;
        Ok(Self { pool, runtime, settings: Arc::new(settings), client })
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &MonitorSettings {
        &self.settings
    }

    /// Starts following the stream `spec`. Its events are sent to `events`; while that channel is full, the stream is
    /// not processed.
    pub fn start(&self, spec: StreamSpec, events: mpsc::Sender<Detection>) -> StreamHandle {
        self.resume(spec, Vec::new(), events)
    }

    /// Continues a stream that another worker followed before. `airings` are the airings that were open then. An airing
    /// that is found again continues without another start event; each other one gets its final event within 12 s of
    /// audio. `events` is the same as for [`Self::start`].
    pub fn resume(
        &self,
        spec: StreamSpec,
        airings: Vec<Detection>,
        events: mpsc::Sender<Detection>,
    ) -> StreamHandle {
        let (status, watched) = watch::channel(StreamStatus::default());
        let id: Arc<str> = spec.id.into();
        let worker =
            StreamWorker::new(Arc::clone(&id), self.settings.decoder.clone(), self.settings.live.clone());
        let worker = worker
            .with_airings(airings)
            .with_clock(spec.clock_anchor)
            .with_track(spec.preferences.track.clone());
        let alerts = AlertQueue::default();
        let thresholds = spec.health.unwrap_or_else(|| self.settings.health.clone());
        // If the measurement is off, alerts that an earlier worker left open must still end.
        let is_measured = thresholds.enabled || !spec.alerts.open.is_empty();
        let health = is_measured.then(|| HealthMonitor::new(thresholds, spec.alerts, alerts.clone()));
        let worker = worker.with_health(health);
        let mut source = self.settings.source.clone();
        source.hls.start = spec.start;
        source.apply_budget();
        source.hls.access = spec.input.access(&spec.headers);
        spec.preferences.apply(&mut source);
        // Shared by handle, stream and task: each of them can end the stream.
        let stop = Arc::new(Stop::default());
        // Only a stream that was followed before begins elsewhere than at the live edge.
        let state = StateMachine::new(spec.start != Start::LiveEdge);
        let stream = Arc::new(MonitoredStream::new(id, worker, state, status, events, Arc::clone(&stop)));
        let following = follow(
            Arc::clone(&self.pool),
            stream,
            spec.input,
            self.client.clone(),
            source,
            Arc::clone(&stop),
        );
        self.runtime.spawn(following);
        StreamHandle { status: watched, stop, alerts }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl StreamHandle {
    /// Returns a receiver of the state and the counters of the stream, which is notified of each change.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<StreamStatus> {
        self.status.clone()
    }

    /// Returns the queue of the alerts about the audio. The status changes after each alert was added.
    #[must_use]
    pub fn alerts(&self) -> AlertQueue {
        self.alerts.clone()
    }

    /// Stops the stream and returns immediately. Queued media is still processed; then the open airings get their final
    /// events.
    pub fn stop(&self) {
        self.stop.wanted.notify_one();
    }

    /// Stops the stream because another worker continues it, and returns immediately. Queued media is not processed.
    /// Open airings get one more update and no final event.
    pub fn leave(&self) {
        self.stop.leave();
    }

    /// Waits until the stream has ended and its last event was sent. Returns its last status.
    pub async fn ended(&self) -> StreamStatus {
        let mut status = self.status.clone();
        // An error means that the stream was dropped, so it has ended too.
        match status.wait_for(|status| status.is_over).await {
            Ok(last) => last.clone(),
            Err(_) => self.status.borrow().clone(),
        }
    }
}
