//! Results and errors of both kinds of index.

use refrain_catalog::{CatalogError, Change};
use refrain_core::fingerprint::ConstellationError;
use refrain_core::index::{IndexError, TrackNumber};

/// The reason why the index could not be kept in step with the catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The index files could not be read or written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The task that builds the index panicked or was canceled.
    #[error("the task that updates the search index failed ({0}), a bug in refrain; please report it")]
    Thread(String),
}

/// The result of applying changes of the catalog to an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Number of tracks that were made searchable.
    pub added: u64,
    /// Number of tracks that were removed from the index.
    pub removed: u64,
    /// The changes to report, in order. For index files, these are all changes since the
    /// [`IndexSync`](crate::IndexSync) was opened that were not reported before, no matter which process made them
    /// searchable. For index rows, these are the changes that the call applied. Cached data about these tracks must be
    /// read again.
    pub changes: Vec<Change>,
    /// Tracks that cannot be found because their constellations cannot be read.
    pub skipped: Vec<SkippedTrack>,
}

/// A track whose stored constellation cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedTrack {
    /// Number of the track.
    pub track: TrackNumber,
    /// Reason why the constellation cannot be read, and what the user can do.
    pub reason: ConstellationError,
}

impl SkippedTrack {
    /// Logs that the track is missing in the index.
    pub fn log(&self) {
        tracing::warn!(
            track = self.track.0,
            reason = %self.reason,
            "fingerprint of the track cannot be read, leaving the track out of the index"
        );
    }
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
pub(crate) fn task_failed(error: tokio::task::JoinError) -> SyncError {
    SyncError::Thread(error.to_string())
}
