//! Errors of fetching a segment.

use crate::delivery::GapReason;
use refrain_net::{HttpError, HttpFailure};

/// Most attempts if responses arrive but have the wrong content. The server will probably not correct it soon.
pub(super) const MAX_BAD_TRIES: u32 = 3;

/// Reason why a segment could not be fetched.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// A request failed.
    Http(HttpError),
    /// The response cannot be a segment.
    NoMedia(&'static str),
    /// The key could not be fetched or is wrong, or the encryption method is not supported.
    Locked(String),
}

impl Trouble {
    pub(super) fn reason(&self) -> GapReason {
        match self {
            Self::Http(_) | Self::NoMedia(_) => GapReason::NotFetched,
            Self::Locked(_) => GapReason::Unreadable,
        }
    }

    /// Returns true if another attempt can succeed after `tries` attempts.
    pub(super) fn may_pass(&self, tries: u32) -> bool {
        match self {
            Self::Http(error) => error.is_transient() && !matches!(error.reason, HttpFailure::TooLarge(_)),
            Self::NoMedia(what) => {
                tracing::debug!(what, "response is not media");
                tries < MAX_BAD_TRIES
            }
            Self::Locked(why) => {
                tracing::debug!(why, "segment cannot be decrypted");
                false
            }
        }
    }
}
