//! Health checks for platforms, and metrics for Prometheus.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Http;
use refrain_service::metrics;

/// `GET /healthz`: 200 if the process is live, 503 with the reason if it should be restarted.
pub(super) async fn live(State(http): State<Http>) -> Response {
    match http.service.health.live() {
        Ok(()) => "ok\n".into_response(),
        // Plain text, because platforms show the body of a failed probe in their events.
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// `GET /readyz`: 200 if the process is ready, else 503 with one reason per line.
pub(super) async fn ready(State(http): State<Http>) -> Response {
    let reasons = http.service.health.not_ready();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reasons.join("\n"))).into_response()
}

/// `GET /metrics`: all metrics in the text format of Prometheus.
pub(super) async fn metrics(State(http): State<Http>) -> Response {
    match metrics::text(&(http.service.metrics_snapshot)()) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
