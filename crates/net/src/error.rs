//! Errors of requests, which contain no secrets.

use url::Url;

use super::shown_url::ShownUrl;

/// A failed request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{url}: {reason}")]
pub struct HttpError {
    /// The requested URL, or the redirect target that failed.
    pub url: ShownUrl,
    /// Reason of the failure.
    pub reason: HttpFailure,
}

/// Reason why a request failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// The scheme is neither HTTP nor HTTPS. Contains the scheme.
    #[error("unsupported URL scheme {0}; use http or https")]
    Scheme(String),
    /// The address is reserved, or it is private and no setting allows it.
    #[error(
        "the address of the host is private or reserved; to allow a private address, add the host to \
         monitor.private_hosts (REFRAIN_MONITOR_PRIVATE_HOSTS)"
    )]
    Refused,
    /// The request had more redirects than this limit.
    #[error("more than {0} redirects")]
    Redirects(usize),
    /// The `Location` header of a redirect is missing or not a URL.
    #[error("redirect without a valid Location header")]
    RedirectTarget,
    /// The status is not a success.
    #[error("status {0}")]
    Status(u16),
    /// The connection failed: the host is unknown or unreachable, or its certificate is invalid. Contains the cause.
    #[error("connection failed: {0}")]
    Connect(String),
    /// No response, or no further bytes of it, arrived within this number of seconds.
    #[error("no answer within {0:.1} s")]
    Timeout(f64),
    /// The body arrived at fewer bytes per second than this limit.
    #[error("transfer is slower than {0} bytes per second")]
    TooSlow(u64),
    /// The body is larger than this limit in bytes.
    #[error("body is larger than {0} bytes")]
    TooLarge(u64),
    /// Responses that are not processed yet use all memory reserved for responses. Contains that amount in MiB.
    #[error("{0} MiB of other responses are waiting to be processed; run fewer streams or add processors")]
    Busy(usize),
    /// The connection broke, or the response is not HTTP. Contains the cause.
    #[error("transfer failed: {0}")]
    Broken(String),
}

impl HttpError {
    /// Creates the error of a request to `url`. Credentials and query of the URL are dropped.
    #[must_use]
    pub fn new(url: &Url, reason: HttpFailure) -> Self {
        Self { url: url.into(), reason }
    }

    /// Converts an error of reqwest. The text of `error` can contain the URL with its secrets, so only the innermost
    /// cause is kept; if that cause is an error of reqwest as well, it is replaced by `unknown cause`.
    pub(super) fn from_reqwest(url: &Url, error: &reqwest::Error) -> Self {
        let cause = || innermost(error);
        // reqwest reports a refusal of the resolver as a connection error. A refusal is recognized first, because its
        // message names the setting that permits the address.
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

    /// Returns the status of an unsuccessful response, or `None` if the request failed for another reason.
    pub fn status(&self) -> Option<u16> {
        match self.reason {
            HttpFailure::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Returns true if the same request can succeed later: for every reason except [`HttpFailure::Scheme`] and
    /// [`HttpFailure::Refused`].
    pub fn is_transient(&self) -> bool {
        // A 404 is transient too: the playlist of a stream appears only when its encoder starts.
        !matches!(self.reason, HttpFailure::Scheme(_) | HttpFailure::Refused)
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    // Any error of reqwest prints the complete URL, so its text cannot be used.
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
    fn display_and_debug_of_an_error_contain_no_secret() {
        let url = Url::parse("https://me:hunter2@host.example:444/a/b.m3u8?token=secret#frag").unwrap();
        let error = HttpError::new(&url, HttpFailure::Status(403));
        assert_eq!(error.to_string(), "https://host.example:444/a/b.m3u8: status 403");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!["secret", "hunter2", "frag", "me:"].iter().any(|part| text.contains(part)), "{text}");
        }
    }
}
