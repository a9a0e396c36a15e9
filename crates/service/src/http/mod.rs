//! The HTTP side: how the process is, what it measures, and the API (`docs/api.md`).
//!
//! ```text
//! /healthz /readyz /metrics   everybody who reaches the address
//! /v1/…                       role api: whoever shows the token; without a token loopback addresses only
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

/// What answers need. Clones are the same.
#[derive(Clone)]
pub struct Http {
    /// How the process is.
    pub health: Arc<Health>,
    /// What is measured now.
    pub reading: Arc<dyn Fn() -> Reading + Send + Sync>,
    /// The streams that this process follows.
    pub statuses: Statuses,
    /// The catalogue, once it is open.
    pub catalog: Arc<OnceLock<Arc<dyn Catalog>>>,
    /// Who may ask the API; `None`: there is none.
    pub api: Option<Access>,
}

/// Who may ask the API.
#[derive(Debug, Clone)]
pub struct Access {
    /// Shown by whoever asks; `None`: only loopback addresses may.
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
