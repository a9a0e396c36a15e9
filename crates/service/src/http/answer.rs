//! Answers that say no.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use refrain_catalog::CatalogError;
use serde_json::json;

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What it says cannot be understood.
    Bad(String),
    /// It shows no token, or a wrong one.
    Unauthorized(&'static str),
    /// It may not.
    Forbidden(&'static str),
    /// There is no such thing.
    NotFound(String),
    /// Something else is in the way.
    Conflict(String),
    /// The database cannot be asked now.
    Unavailable,
    /// The catalogue is not open yet.
    NotYet,
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        if let CatalogError::Invalid { what, .. } = error {
            return Self::Bad(what);
        }
        tracing::warn!(%error, "a request could not be answered");
        Self::Unavailable
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Bad(text) => (StatusCode::BAD_REQUEST, text),
            Self::Unauthorized(text) => (StatusCode::UNAUTHORIZED, text.to_owned()),
            Self::Forbidden(text) => (StatusCode::FORBIDDEN, text.to_owned()),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, text),
            Self::Conflict(text) => (StatusCode::CONFLICT, text),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database cannot be asked now; the log says why".to_owned(),
            ),
            Self::NotYet => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the catalogue is not open yet; /readyz says why".to_owned(),
            ),
        };
        let mut response = (status, Json(json!({"error": text}))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// For paths that are not there.
pub(super) async fn nothing_here() -> Refusal {
    Refusal::NotFound("there is nothing here; docs/api.md names all paths".to_owned())
}

/// For methods that a path does not have.
pub(super) async fn not_so() -> Response {
    let error = json!({"error": "this path has no such method; docs/api.md names all"});
    (StatusCode::METHOD_NOT_ALLOWED, Json(error)).into_response()
}
