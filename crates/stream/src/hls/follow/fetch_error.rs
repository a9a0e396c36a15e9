//! Errors of fetching a segment.

use crate::delivery::GapReason;
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
