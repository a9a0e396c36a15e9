//! Headers and cookies of the requests of one stream.
//!
//! Many servers deliver a stream only to requests with certain headers: credentials, a `Referer`, a `User-Agent`, or
//! signed cookies. [`RequestHeaders`] are the headers that an operator sets for a stream. [`StreamAccess`] adds them to
//! the requests to the origin of the stream's URL, and keeps the cookies that responses set.

mod cookies;
mod headers;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cookie::time::OffsetDateTime;
use reqwest::header::{self, HeaderMap, HeaderValue};
use url::{Origin, Url};

use cookies::{Cookie, CookieJar, MAX_COOKIES};
pub use headers::{InvalidHeader, RequestHeaders};

/// The headers and cookies of one stream. Clones share the cookies. The default has no headers and no cookies; each
/// stream needs its own value, so that its cookies are not sent by other streams.
///
/// Headers are sent to the origin of the stream's URL only: the same scheme, host and port. The same holds for the
/// cookies in a header `Cookie`. Cookies that responses set, or that the operator sets with a header `Set-Cookie`, are
/// sent by the rules of [RFC 6265](https://www.rfc-editor.org/rfc/rfc6265), with two restrictions: a cookie without
/// `Domain` is also bound to the port, and a cookie that was set over HTTPS is sent over HTTPS only.
#[derive(Clone, Default)]
pub struct StreamAccess(Arc<AccessState>);

#[derive(Default)]
struct AccessState {
    /// Origin of the stream's URL; `None` if there are no headers.
    origin: Option<Origin>,
    headers: HeaderMap,
    /// Cookies of the header `Cookie`.
    own_cookies: Vec<Cookie>,
    jar: Mutex<CookieJar>,
}

impl StreamAccess {
    /// Creates the access of the stream at `url`. A `Set-Cookie` whose `Domain` does not match the host of `url` is
    /// ignored.
    #[must_use]
    pub fn new(url: &Url, headers: &RequestHeaders) -> Self {
        let mut state = AccessState { origin: Some(url.origin()), ..AccessState::default() };
        let mut jar = CookieJar::default();
        for (name, value) in headers.iter() {
            if *name == header::SET_COOKIE {
                jar.store(url, value, OffsetDateTime::now_utc());
            } else if *name == header::COOKIE {
                for cookie in cookies::pairs(value) {
                    // Of several values of a cookie, servers use an unspecified one.
                    state.own_cookies.retain(|known| known.name != cookie.name);
                    state.own_cookies.push(cookie);
                }
            } else if let Some(value) = sensitive(value) {
                state.headers.insert(name.clone(), value);
            }
        }
        state.jar = Mutex::new(jar);
        Self(Arc::new(state))
    }

    /// Adds the headers and cookies for a request to `url` to `headers`.
    pub(super) fn add_to(&self, url: &Url, headers: &mut HeaderMap) {
        let is_own = self.0.origin.as_ref() == Some(&url.origin());
        let mut cookies = self.jar().matching(url, OffsetDateTime::now_utc());
        if is_own {
            headers.extend(self.0.headers.clone());
            // A cookie of the server replaces the one of the operator, because servers renew cookies before they expire.
            let known: Vec<String> = cookies.iter().map(|cookie| cookie.name.clone()).collect();
            let own = self.0.own_cookies.iter().filter(|cookie| !known.contains(&cookie.name));
            cookies.extend(own.cloned());
        }
        if cookies.is_empty() {
            return;
        }
        let pairs: Vec<_> = cookies.iter().map(|Cookie { name, value }| format!("{name}={value}")).collect();
        if let Some(value) = sensitive(&pairs.join("; ")) {
            headers.insert(header::COOKIE, value);
        }
    }

    /// Stores the cookies that a response from `url` sets.
    pub(super) fn store(&self, url: &Url, headers: &HeaderMap) {
        let mut set = headers.get_all(header::SET_COOKIE).iter().peekable();
        // Most responses set no cookie, and do not need the lock.
        if set.peek().is_none() {
            return;
        }
        let mut jar = self.jar();
        for text in set.take(MAX_COOKIES).filter_map(|value| value.to_str().ok()) {
            jar.store(url, text, OffsetDateTime::now_utc());
        }
    }

    fn jar(&self) -> MutexGuard<'_, CookieJar> {
        self.0.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StreamAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.headers.keys().map(header::HeaderName::as_str).collect();
        f.debug_struct("StreamAccess").field("headers", &names).finish_non_exhaustive()
    }
}

/// Returns a header value that libraries do not log, or `None` if the text contains invalid characters.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn access(stream: &str, lines: &str) -> StreamAccess {
        let mut headers = RequestHeaders::default();
        headers.push_lines(lines).unwrap();
        StreamAccess::new(&url(stream), &headers)
    }

    /// Returns the headers of a request, sorted by name.
    fn sent(access: &StreamAccess, to: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        access.add_to(&url(to), &mut headers);
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn headers_and_cookies_of_the_operator_are_sent_to_the_own_origin_only() {
        let access = access(
            "https://cdn.example/live/a.m3u8",
            "Authorization: Bearer t\nReferer: https://site.example/\nCookie: a=1; b=2",
        );
        let all = ["authorization: Bearer t", "cookie: a=1; b=2", "referer: https://site.example/"];
        assert_eq!(sent(&access, "https://cdn.example/other/1.ts?x"), all);
        assert_eq!(sent(&access, "https://cdn.example:443/"), all);
        for other in [
            "http://cdn.example/live/1.ts",
            "https://cdn.example:8443/live/1.ts",
            "https://www.cdn.example/live/1.ts",
            "https://example/live/1.ts",
            "https://cdn.example.evil.example/live/1.ts",
        ] {
            assert_eq!(sent(&access, other), [""; 0], "{other}");
        }
        assert_eq!(sent(&StreamAccess::default(), "https://cdn.example/"), [""; 0]);
    }

    #[test]
    fn cookie_of_a_response_replaces_the_one_of_the_operator() {
        let access = access("https://cdn.example/live/a.m3u8", "Cookie: session=old; kept=1");
        let mut response = HeaderMap::new();
        response.insert(header::SET_COOKIE, HeaderValue::from_static("session=new; Path=/"));
        access.store(&url("https://cdn.example/live/a.m3u8"), &response);
        assert_eq!(sent(&access, "https://cdn.example/live/1.ts"), ["cookie: session=new; kept=1"]);
    }

    #[test]
    fn set_cookie_of_the_operator_follows_its_domain() {
        // The form in which CloudFront sets signed cookies for a playlist and segments on different hosts.
        let lines = "Set-Cookie: CloudFront-Policy=p; Domain=example.org; Path=/; Secure\n\
                     Set-Cookie: CloudFront-Signature=s; Domain=example.org; Path=/; Secure\n\
                     Set-Cookie: CloudFront-Key-Pair-Id=k; Domain=example.org; Path=/; Secure";
        let access = access("https://www.example.org/live/a.m3u8", lines);
        let all = ["cookie: CloudFront-Policy=p; CloudFront-Signature=s; CloudFront-Key-Pair-Id=k"];
        assert_eq!(sent(&access, "https://media.example.org/1.ts"), all);
        assert_eq!(sent(&access, "https://example.com/1.ts"), [""; 0]);
        assert_eq!(sent(&access, "http://media.example.org/1.ts"), [""; 0]);
    }

    #[test]
    fn debug_output_contains_names_only() {
        let text = format!("{:?}", access("https://cdn.example/", "Authorization: secret\nCookie: a=secret"));
        assert!(text.contains("authorization") && !text.contains("secret"), "{text}");
    }
}
