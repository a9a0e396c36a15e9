//! Errors of fetching a segment.

use url::Url;

use crate::delivery::GapReason;
use crate::hls::status::MediaFailure;
use refrain_net::{HttpError, HttpFailure};

/// Maximum number of attempts if responses arrive but have the wrong content. The server will probably not correct the
/// content soon, but a server of a CDN may serve an empty file while it fetches the segment itself. At half this value,
/// segments of such a server are lost; at twice this value, the segments after a bad one wait twice as long.
pub(super) const MAX_BAD_TRIES: u32 = 3;

/// Reason why a segment could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum FetchError {
    /// A request failed.
    #[error(transparent)]
    Http(HttpError),
    /// The response cannot be a segment.
    #[error("unusable response: {0}")]
    NotMedia(&'static str),
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
            Self::Http(_) | Self::NotMedia(_) => GapReason::NotFetched,
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
            Self::KeyServer(error) => format!("the key of the segments cannot be fetched: {}", error.reason),
            Self::Undecryptable(why) => format!("segments cannot be decrypted: {why}"),
        };
        MediaFailure { reason, is_undecryptable }
    }

    /// Returns true if another attempt can succeed after `tries` attempts.
    pub(super) fn is_retryable(&self, tries: u32) -> bool {
        match self {
            // A retry does not change the size of a segment, and each attempt would transfer up to the limit again.
            Self::Http(error) => error.is_transient() && !matches!(error.reason, HttpFailure::TooLarge(_)),
            // A segment can be listed for longer than its key server is down.
            Self::KeyServer(_) => true,
            Self::NotMedia(_) => tries < MAX_BAD_TRIES,
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
