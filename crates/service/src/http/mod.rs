//! The HTTP side: how the process is, what it measures, and the API (`docs/api.md`).
//!
//! ```text
//! /healthz /readyz /metrics   everybody who reaches the address
//! /v1/…                       role api: whoever shows the token; without a token loopback addresses only
//! ```

mod access;
mod answer;
mod detections;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod probes;
mod query;
mod streams;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use refrain_catalog::Catalog;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Reading, Statuses};
use crate::serve::Health;
use crate::settings::Secret;

/// Longest body of a request, bytes: an id and a URL.
const LONGEST_BODY: usize = 64 * 1024;

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

/// Answers requests until `stop` is cancelled, then finishes those that are being answered.
///
/// # Errors
/// If the listener breaks.
pub async fn run(http: Http, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    let service = router(http).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn router(http: Http) -> Router {
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
            .layer(axum::middleware::from_fn_with_state(access.clone(), access::check))
            .layer(DefaultBodyLimit::max(LONGEST_BODY));
        router = router.nest("/v1", api);
    }
    router.fallback(answer::nothing_here).method_not_allowed_fallback(answer::not_so).with_state(http)
}
