//! Errors of the processing of a file.

use std::time::Duration;

use refrain_catalog::{CatalogError, MAX_DEATHS};
use refrain_core::index::IndexError;

use crate::cloud::{CloudError, CloudErrorKind, ObjectName};
use crate::queue_consumer::Disposition;

/// Pause before a retry if a service, the catalog or the index was unavailable. The queue counts each receive, so the
/// number of retries before its dead-letter queue is limited. At half this value, an outage uses up that number in half
/// the time; at twice this value, files are checked up to a minute after the recovery.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(30);

/// Pause before a retry if the object was replaced while it was read. The writer may still be uploading further
/// versions. At half this value, a quick series of uploads causes more useless reads; at twice this value, the report
/// comes 5 s later.
const REPLACED_PAUSE: Duration = Duration::from_secs(5);

/// Pause before a retry if access was denied: a person has to grant a permission first. With a maximum of five
/// receives, a message is retried for some 25 minutes before the queue dead-letters it. At half this value, these are
/// 12 minutes; at twice this value, files wait up to 10 minutes after the permission was granted.
const DENIED_PAUSE: Duration = Duration::from_secs(5 * 60);

/// A file could not be checked or indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// Access to the bucket failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// Access to the catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The search in the index failed. A damaged index is rebuilt automatically.
    #[error("cannot search in the index: {0}")]
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
    /// Both keys that the report could have are in use by other files.
    #[error(
        "cannot write the report of {object}, because its two possible names, {taken} and {also_taken}, are used by \
         other files; move or delete one of these files"
    )]
    NoReportLocation {
        /// The object.
        object: ObjectName,
        /// First key, in use by another file.
        taken: String,
        /// Second key, in use by another file.
        also_taken: String,
    },
    /// The processing of the object panicked.
    #[error("{0}: the thread that processed it panicked, a bug in refrain; please report it with the file")]
    Internal(ObjectName),
}

impl FilesError {
    /// Returns the disposition of the message that requested the processing: deleted, dead-lettered, or retried after a
    /// pause.
    pub(super) fn disposition(&self) -> Disposition {
        match self {
            Self::Cloud(error) => match error.kind() {
                CloudErrorKind::NotFound => Disposition::Ack,
                CloudErrorKind::Conflict => Disposition::Retry(REPLACED_PAUSE),
                CloudErrorKind::Throttled | CloudErrorKind::Unavailable => {
                    Disposition::Retry(UNAVAILABLE_PAUSE)
                }
                // The queue itself limits the number of retries.
                CloudErrorKind::Denied => Disposition::Retry(DENIED_PAUSE),
                CloudErrorKind::Invalid => Disposition::DeadLetter(self.to_string()),
            },
            Self::Catalog(CatalogError::Invalid { .. }) => Disposition::DeadLetter(self.to_string()),
            Self::Catalog(_) | Self::Index(_) => Disposition::Retry(UNAVAILABLE_PAUSE),
            Self::Unusable(_) | Self::Quarantined(_) | Self::NoReportLocation { .. } | Self::Internal(_) => {
                Disposition::DeadLetter(self.to_string())
            }
        }
    }
}
