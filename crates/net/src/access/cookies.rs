//! The cookies of one stream, by the rules of RFC 6265.

use std::cmp::Reverse;

use cookie::time::OffsetDateTime;
use url::{Host, Url};

/// Maximum number of cookies of a stream, and of one response. RFC 6265 section 6.1 asks for at least 50 per domain, and
/// a stream has few domains. At half this value, a stream with two such domains loses cookies; at twice this value,
/// servers that set a new cookie in each response make each request longer.
pub(super) const MAX_COOKIES: usize = 100;

/// Maximum length of a cookie with its attributes, in bytes, which RFC 6265 section 6.1 asks for at least. Browsers have
/// the same limit, so servers set no longer cookies. At half this value, signed policies are dropped; at twice this
/// value, a hostile server makes requests twice as long.
const MAX_COOKIE_BYTES: usize = 4096;

/// A cookie in a request.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Cookie {
    pub(super) name: String,
    pub(super) value: String,
}

/// Cookies that responses have set.
#[derive(Default)]
pub(super) struct CookieJar(Vec<StoredCookie>);

struct StoredCookie {
    cookie: Cookie,
    /// Host that receives the cookie.
    domain: String,
    scope: CookieScope,
    path: String,
    /// True if the cookie is sent over HTTPS only.
    is_secure: bool,
    /// Time at which the cookie expires; `None` if it does not expire.
    expires: Option<OffsetDateTime>,
}

/// The hosts that receive a cookie.
#[derive(PartialEq, Eq)]
enum CookieScope {
    /// Only the host that set the cookie, at this port; `None` is the default port of the scheme.
    Host(Option<u16>),
    /// The domain and its subdomains, at any port.
    Domain,
}

impl CookieJar {
    /// Stores the cookie in `text`, the value of a header `Set-Cookie` in a response from `url`. An invalid cookie, and
    /// one for a domain that `url` does not belong to, is ignored. An expired one removes its older version.
    pub(super) fn store(&mut self, url: &Url, text: &str, now: OffsetDateTime) {
        let Some(new) = StoredCookie::parse(url, text, now) else { return };
        let known = self.0.iter().position(|known| known.is_version_of(&new));
        match known {
            Some(at) if new.is_expired(now) => drop(self.0.remove(at)),
            Some(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    *known = new;
                }
            }
            None if new.is_expired(now) => {}
            None => {
                self.0.retain(|known| !known.is_expired(now));
                if self.0.len() >= MAX_COOKIES {
                    self.0.remove(0);
                }
                self.0.push(new);
            }
        }
    }

    /// Returns the cookies for a request to `url`, in the order in which they are sent.
    pub(super) fn matching(&self, url: &Url, now: OffsetDateTime) -> Vec<Cookie> {
        let mut found: Vec<_> = self.0.iter().filter(|stored| stored.matches(url, now)).collect();
        // Section 5.4: cookies with longer paths first, and of those the oldest first. The sort is stable.
        found.sort_by_key(|stored| Reverse(stored.path.len()));
        found.into_iter().map(|stored| stored.cookie.clone()).collect()
    }
}

impl StoredCookie {
    /// Parses a `Set-Cookie` in a response from `url` (sections 5.2 and 5.3). Returns `None` if the cookie is invalid.
    fn parse(url: &Url, text: &str, now: OffsetDateTime) -> Option<Self> {
        if text.len() > MAX_COOKIE_BYTES {
            return None;
        }
        let parsed = cookie::Cookie::parse(text).ok()?;
        let over_https = url.scheme() == "https";
        // A server that is reached without TLS could otherwise replace the cookies of the secure one (RFC 6265bis).
        if parsed.secure() == Some(true) && !over_https {
            return None;
        }
        let domain = parsed.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
        let host = url.host_str()?;
        let (domain, scope) = match domain.filter(|domain| !domain.is_empty()) {
            None => (host.to_owned(), CookieScope::Host(url.port())),
            // A top-level domain is shared by unrelated owners.
            Some(domain) if domain == host || domain.contains('.') && is_in_domain(url, &domain) => {
                (domain, CookieScope::Domain)
            }
            Some(_) => return None,
        };
        let path = parsed.path().filter(|path| path.starts_with('/'));
        let expires = match parsed.max_age() {
            Some(age) => Some(now.saturating_add(age)),
            None => parsed.expires_datetime(),
        };
        Some(Self {
            path: path.map_or_else(|| default_path(url), str::to_owned),
            cookie: Cookie { name: parsed.name().to_owned(), value: parsed.value().to_owned() },
            domain,
            scope,
            is_secure: over_https,
            expires,
        })
    }

    fn is_version_of(&self, other: &Self) -> bool {
        self.cookie.name == other.cookie.name
            && self.domain == other.domain
            && self.path == other.path
            && self.scope == other.scope
    }

    fn is_expired(&self, now: OffsetDateTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Returns true if a request to `url` contains the cookie (section 5.4).
    fn matches(&self, url: &Url, now: OffsetDateTime) -> bool {
        let is_host = match self.scope {
            CookieScope::Host(port) => url.host_str() == Some(self.domain.as_str()) && url.port() == port,
            CookieScope::Domain => is_in_domain(url, &self.domain),
        };
        is_host
            && (!self.is_secure || url.scheme() == "https")
            && !self.is_expired(now)
            && is_below(url.path(), &self.path)
    }
}

/// Returns the cookies in the value of a header `Cookie`. Parts without a name or `=` are left out.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = Cookie> {
    text.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        (!name.is_empty()).then_some(Cookie { name, value })
    })
}

/// Returns true if the host of `url` is `domain` or one of its subdomains (section 5.1.3). Addresses have no subdomains.
fn is_in_domain(url: &Url, domain: &str) -> bool {
    let Some(host) = url.host_str() else { return false };
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    host == domain || is_name && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Returns the path of a cookie without the attribute `Path` (section 5.1.4): the folder of the URL.
fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        None | Some(("", _)) => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

/// Returns true if a cookie with the path `folder` is sent to `path` (section 5.1.4).
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
