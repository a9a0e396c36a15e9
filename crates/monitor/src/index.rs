//! The index that the monitor searches; it follows the changes of its catalog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use refrain_core::index::{IndexError, Snapshot};
use refrain_index_sync::IndexFollower;
use tokio::runtime::Handle;

use super::snapshot_source::SnapshotSource;

/// Provides the snapshots of an [`IndexFollower`] to the monitor, and rebuilds the index if a search finds a damaged
/// file. Clones share the follower.
#[derive(Clone)]
pub struct FollowedIndex {
    follower: Arc<IndexFollower>,
    rebuilding: Arc<AtomicBool>,
    runtime: Handle,
}

impl FollowedIndex {
    /// Creates an index with this follower. Rebuilds run on the current tokio runtime.
    #[must_use]
    pub fn new(follower: IndexFollower) -> Self {
        Self { follower: Arc::new(follower), rebuilding: Arc::default(), runtime: Handle::current() }
    }

    /// Ends the updates of the index. Call this before the catalog is closed; searches continue with the last snapshot.
    pub fn stop(&self) {
        self.follower.stop();
    }
}

impl SnapshotSource for FollowedIndex {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.follower.snapshot()
    }

    fn report_damage(&self, snapshot: &Arc<Snapshot>, error: &IndexError) {
        // Only a failed checksum justifies deleting files: any other error would occur again with the rebuilt files.
        let damaged = matches!(error, IndexError::Damaged { .. });
        // `swap`: all streams find the same damage within a second, and one rebuild is sufficient.
        if !damaged || self.rebuilding.swap(true, Ordering::SeqCst) {
            return;
        }
        let (follower, rebuilding) = (Arc::clone(&self.follower), Arc::clone(&self.rebuilding));
        let (snapshot, damage) = (Arc::clone(snapshot), error.to_string());
        self.runtime.spawn(async move {
            if let Err(error) = follower.heal(&snapshot).await {
                tracing::error!(
                    damage,
                    %error,
                    "cannot rebuild the damaged index, searches that read its damaged part fail; retrying after the \
                     next search that fails"
                );
            }
            rebuilding.store(false, Ordering::SeqCst);
        });
    }
}
