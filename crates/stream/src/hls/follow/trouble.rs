//! Why a segment is not there.

use crate::delivery::GapReason;
use crate::http::{HttpError, HttpFailure};

/// Most tries of something that comes, but is not what it should be: it will not get better for long.
pub(super) const MAX_BAD_TRIES: u32 = 3;

/// Why a segment is not there.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// A request failed.
    Http(HttpError),
    /// What came cannot be a segment.
    NoMedia(&'static str),
    /// Its key cannot be had, or does not fit.
    Locked(String),
}

impl Trouble {
    pub(super) fn reason(&self) -> GapReason {
        match self {
            Self::Http(_) | Self::NoMedia(_) => GapReason::NotFetched,
            Self::Locked(_) => GapReason::Unreadable,
        }
    }

    /// Whether another try can help, after so many.
    pub(super) fn may_pass(&self, tries: u32) -> bool {
        match self {
            Self::Http(error) => error.is_transient() && !matches!(error.reason, HttpFailure::TooLarge(_)),
            Self::NoMedia(what) => {
                tracing::debug!(what, "no media");
                tries < MAX_BAD_TRIES
            }
            Self::Locked(why) => {
                tracing::debug!(why, "no key");
                false
            }
        }
    }
}
