//! Access of the threads to the current state of the index.

use std::sync::Arc;

use refrain_core::index::{IndexError, Snapshot};

/// Provides the index in which streams are searched.
pub trait SnapshotSource: Send + Sync + 'static {
    /// Returns the current snapshot.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Reports that a search in `snapshot` failed with `error`. The monitor calls this on a thread of the pool, so it
    /// must not block. The default implementation does nothing.
    fn report_damage(&self, snapshot: &Arc<Snapshot>, error: &IndexError) {
        let _ = (snapshot, error);
    }
}

impl<F: Fn() -> Arc<Snapshot> + Send + Sync + 'static> SnapshotSource for F {
    fn snapshot(&self) -> Arc<Snapshot> {
        self()
    }
}
