//! A whole process: parts by role, in the order in which they begin and end.
//!
//! ```text
//! HTTP ─► catalogue (waited for) ─► index ─► outbox, streams, files ─► intake
//! stop:   intake ─► streams handed back ─► files finished or given back ─► outbox flushed ─► HTTP
//! ```

mod health;
mod index;
mod open;
mod parts;
mod stages;
mod watch;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use refrain_catalog::{Catalog, CatalogError, LibraryError};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::{self, Access, Http};
use crate::instance::Instance;
use crate::measure::Measures;
use crate::monitor::MonitorError;
use crate::outside::Outside;
use crate::settings::ServiceSettings;

pub use health::Health;
use parts::Parts;
use stages::{Stage, Stages};
use watch::Watch;

/// Folder for the files of processes, beside those of the index.
const INSTANCES: &str = "instances";

/// Opens the catalogue; asked again while its server is away.
pub type Open = Box<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Arc<dyn Catalog>, CatalogError>> + Send>> + Send + Sync,
>;

/// Takes lines for standard error that are no log lines.
pub type Lines = Arc<dyn Fn(&str) + Send + Sync>;

/// What a process is made of.
pub struct Plan {
    /// Settings, checked.
    pub settings: ServiceSettings,
    /// Queues, buckets and so on.
    pub outside: Outside,
    /// The catalogue.
    pub open: Open,
    /// Where the files of the index are: each begins with this.
    pub index_prefix: PathBuf,
    /// Where metrics for CloudWatch go.
    pub lines: Lines,
}

/// How a process ended that was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// In good order.
    InTime,
    /// Something took too long and was given up; what it was at is begun again by others.
    Late,
}

/// Why a process cannot start, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A role lacks what it works on.
    #[error("{0}")]
    Needs(String),
    /// The address cannot be listened at.
    #[error("cannot listen at {address} ({source}); choose another one with http.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The catalogue cannot be used, and waiting does not help.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The index cannot be built.
    #[error(transparent)]
    Index(#[from] LibraryError),
    /// The index has no folder.
    #[error("cannot make the index cache's folder {}: {source}; choose another one with cache_dir", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Streams cannot be followed.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The system refuses threads.
    #[error("no thread to work on files with: {0}")]
    Threads(std::io::Error),
    /// A part has settings that are none.
    #[error("{0}")]
    Settings(String),
    /// A part ended by itself.
    #[error("the part {0} ended by itself, a bug in refrain; please report it with the log")]
    PartEnded(&'static str),
}

/// Runs a process until `stop` is cancelled, and ends it in good order.
///
/// # Errors
/// [`ServeError`] where it cannot start, or only another process can go on.
pub async fn serve(plan: Plan, stop: CancellationToken) -> Result<Ended, ServeError> {
    parts::check(&plan.settings, &plan.outside)?;
    let shared = Shared::new(&plan);
    let answering = CancellationToken::new();
    let server = match plan.settings.http.listen {
        Some(address) => Some(listen(address, shared.http(&plan), answering.clone()).await?),
        None => None,
    };
    let drain = plan.settings.drain;
    let worked = work(plan, &shared, &stop).await;
    answering.cancel();
    if let Some(server) = server {
        // Whoever keeps a connection open without asking anything is not waited for.
        let _ = tokio::time::timeout(stages::LAST_ANSWERS.min(drain), server).await;
    }
    worked
}

/// What the HTTP side and the parts share.
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

    fn http(&self, plan: &Plan) -> Http {
        let (reading, statuses) = (Arc::clone(&self.watch), Arc::clone(&self.watch));
        Http {
            health: Arc::clone(&self.health),
            reading: Arc::new(move || reading.reading()),
            statuses: Arc::new(move || statuses.streams()),
            catalog: Arc::clone(&self.catalog),
            api: plan.settings.roles.api.then(|| Access { token: plan.settings.http.api_token.clone() }),
        }
    }
}

async fn listen(
    address: SocketAddr,
    http: Http,
    stop: CancellationToken,
) -> Result<tokio::task::JoinHandle<()>, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(address = %listener.local_addr().map_err(failed)?, "HTTP server listening");
    Ok(tokio::spawn(http::run(http, listener, stop)))
}

/// All but the HTTP side.
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
    tracing::info!(seconds = drain.as_secs(), "ending");
    let ended = stages.end(Instant::now() + drain).await;
    close(&*catalog).await;
    match died {
        Some(name) => Err(ServeError::PartEnded(name)),
        None => Ok(ended),
    }
}

/// This process in leases. It finds its predecessors beside the files of the index, where it may write there.
fn instance(plan: &Plan) -> Instance {
    let name = &plan.settings.name;
    let Some(folder) = plan.index_prefix.parent() else { return Instance::new(name) };
    Instance::in_folder(name, &folder.join(INSTANCES)).unwrap_or_else(|error| {
        tracing::warn!(folder = %folder.display(), %error, "cannot keep a file of this process, leases of killed processes expire by themselves");
        Instance::new(name)
    })
}

/// Closes the catalogue: what was written is safe in any case.
async fn close(catalog: &dyn Catalog) {
    match tokio::time::timeout(stages::LAST_ANSWERS, catalog.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the catalogue was not closed in good order"),
        Err(_) => tracing::warn!("the catalogue was not closed in time"),
    }
}
