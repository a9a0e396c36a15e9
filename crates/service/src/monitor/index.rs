//! An index that follows its catalogue, for the monitor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use refrain_catalog::Follower;
use refrain_core::index::{IndexError, Snapshot};
use tokio::runtime::Handle;

use super::pool::Index;

/// Searches what a [`Follower`] knows, and has it built again when a search finds it damaged. Clones are the same.
#[derive(Clone)]
pub struct FollowedIndex {
    follower: Arc<Follower>,
    healing: Arc<AtomicBool>,
    runtime: Handle,
}

impl FollowedIndex {
    /// With this follower, on the current tokio runtime.
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
                tracing::error!(%error, "the index could not be built again");
            }
            healing.store(false, Ordering::SeqCst);
        });
    }
}
