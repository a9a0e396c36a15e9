//! Why a request failed, without what must not be told.

use std::fmt;

use url::Url;

/// A URL that may be shown: scheme, host, port and path. User names, passwords, queries and fragments, where tokens
/// are, are left out.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownUrl(String);

/// Longest text of a URL in messages, characters: some hosts keep hundreds of characters of state in a path.
const MAX_SHOWN: usize = 120;

impl From<&Url> for ShownUrl {
    fn from(url: &Url) -> Self {
        let mut text = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        if let Some(port) = url.port() {
            text.push_str(&format!(":{port}"));
        }
        text.push_str(url.path());
        if let Some((at, _)) = text.char_indices().nth(MAX_SHOWN) {
            text.truncate(at);
            text.push('…');
        }
        Self(text)
    }
}

impl fmt::Display for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request that gave nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{url}: {reason}")]
pub struct HttpError {
    /// What was asked for.
    pub url: ShownUrl,
    /// What went wrong.
    pub reason: HttpFailure,
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// Another scheme than HTTP or HTTPS.
    #[error("the scheme {0} is not followed; only http and https are")]
    Scheme(String),
    /// A private or reserved address that no setting allows.
    #[error(
        "its address is private or reserved; to allow a private address, set monitor.private_hosts \
         (REFRAIN_MONITOR_PRIVATE_HOSTS) to the host"
    )]
    Refused,
    /// More redirects than the limit.
    #[error("more than {0} redirects")]
    Redirects(usize),
    /// A redirect that says no place, or one that is no URL.
    #[error("a redirect to nowhere")]
    RedirectTarget,
    /// A status that is no success.
    #[error("status {0}")]
    Status(u16),
    /// No connection: the host is not known, not there, or its certificate is not good.
    #[error("no connection: {0}")]
    Connect(String),
    /// No answer, or no more of it, in time.
    #[error("no answer within {0:.1} s")]
    Timeout(f64),
    /// Fewer bytes a second than the limit.
    #[error("it gives less than {0} bytes a second")]
    TooSlow(u64),
    /// A body larger than the limit.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// Responses that are not processed yet take all memory that is meant for them.
    #[error(
        "{0} MiB of other responses wait to be processed; give this process fewer streams or more processors"
    )]
    Busy(usize),
    /// The connection broke, or the answer is not HTTP.
    #[error("the transfer broke off: {0}")]
    Broken(String),
}

impl HttpError {
    pub(crate) fn new(url: &Url, reason: HttpFailure) -> Self {
        Self { url: url.into(), reason }
    }

    /// Of reqwest's error. Its own text may hold the URL, so only causes are told that cannot.
    pub(super) fn of(url: &Url, error: &reqwest::Error) -> Self {
        let cause = || innermost(error);
        let refused = is_refusal(error);
        let reason = if refused {
            HttpFailure::Refused
        } else if error.is_connect() {
            HttpFailure::Connect(cause())
        } else {
            HttpFailure::Broken(cause())
        };
        Self::new(url, reason)
    }

    /// The status of the answer, if there was one that is no success.
    pub fn status(&self) -> Option<u16> {
        match self.reason {
            HttpFailure::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether asking for the same again can help.
    pub fn is_transient(&self) -> bool {
        !matches!(self.reason, HttpFailure::Scheme(_) | HttpFailure::Refused)
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if cause.is::<reqwest::Error>() { "unknown cause".to_owned() } else { cause.to_string() }
}

fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if current.is::<super::resolve::PrivateAddress>() {
            return true;
        }
        cause = current.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_text_of_an_error_holds_a_secret() {
        let url = Url::parse("https://me:hunter2@host.example:444/a/b.m3u8?token=secret#frag").unwrap();
        let error = HttpError::new(&url, HttpFailure::Status(403));
        assert_eq!(error.to_string(), "https://host.example:444/a/b.m3u8: status 403");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!["secret", "hunter2", "frag", "me:"].iter().any(|part| text.contains(part)), "{text}");
        }
    }
}
