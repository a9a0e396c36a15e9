//! The index that the monitor searches; it follows the changes of its catalog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use refrain_core::index::{IndexError, Snapshot};
use refrain_index_sync::Follower;
use tokio::runtime::Handle;

use super::pool::Index;

/// Searches the snapshots of a [`Follower`], and has the index rebuilt if a search finds it damaged. Clones share the follower.
#[derive(Clone)]
pub struct FollowedIndex {
    follower: Arc<Follower>,
    healing: Arc<AtomicBool>,
    runtime: Handle,
}

impl FollowedIndex {
    /// Creates an index with this follower. Rebuilds run on the current tokio runtime.
    #[must_use]
    pub fn new(follower: Follower) -> Self {
        Self { follower: Arc::new(follower), healing: Arc::default(), runtime: Handle::current() }
    }
}

impl Index for FollowedIndex {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.follower.snapshot()
    }

    fn is_damaged(&self, snapshot: &Arc<Snapshot>, error: &IndexError) {
        // Only a failed checksum justifies deleting files: any other error would come back with the rebuilt ones.
        let damaged = matches!(error, IndexError::Damaged { .. });
        if !damaged || self.healing.swap(true, Ordering::SeqCst) {
            return;
        }
        let (follower, healing) = (Arc::clone(&self.follower), Arc::clone(&self.healing));
        let snapshot = Arc::clone(snapshot);
        self.runtime.spawn(async move {
            if let Err(error) = follower.heal(&snapshot).await {
                tracing::error!(%error, "cannot rebuild the damaged index");
            }
            healing.store(false, Ordering::SeqCst);
        });
    }
}
