//! Reads the body of a request within its limits before the request is handled.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::time::{Duration, timeout};

use super::error::ApiError;
use super::server::MAX_BODY_BYTES;

/// Maximum number of bytes above [`MAX_BODY_BYTES`] that are read and discarded. Without this, a client that is still
/// sending would get a connection reset in place of the response. At half this value, larger bodies end with a reset
/// more often; at twice this value, a client can make the server read 2 MiB for nothing.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;

/// Reads the body and passes the request on. Answers with 408 after the time limit, or with 413 if the body is too
/// large.
pub(super) async fn read(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // The length in the header is not sufficient: it can be missing or wrong, so the bytes are counted below.
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let too_large = announced.is_some_and(|length: u64| length > MAX_BODY_BYTES as u64);
    // A client with `Expect: 100-continue` waits before it sends the body, and gets the error at once.
    if too_large && parts.headers.contains_key(EXPECT) {
        return ApiError::BodyTooLarge(MAX_BODY_BYTES).into_response();
    }
    match timeout(limit, collect(body)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(error)) => error.into_response(),
        Err(_) => ApiError::BodyTimeout.into_response(),
    }
}

async fn collect(body: Body) -> Result<Vec<u8>, ApiError> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| ApiError::Bad(format!("the body cannot be read: {error}")))?;
        length = length.saturating_add(chunk.len());
        // The rest is not read. The client gets a reset then, which is better than reading without a limit.
        if length > MAX_BODY_BYTES + MAX_DISCARDED_BYTES {
            break;
        }
        if length <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&chunk);
        }
    }
    if length > MAX_BODY_BYTES { Err(ApiError::BodyTooLarge(MAX_BODY_BYTES)) } else { Ok(bytes) }
}
