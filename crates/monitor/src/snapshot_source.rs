//! Access of the threads to the current state of the index.

use std::sync::Arc;

use refrain_core::index::{IndexError, Snapshot};

/// The index that streams are searched in.
pub trait SnapshotSource: Send + Sync + 'static {
    /// Returns the current snapshot.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Called when a search found this snapshot damaged. Runs on a thread of the pool and must not block.
    fn report_damage(&self, snapshot: &Arc<Snapshot>, error: &IndexError) {
        let _ = (snapshot, error);
    }
}

impl<F: Fn() -> Arc<Snapshot> + Send + Sync + 'static> SnapshotSource for F {
    fn snapshot(&self) -> Arc<Snapshot> {
        self()
    }
}
