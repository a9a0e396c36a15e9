//! Why a file was not worked on to its end.

use std::time::Duration;

use refrain_catalog::{CatalogError, MAX_DEATHS};
use refrain_core::index::IndexError;

use crate::intake::Handled;
use crate::outside::{ObjectName, OutsideError, OutsideErrorKind};

/// What was away is asked again after this time …
const AWAY: Duration = Duration::from_secs(30);

/// … an object that was replaced while it was read after this one …
const REPLACED: Duration = Duration::from_secs(5);

/// … and what somebody has to put right first after this one.
const REFUSED: Duration = Duration::from_secs(5 * 60);

/// A file could not be checked or learnt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The bucket.
    #[error(transparent)]
    Outside(#[from] OutsideError),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The index. It is built again by itself where it is damaged.
    #[error("cannot search: {0}")]
    Index(#[from] IndexError),
    /// Its content is nothing that can be learnt.
    #[error("{0}")]
    Unusable(String),
    /// Its content has killed the process too often.
    #[error(
        "{0}: quarantined, {MAX_DEATHS} processes died while they decoded it; upload it again, or process it by hand \
         (`refrain identify` or `refrain index` with its s3:// address), to try again"
    )]
    Quarantined(ObjectName),
    /// Where its report belongs there are files of others.
    #[error("{object}: its report has no place, {taken} and {also_taken} are other files; move one away")]
    NoPlace {
        /// The object.
        object: ObjectName,
        /// Where the report should be.
        taken: String,
        /// Where it should be else.
        also_taken: String,
    },
    /// The work on it panicked.
    #[error("{0}: internal error, a bug in refrain; please report it with the file")]
    Internal(ObjectName),
}

impl FilesError {
    /// What becomes of the message that asked for it.
    pub(super) fn handled(&self) -> Handled {
        match self {
            Self::Outside(error) => match error.kind() {
                OutsideErrorKind::NotFound => Handled::Done,
                OutsideErrorKind::Conflict => Handled::Again(REPLACED),
                OutsideErrorKind::Throttled | OutsideErrorKind::Unavailable => Handled::Again(AWAY),
                // The queue itself ends that after some times.
                OutsideErrorKind::Denied => Handled::Again(REFUSED),
                OutsideErrorKind::Invalid => Handled::Bury(self.to_string()),
            },
            Self::Catalog(CatalogError::Invalid { .. }) => Handled::Bury(self.to_string()),
            Self::Catalog(_) | Self::Index(_) => Handled::Again(AWAY),
            Self::Unusable(_) | Self::Quarantined(_) | Self::NoPlace { .. } | Self::Internal(_) => {
                Handled::Bury(self.to_string())
            }
        }
    }
}
