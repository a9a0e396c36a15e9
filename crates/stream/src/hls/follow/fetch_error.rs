//! Errors of fetching a segment.

use url::Url;

use crate::delivery::GapReason;
use crate::hls::status::MediaFailure;
use refrain_net::{HttpError, HttpFailure};

/// Reason why a segment could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum FetchError {
    /// A request failed.
    #[error(transparent)]
    Http(HttpError),
    /// The response cannot be a segment. Contains what it is.
    #[error("unusable response: {0}")]
    NotMedia(String),
    /// The memory for segments is in use.
    #[error("no memory for the segment")]
    NoMemory,
    /// The server of the key is down or overloaded.
    #[error("cannot fetch the key: {0}")]
    KeyServer(HttpError),
    /// The key does not exist or is wrong, or the encryption method is not supported.
    #[error("cannot decrypt: {0}")]
    Undecryptable(String),
}

impl FetchError {
    pub(super) fn reason(&self) -> GapReason {
        match self {
            Self::Http(_) | Self::NotMedia(_) | Self::NoMemory => GapReason::NotFetched,
            Self::KeyServer(_) | Self::Undecryptable(_) => GapReason::Unreadable,
        }
    }

    /// Returns the failure in a form that is the same for all segments that fail for the same reason: it names the server
    /// and not the file. `segment` is the URL of the segment.
    pub(super) fn media_failure(&self, segment: &Url) -> MediaFailure {
        let is_undecryptable = matches!(self, Self::Undecryptable(_));
        let reason = match self {
            Self::Http(error) => {
                format!("segments cannot be fetched from {}: {}", server(segment), error.reason)
            }
            Self::NotMedia(what) => format!("segments of {} are unusable: {what}", server(segment)),
            Self::NoMemory => "no memory for segments; all memory for media is in use".to_owned(),
            Self::KeyServer(error) => format!("the key of the segments cannot be fetched: {}", error.reason),
            Self::Undecryptable(why) => format!("segments cannot be decrypted: {why}"),
        };
        MediaFailure { reason, is_undecryptable }
    }

    /// Returns true if another attempt can succeed.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            // A retry does not change the size of a segment, and each attempt would transfer up to the limit again.
            Self::Http(error) => error.is_transient() && !matches!(error.reason, HttpFailure::TooLarge(_)),
            // A segment can be listed for longer than its key server is down, and for longer than a server of a CDN
            // responds with an empty file or a page in place of it.
            Self::KeyServer(_) | Self::NotMedia(_) | Self::NoMemory => true,
            Self::Undecryptable(_) => false,
        }
    }
}

/// Returns host and port of a URL, for messages.
pub(super) fn server(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_the_same_for_all_segments_and_names_the_status() {
        let reasons = [1, 2].map(|number| {
            let url = Url::parse(&format!("https://me:secret@cdn.example:444/{number}.ts?token=x")).unwrap();
            FetchError::Http(HttpError::new(&url, HttpFailure::Status(403))).media_failure(&url)
        });
        assert_eq!(reasons[0].reason, "segments cannot be fetched from cdn.example:444: status 403");
        assert_eq!(reasons[0], reasons[1]);
    }
}
