//! Entry points for fuzzing the parsers of API requests.

use axum::extract::Query;
use axum::http::Uri;

use super::query::{PageQuery, StreamsQuery, TimeQuery};
use super::streams::AddStreamRequest;

/// Parses the body of `POST /v1/streams`; returns true if it is valid JSON with the expected fields and types.
#[must_use]
pub fn add_stream(body: &[u8]) -> bool {
    serde_json::from_slice::<AddStreamRequest>(body).is_ok()
}

/// Parses a query string as `TimeQuery`, `PageQuery` and `StreamsQuery`; returns the number of these types that accept
/// it, 0 to 3.
#[must_use]
pub fn queries(query: &str) -> usize {
    let Ok(uri) = format!("/v1?{query}").parse::<Uri>() else { return 0 };
    let times = Query::<TimeQuery>::try_from_uri(&uri).ok();
    let times = times.filter(|query| query.times().is_ok() && query.mark().is_ok() && query.limit().is_ok());
    let page = Query::<PageQuery>::try_from_uri(&uri).ok();
    let page = page.filter(|query| query.mark().is_ok() && query.limit().is_ok());
    let streams = Query::<StreamsQuery>::try_from_uri(&uri).ok().filter(|query| query.limit().is_ok());
    [times.is_some(), page.is_some(), streams.is_some()].into_iter().filter(|accepted| *accepted).count()
}
