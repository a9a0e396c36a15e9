//! The part of the service that its HTTP endpoints can use.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use refrain_catalog::Catalog;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::ProcessHealth;
use crate::metrics::{MetricsSnapshot, Statuses};

/// The state of a running service that its HTTP endpoints show. Clones refer to the same state.
#[derive(Clone)]
pub struct ServiceView {
    /// Health of the process.
    pub health: Arc<ProcessHealth>,
    /// Returns the current values of all metrics.
    pub metrics_snapshot: Arc<dyn Fn() -> MetricsSnapshot + Send + Sync>,
    /// Returns the streams that this process follows.
    pub statuses: Statuses,
    /// The catalog. Empty until the catalog is open.
    pub catalog: Arc<OnceLock<Arc<dyn Catalog>>>,
}

/// Serves HTTP on a listener until the token is cancelled, then finishes the requests that are being handled.
pub type HttpServer = Box<
    dyn FnOnce(ServiceView, TcpListener, CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>>
        + Send,
>;
