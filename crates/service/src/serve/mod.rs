//! A whole process: its parts by role, in the order in which they start and end. A part is a component that runs as a
//! separate task, for example the dispatcher of the outbox or a queue consumer.
//!
//! ```text
//! HTTP ─► catalog (retried) ─► index ─► outbox, streams, files ─► queue consumers
//! stop:   queue consumers ─► streams released ─► files finished or released ─► outbox flushed ─► HTTP
//! ```

mod health;
mod index;
mod open;
mod parts;
mod reload;
mod stages;
mod view;
mod watch;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use refrain_catalog::{Catalog, CatalogError};
use refrain_index_sync::SyncError;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cloud::CloudServices;
use crate::counters::Counters;
use crate::instance::Instance;
use crate::settings::{ReloadableSettings, ServiceSettings};
use refrain_monitor::MonitorError;

pub use health::ProcessHealth;
use parts::ProcessParts;
use stages::{ShutdownStage, Stages};
pub use view::{HttpServer, ServiceView};
use watch::Watch;

/// Folder of the lock files of processes, next to the files of the index.
const INSTANCES: &str = "instances";

/// Function that opens the catalog. It is called repeatedly until the server of the catalog is available.
pub type CatalogOpener = Box<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Arc<dyn Catalog>, CatalogError>> + Send>> + Send + Sync,
>;

/// Receives lines for standard error that are not log lines: the metrics for CloudWatch.
pub type StderrLines = Arc<dyn Fn(&str) + Send + Sync>;

/// The settings, clients and functions from which a process is created.
pub struct ProcessPlan {
    /// Validated settings.
    pub settings: ServiceSettings,
    /// The settings that can change while the process runs. Each value replaces the earlier one.
    pub reloaded: tokio::sync::watch::Receiver<ReloadableSettings>,
    /// Queues, buckets, topics and channels.
    pub cloud: CloudServices,
    /// Function that opens the catalog.
    pub open: CatalogOpener,
    /// Path prefix of the files of the index.
    pub index_prefix: PathBuf,
    /// Receiver of the lines with the metrics for CloudWatch.
    pub lines: StderrLines,
}

/// Outcome of the shutdown of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownOutcome {
    /// All parts ended in time.
    InTime,
    /// A part did not end in time and was aborted. Other processes repeat its work.
    Late,
}

