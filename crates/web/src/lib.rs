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
#[doc(hidden)]
pub mod fuzzing;
mod probes;
mod query;
mod server;
mod streams;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use refrain_service::serve::ServiceView;
use refrain_service::settings::Secret;
use server::TimeLimits;

/// State that the request handlers share. Clones refer to the same state.
#[derive(Clone)]
struct Http {
    service: ServiceView,
    /// Access control of the API; `None` if this process does not serve the API.
    api: Option<Access>,
}

/// Access control of the API.
#[derive(Debug, Clone)]
pub struct Access {
    /// Token that requests must carry; `None` if only loopback addresses have access.
    pub token: Option<Secret>,
}

/// Serves HTTP until `stop` is cancelled, then finishes the requests that are being handled. The number of connections
/// is limited to a quarter of the files that the process may open, at least 8 and at most 512. If `api` is `None`, the
/// API is not served.
pub async fn run(service: ServiceView, api: Option<Access>, listener: TcpListener, stop: CancellationToken) {
    let http = Http { service, api };
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
            // The layer that is added last runs first: access is checked before the body is read.
            .layer(from_fn_with_state(limits.body, body::read))
            .layer(from_fn_with_state(access.clone(), access::check));
        router = router.nest("/v1", api);
    }
    router.fallback(error::unknown_path).method_not_allowed_fallback(error::unknown_method).with_state(http)
}
