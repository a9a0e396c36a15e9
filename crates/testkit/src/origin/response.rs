//! Construction of responses.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::ResponseBody;

/// Creates a response with an ETag: 304 if the header If-None-Match contains this ETag, 206 for a header Range,
/// otherwise 200.
pub(super) fn conditional(bytes: Bytes, kind: &'static str, headers: &HeaderMap) -> Response<ResponseBody> {
    let etag = format!("\"{:x}\"", digest(&bytes));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if known {
        status_only(304)
    } else if let Some((from, to)) = headers.get(header::RANGE).and_then(|range| range_of(range, bytes.len()))
    {
        let content_range = format!("bytes {from}-{}/{}", to - 1, bytes.len());
        let mut response = whole(bytes.slice(from..to), kind);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        set(&mut response, header::CONTENT_RANGE, &content_range);
        response
    } else {
        whole(bytes, kind)
    };
    set(&mut response, header::ETAG, &etag);
    response
}

fn digest(bytes: &[u8]) -> u64 {
    // The tag only has to differ for different contents of one test.
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Parses the range `bytes=A-B` of a resource of `length` bytes. Returns the offset of the first byte and the offset
/// after the last one; `None` if the range is invalid.
fn range_of(value: &HeaderValue, length: usize) -> Option<(usize, usize)> {
    let (from, to) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = to.parse::<usize>().map_or(length, |last| last.saturating_add(1).min(length));
    (from < to).then_some((from, to))
}

pub(super) fn huge(size: usize) -> Bytes {
    let mut text = b"#EXTM3U\n".to_vec();
    text.resize(size, b'#');
    text.into()
}

pub(super) fn whole(bytes: Bytes, kind: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(bytes));
    set(&mut response, header::CONTENT_TYPE, kind);
    response
}

pub(super) fn redirect(target: &str) -> Response<ResponseBody> {
    let mut response = status_only(302);
    set(&mut response, header::LOCATION, target);
    response
}

pub(super) fn status_only(status: u16) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Whole(None));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

pub(super) fn set(response: &mut Response<ResponseBody>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
