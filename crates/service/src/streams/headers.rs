//! The stored form of the request headers of a stream: a JSON object in the row of the stream.

use refrain_catalog::{Stream, StreamHeaders};
use refrain_net::RequestHeaders;

/// Returns the text of the headers for the row of a stream; `None` if there are no headers. Equal headers have equal
/// texts.
#[must_use]
pub fn stored_headers(headers: &RequestHeaders) -> Option<StreamHeaders> {
    if headers.is_empty() {
        return None;
    }
    // Serialization fails only for maps whose keys are not texts, and the names of headers are texts.
    serde_json::to_string(headers).ok().map(StreamHeaders::new)
}

/// Returns the headers in the row of a stream. A text that this version cannot read is logged and ignored: the stream
/// is followed without headers.
pub(super) fn request_headers(stream: &Stream) -> RequestHeaders {
    let Some(stored) = &stream.headers else { return RequestHeaders::default() };
    // The error is not logged, because it can quote a part of the text.
    serde_json::from_str(stored.expose()).unwrap_or_else(|_| {
        tracing::error!(
            stream = stream.id,
            "the stored request headers of the stream are invalid, following it without headers; stop the stream and \
             add it again with its headers"
        );
        RequestHeaders::default()
    })
}

/// Returns the names of the headers in the row of a stream, in alphabetical order. The values are never shown.
#[must_use]
pub fn header_names(stream: &Stream) -> Vec<String> {
    let Some(stored) = &stream.headers else { return Vec::new() };
    let headers: RequestHeaders = serde_json::from_str(stored.expose()).unwrap_or_default();
    headers.names().into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_text_does_not_depend_on_the_order_of_headers() {
        let of = |lines: &str| {
            let mut headers = RequestHeaders::default();
            headers.push_lines(lines).unwrap();
            stored_headers(&headers).unwrap()
        };
        let stored = of("Referer: a\nCookie: x=1\nCookie: y=2\nAuthorization: Bearer b");
        assert_eq!(stored, of("authorization: Bearer b\nCookie: x=1\nCookie: y=2\nreferer: a"));
        assert_eq!(stored.expose(), r#"{"authorization":"Bearer b","cookie":["x=1","y=2"],"referer":"a"}"#);
        assert_eq!(stored_headers(&RequestHeaders::default()), None);
    }
}