/// The reason why a process cannot start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A role or a sink lacks a resource that it needs.
    #[error("{0}")]
    Needs(String),
    /// The process cannot listen on the address.
    #[error("cannot listen at {address} ({source}); choose another one with http.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The catalog cannot be used, and a retry would fail too.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The index cannot be built.
    #[error(transparent)]
    Index(#[from] SyncError),
    /// The folder of the index cannot be created.
    #[error("cannot create the folder {} of the index cache: {source}; choose another one with cache_dir", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The monitor of streams cannot be created.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The threads that process files cannot be started.
    #[error("cannot start the threads that process files: {0}")]
    Threads(std::io::Error),
    /// A part of the service cannot be created with its settings; the text has the part and the reason.
    #[error("{0}")]
    Settings(String),
    /// A part ended although it was not stopped.
    #[error("the part {0} ended unexpectedly, a bug in refrain; please report it with the log")]
    PartEnded(&'static str),
}

/// Runs a process until `stop` is cancelled, then shuts it down. `http` serves the HTTP endpoints, if the settings
/// contain an address for them.
///
/// # Errors
/// [`ServeError`] if the process cannot start, or cannot continue without a restart.
pub async fn serve(
    plan: ProcessPlan,
    http: HttpServer,
    stop: CancellationToken,
) -> Result<ShutdownOutcome, ServeError> {
    // The settings are checked before the address is bound, so that a wrong configuration never passes a health check.
    parts::check(&plan.settings, &plan.cloud)?;
    let shared = ProcessContext::new(&plan);
    let http_stop = CancellationToken::new();
    let server = match plan.settings.http.listen {
        Some(address) => {
            let listener = listen(address).await?;
            // The HTTP server starts before the catalog is open: `/healthz` has to answer while the database is
            // unavailable, or the platform kills the process.
            Some(tokio::spawn(http(shared.view(), listener, http_stop.clone())))
        }
        None => None,
    };
    let drain = plan.settings.drain;
    let outcome = run_parts(plan, &shared, &stop).await;
    // HTTP ends last: load balancers read from `/readyz` that the process is draining, and requests that arrive during
    // the shutdown are answered.
    http_stop.cancel();
    if let Some(server) = server {
        // Connections that are still open after this time are closed.
        let _ = tokio::time::timeout(stages::FINAL_RESPONSES_TIMEOUT.min(drain), server).await;
    }
    outcome
}

/// State that the HTTP server and the parts share.
struct ProcessContext {
    health: Arc<ProcessHealth>,
    counters: Arc<Counters>,
    watch: Arc<Watch>,
    catalog: Arc<OnceLock<Arc<dyn Catalog>>>,
}

impl ProcessContext {
    fn new(plan: &ProcessPlan) -> Self {
        let (health, counters) = (Arc::<ProcessHealth>::default(), Arc::<Counters>::default());
        let capacity = if plan.settings.roles.monitor { plan.settings.streams.capacity } else { 0 };
        let sinks = plan.settings.outbox.sinks.iter().map(|sink| sink.name.clone()).collect();
        let watch = Arc::new(Watch::new(Arc::clone(&health), Arc::clone(&counters), capacity, sinks));
        Self { health, counters, watch, catalog: Arc::default() }
    }

    fn view(&self) -> ServiceView {
        let (metrics_snapshot, statuses) = (Arc::clone(&self.watch), Arc::clone(&self.watch));
        ServiceView {
            health: Arc::clone(&self.health),
            metrics_snapshot: Arc::new(move || metrics_snapshot.metrics_snapshot()),
            statuses: Arc::new(move || statuses.streams()),
            catalog: Arc::clone(&self.catalog),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(address = %listener.local_addr().map_err(failed)?, "HTTP server listening");
    Ok(listener)
}

/// Runs all parts, without the HTTP server, until `stop` is cancelled, and then ends them.
async fn run_parts(
    plan: ProcessPlan,
    shared: &ProcessContext,
    stop: &CancellationToken,
) -> Result<ShutdownOutcome, ServeError> {
    let Some(catalog) = open::open_catalog(&plan.open, &shared.health, stop).await? else {
        return Ok(ShutdownOutcome::InTime);
    };
    // The catalog is set before the index is built: the API only needs the catalog, and building can take minutes.
    let _ = shared.catalog.set(Arc::clone(&catalog));
    let Some(index) =
        index::follow(&catalog, &plan.index_prefix, &shared.health, &shared.counters, stop).await?
    else {
        close(&*catalog).await;
        return Ok(ShutdownOutcome::InTime);
    };
    let drain = plan.settings.drain;
    let instance = Arc::new(instance(&plan));
    let followed = index.clone();
    let mut stages = ProcessParts { plan, shared, catalog: Arc::clone(&catalog), index, instance }.start()?;
    shared.health.queue_consumers(None);
    tracing::info!("service ready");
    let unexpected_end = tokio::select! {
        () = stop.cancelled() => None,
        name = stages.unexpected_end() => Some(name),
    };
    shared.health.set_draining();
    // The state is reported before the first part ends, so that no load balancer sends requests to this process while
    // its parts end.
    shared.health.queue_consumers(Some("stopped".to_owned()));
    tracing::info!(
        max_seconds = drain.as_secs(),
        "service shutting down, finishing its work within this time"
    );
    let ended = stages.end(Instant::now() + drain).await;
    // Threads of the monitor can hold the index for longer than the catalog is open, and reading the changes of a closed
    // catalog fails with a warning.
    followed.stop();
    close(&*catalog).await;
    match unexpected_end {
        Some(name) => Err(ServeError::PartEnded(name)),
        None => Ok(ended),
    }
}

/// Returns the identity of this process as an owner of leases, with a lock file next to the files of the index. If this
/// folder is not writable, the identity has no lock file.
fn instance(plan: &ProcessPlan) -> Instance {
    let name = &plan.settings.name;
    let Some(folder) = plan.index_prefix.parent() else { return Instance::new(name) };
    Instance::in_folder(name, &folder.join(INSTANCES)).unwrap_or_else(|error| {
        tracing::warn!(
            folder = %folder.display(),
            %error,
            "cannot create the lock file of this process; streams of a killed process on this machine are taken over \
             only after its leases expire"
        );
        Instance::new(name)
    })
}

/// Closes the catalog. If that fails, no data is lost, because each write is a complete transaction.
async fn close(catalog: &dyn Catalog) {
    match tokio::time::timeout(stages::FINAL_RESPONSES_TIMEOUT, catalog.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot close the catalog, exiting without closing it; no data is lost");
        }
        Err(_) => tracing::warn!(
            seconds = stages::FINAL_RESPONSES_TIMEOUT.as_secs(),
            "catalog not closed within this time, exiting without closing it; no data is lost"
        ),
    }
}
