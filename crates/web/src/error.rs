//! Error responses of the API.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use refrain_catalog::CatalogError;
use serde_json::json;

/// An error response of the API: its status and the text in its body, `{"error": "…"}`.
#[derive(Debug)]
pub(super) enum ApiError {
    /// 400: the request cannot be parsed.
    Bad(String),
    /// 401: the token is missing or wrong.
    Unauthorized(&'static str),
    /// 403: the client has no access.
    Forbidden(&'static str),
    /// 404: the object or path does not exist.
    NotFound(String),
    /// 408: the body of the request did not arrive in time.
    BodyTimeout,
    /// 409: the request contradicts the state of an object.
    Conflict(String),
    /// 413: the body of the request has more bytes than this limit.
    BodyTooLarge(usize),
    /// 422: the body is valid JSON with a value that is not accepted.
    Unprocessable(String),
    /// 503: a query of the database failed with this error. The error is logged and is not part of the response.
    Unavailable(String),
    /// 503: the catalog is not open yet.
    CatalogNotOpen,
    /// 503: the response was not ready in time.
    ResponseTimeout,
    /// The status and text of a request that axum rejected.
    Rejected(StatusCode, String),
}

/// The error of the database that caused a response. It is an extension of the response, for the log.
#[derive(Debug, Clone)]
pub(super) struct ErrorCause(pub(super) String);

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        if let CatalogError::Invalid { what, .. } = error {
            return Self::Bad(what);
        }
        // The client gets no detail: errors of the database can contain names of hosts and tables. The server logs
        // the detail with the path of the request.
        Self::Unavailable(error.to_string())
    }
}

impl ApiError {
    fn status_and_text(self) -> (StatusCode, String) {
        match self {
            Self::Bad(text) => (StatusCode::BAD_REQUEST, text),
            Self::Unauthorized(text) => (StatusCode::UNAUTHORIZED, text.to_owned()),
            Self::Forbidden(text) => (StatusCode::FORBIDDEN, text.to_owned()),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, text),
            Self::BodyTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "the body of the request did not arrive in time".to_owned())
            }
            Self::Conflict(text) => (StatusCode::CONFLICT, text),
            Self::BodyTooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body of the request has more than {limit} bytes, the limit"),
            ),
            Self::Unprocessable(text) => (StatusCode::UNPROCESSABLE_ENTITY, text),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database is unavailable; the log contains the reason".to_owned(),
            ),
            Self::CatalogNotOpen => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the catalog is not open yet; /readyz returns the reason".to_owned(),
            ),
            Self::ResponseTimeout => {
                (StatusCode::SERVICE_UNAVAILABLE, "the response was not ready in time; try again".to_owned())
            }
            Self::Rejected(status, text) => (status, text),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let cause = if let Self::Unavailable(error) = &self { Some(ErrorCause(error.clone())) } else { None };
        let (status, text) = self.status_and_text();
        let mut response = (status, Json(json!({"error": text}))).into_response();
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Answers requests for paths that do not exist.
pub(super) async fn unknown_path() -> ApiError {
    ApiError::NotFound("unknown path; docs/api.md lists all paths".to_owned())
}

/// Answers requests with a method that the path does not have.
pub(super) async fn unknown_method() -> ApiError {
    let text = "this path has no such method; docs/api.md lists all methods";
    ApiError::Rejected(StatusCode::METHOD_NOT_ALLOWED, text.to_owned())
}
