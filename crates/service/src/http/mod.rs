//! The HTTP endpoints: health checks, metrics, and the API (`docs/api.md`).
//!
//! ```text
//! /healthz /readyz /metrics   all clients that can reach the address
//! /v1/…                       role api: clients with the token; without a configured token loopback addresses only
//! ```

mod access;
mod body;
mod detections;
mod error;
mod extract;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod probes;
mod query;
mod server;
mod streams;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use refrain_catalog::Catalog;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Reading, Statuses};
use crate::serve::Health;
use crate::settings::Secret;
use server::TimeLimits;

/// State that the request handlers share. Clones refer to the same state.
#[derive(Clone)]
pub struct Http {
    /// Health of the process.
    pub health: Arc<Health>,
    /// Returns the current values of all metrics.
    pub reading: Arc<dyn Fn() -> Reading + Send + Sync>,
    /// Returns the streams that this process follows.
    pub statuses: Statuses,
    /// The catalog, once it is open.
    pub catalog: Arc<OnceLock<Arc<dyn Catalog>>>,
    /// Access control of the API; `None` if this process does not serve the API.
    pub api: Option<Access>,
}

/// Access control of the API.
#[derive(Debug, Clone)]
pub struct Access {
    /// Token that requests must carry; `None` if only loopback addresses have access.
    pub token: Option<Secret>,
}

/// Serves HTTP until `stop` is cancelled, then finishes the requests that are being handled. The number of connections is
/// limited to a part of the files that the process may open.
pub async fn run(http: Http, listener: TcpListener, stop: CancellationToken) {
    let limits = TimeLimits::default();
    server::run(router(http, &limits), listener, limits, server::max_connections(), stop).await;
}

fn router(http: Http, limits: &TimeLimits) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics));
    if let Some(access) = &http.api {
        let api = Router::new()
            .route("/streams", get(streams::list).post(streams::add))
            .route("/streams/{id}", get(streams::show).delete(streams::stop))
            .route("/streams/{id}/detections", get(detections::of_stream))
            .route("/detections/{track}", get(detections::of_track))
            // The layer that is added last runs first: no body is read without access.
            .layer(from_fn_with_state(limits.body, body::read))
            .layer(from_fn_with_state(access.clone(), access::check));
        router = router.nest("/v1", api);
    }
    router.fallback(error::unknown_path).method_not_allowed_fallback(error::unknown_method).with_state(http)
}
