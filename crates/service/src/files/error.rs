//! Errors of the processing of a file.

use std::time::Duration;

use refrain_catalog::{CatalogError, MAX_DEATHS};
use refrain_core::index::IndexError;

use crate::intake::Handled;
use crate::outside::{ObjectName, OutsideError, OutsideErrorKind};

/// Pause before a retry if a service, the catalog or the index was unavailable.
const AWAY: Duration = Duration::from_secs(30);

/// Pause before a retry if the object was replaced while it was read.
const REPLACED: Duration = Duration::from_secs(5);

/// Pause before a retry if access was denied: a person has to grant a permission first.
const REFUSED: Duration = Duration::from_secs(5 * 60);

/// A file could not be checked or indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// Access to the bucket failed.
    #[error(transparent)]
    Outside(#[from] OutsideError),
    /// Access to the catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The search in the index failed. A damaged index is rebuilt automatically.
    #[error("cannot search: {0}")]
    Index(#[from] IndexError),
    /// The content of the object cannot be indexed.
    #[error("{0}")]
    Unusable(String),
    /// The content of the object has killed [`MAX_DEATHS`] processes.
    #[error(
        "{0}: quarantined, {MAX_DEATHS} processes died while they decoded it; upload it again, or process it by hand \
         (`refrain identify` or `refrain index` with its s3:// address), to try again"
    )]
    Quarantined(ObjectName),
    /// The keys for its report belong to other files.
    #[error("{object}: cannot write its report, {taken} and {also_taken} are other files; move one away")]
    NoPlace {
        /// The object.
        object: ObjectName,
        /// Preferred key of the report.
        taken: String,
        /// Alternative key of the report.
        also_taken: String,
    },
    /// The processing of the object panicked.
    #[error("{0}: internal error, a bug in refrain; please report it with the file")]
    Internal(ObjectName),
}

impl FilesError {
    /// Returns what happens to the message that requested the processing.
    pub(super) fn handled(&self) -> Handled {
        match self {
            Self::Outside(error) => match error.kind() {
                OutsideErrorKind::NotFound => Handled::Done,
                OutsideErrorKind::Conflict => Handled::Again(REPLACED),
                OutsideErrorKind::Throttled | OutsideErrorKind::Unavailable => Handled::Again(AWAY),
                // The queue itself limits the number of retries.
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
