//! Responses of the simulated API, including faulty ones.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// A simulated failure that replaces the regular response of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IvsFault {
    /// Responds with 429 `ThrottlingException`.
    Throttled,
    /// Responds with 403 `AccessDeniedException`.
    Denied,
    /// Responds with 500 `InternalServerException`.
    Broken,
    /// Responds with 200 and a page of HTML.
    Html,
    /// Closes the connection without a response.
    Closed,
}

/// A response: status, error type (`None` for a success), and body.
#[derive(Debug, Clone)]
pub(super) struct ApiReply {
    status: u16,
    error: Option<&'static str>,
    body: String,
}

impl ApiReply {
    pub(super) fn right(body: &Value) -> Self {
        Self { status: 200, error: None, body: body.to_string() }
    }

    pub(super) fn error(status: u16, error: &'static str, message: &str) -> Self {
        Self { status, error: Some(error), body: json!({ "exceptionMessage": message }).to_string() }
    }

    /// Returns the response for a simulated failure of `call`; `None` if the connection must be closed without a
    /// response.
    pub(super) fn fault(fault: IvsFault, call: &str) -> Option<Self> {
        Some(match fault {
            IvsFault::Throttled => Self::error(429, "ThrottlingException", "Rate exceeded"),
            IvsFault::Denied => {
                let message = format!(
                    "User: arn:aws:iam::123456789012:user/test is not authorized to perform: ivs:{call}"
                );
                Self::error(403, "AccessDeniedException", &message)
            }
            IvsFault::Broken => Self::error(500, "InternalServerException", "Unexpected error"),
            IvsFault::Html => Self { status: 200, error: None, body: "<html>Sign in</html>".to_owned() },
            // hyper closes the connection if the service function returns an error.
            IvsFault::Closed => return None,
        })
    }

    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(error) = self.error {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(error));
        }
        response
    }
}
