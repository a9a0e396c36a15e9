//! A whole process: its parts by role, in the order in which they start and end.
//!
//! ```text
//! HTTP ─► catalog (retried) ─► index ─► outbox, streams, files ─► intake
//! stop:   intake ─► streams released ─► files finished or released ─► outbox flushed ─► HTTP
//! ```

mod health;
mod index;
mod open;
mod parts;
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

use crate::instance::Instance;
use crate::measure::Measures;
use crate::outside::Outside;
use crate::settings::ServiceSettings;
use refrain_monitor::MonitorError;

pub use health::Health;
use parts::Parts;
use stages::{Stage, Stages};
pub use view::{HttpServer, ServiceView};
use watch::Watch;

/// Folder of the lock files of processes, next to the files of the index.
const INSTANCES: &str = "instances";

/// Opens the catalog. It is called again while the server of the catalog is unavailable.
pub type Open = Box<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Arc<dyn Catalog>, CatalogError>> + Send>> + Send + Sync,
>;

/// Receives lines for standard error that are not log lines.
pub type Lines = Arc<dyn Fn(&str) + Send + Sync>;

/// Everything that a process is created from.
pub struct Plan {
    /// Validated settings.
    pub settings: ServiceSettings,
    /// Queues, buckets, topics and channels.
    pub outside: Outside,
    /// Opens the catalog.
    pub open: Open,
    /// Path prefix of the files of the index.
    pub index_prefix: PathBuf,
    /// Receiver of the metrics for CloudWatch.
    pub lines: Lines,
}

/// How a process ended after it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
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
    /// The catalog cannot be used, and a retry would not help.
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
    /// A part has invalid settings.
    #[error("{0}")]
    Settings(String),
    /// A part ended although it was not stopped.
    #[error("the part {0} ended unexpectedly, a bug in refrain; please report it with the log")]
    PartEnded(&'static str),
}

/// Runs a process until `stop` is cancelled, then shuts it down. `http` serves the HTTP endpoints, if the settings contain an
/// address for them.
///
/// # Errors
/// [`ServeError`] if the process cannot start, or if only a restart helps.
pub async fn serve(plan: Plan, http: HttpServer, stop: CancellationToken) -> Result<Ended, ServeError> {
    parts::check(&plan.settings, &plan.outside)?;
    let shared = Shared::new(&plan);
    let answering = CancellationToken::new();
    let server = match plan.settings.http.listen {
        Some(address) => {
            let listener = listen(address).await?;
            Some(tokio::spawn(http(shared.view(), listener, answering.clone())))
        }
        None => None,
    };
    let drain = plan.settings.drain;
    let worked = work(plan, &shared, &stop).await;
    answering.cancel();
    if let Some(server) = server {
        // Connections that stay open without a request are closed after this time.
        let _ = tokio::time::timeout(stages::LAST_ANSWERS.min(drain), server).await;
    }
    worked
}

/// State that the HTTP side and the parts share.
struct Shared {
    health: Arc<Health>,
    measures: Arc<Measures>,
    watch: Arc<Watch>,
    catalog: Arc<OnceLock<Arc<dyn Catalog>>>,
}

impl Shared {
    fn new(plan: &Plan) -> Self {
        let (health, measures) = (Arc::<Health>::default(), Arc::<Measures>::default());
        let capacity = if plan.settings.roles.monitor { plan.settings.streams.capacity } else { 0 };
        let sinks = plan.settings.outbox.sinks.iter().map(|sink| sink.name.clone()).collect();
        let watch = Arc::new(Watch::new(Arc::clone(&health), Arc::clone(&measures), capacity, sinks));
        Self { health, measures, watch, catalog: Arc::default() }
    }

    fn view(&self) -> ServiceView {
        let (reading, statuses) = (Arc::clone(&self.watch), Arc::clone(&self.watch));
        ServiceView {
            health: Arc::clone(&self.health),
            reading: Arc::new(move || reading.reading()),
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

/// Runs everything except the HTTP side.
async fn work(plan: Plan, shared: &Shared, stop: &CancellationToken) -> Result<Ended, ServeError> {
    let Some(catalog) = open::catalogue(&plan.open, &shared.health, stop).await? else {
        return Ok(Ended::InTime);
    };
    let _ = shared.catalog.set(Arc::clone(&catalog));
    let Some(index) =
        index::follow(&catalog, &plan.index_prefix, &shared.health, &shared.measures, stop).await?
    else {
        close(&*catalog).await;
        return Ok(Ended::InTime);
    };
    let drain = plan.settings.drain;
    let instance = Arc::new(instance(&plan));
    let mut stages = Parts { plan, shared, catalog: Arc::clone(&catalog), index, instance }.begin()?;
    shared.health.intake(None);
    tracing::info!("ready");
    let died = tokio::select! {
        () = stop.cancelled() => None,
        name = stages.died() => Some(name),
    };
    shared.health.drains();
    shared.health.intake(Some("stopped".to_owned()));
    tracing::info!(seconds = drain.as_secs(), "shutting down");
    let ended = stages.end(Instant::now() + drain).await;
    close(&*catalog).await;
    match died {
        Some(name) => Err(ServeError::PartEnded(name)),
        None => Ok(ended),
    }
}

/// Returns the identity of this process as an owner of leases. It finds its predecessors next to the files of the index if this
/// folder is writable.
fn instance(plan: &Plan) -> Instance {
    let name = &plan.settings.name;
    let Some(folder) = plan.index_prefix.parent() else { return Instance::new(name) };
    Instance::in_folder(name, &folder.join(INSTANCES)).unwrap_or_else(|error| {
        tracing::warn!(folder = %folder.display(), %error, "cannot create the lock file of this process, leases of killed processes are not expired early");
        Instance::new(name)
    })
}

/// Closes the catalog. Data that was written is safe in any case.
async fn close(catalog: &dyn Catalog) {
    match tokio::time::timeout(stages::LAST_ANSWERS, catalog.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "cannot close the catalog"),
        Err(_) => tracing::warn!("catalog not closed in time"),
    }
}
