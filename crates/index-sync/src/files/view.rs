//! The state of an index that searches use while the index is being built.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_core::index::{Cache, Snapshot};

/// The snapshot to search, and the position of the index. Reading them never waits for a build: a build locks the cache
/// for seconds, but the view only while it replaces two values.
#[derive(Debug)]
pub(super) struct IndexView {
    state: Mutex<ViewState>,
}

#[derive(Debug)]
struct ViewState {
    snapshot: Arc<Snapshot>,
    /// Position up to which the snapshot is complete.
    snapshot_position: u64,
    /// Position up to which the cache is complete; less than `snapshot_position` while the index is being rebuilt.
    position: u64,
}

impl IndexView {
    pub(super) fn of(cache: &Cache) -> Self {
        let position = cache.position();
        Self {
            state: Mutex::new(ViewState {
                snapshot: cache.snapshot(),
                snapshot_position: position,
                position,
            }),
        }
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().snapshot)
    }

    pub(super) fn position(&self) -> u64 {
        self.lock().position
    }

    /// Adopts the state of the cache, but keeps the current snapshot if the new one is behind it: while the index is
    /// being rebuilt, searches use the old snapshot.
    pub(super) fn advance(&self, cache: &Cache) {
        let mut state = self.lock();
        state.position = cache.position();
        // At equal positions the new snapshot wins: after a rebuild it no longer has the damage of the old one.
        if state.position >= state.snapshot_position {
            (state.snapshot, state.snapshot_position) = (cache.snapshot(), state.position);
        }
    }

    /// Adopts the state of the cache, even if its snapshot is behind the current one.
    pub(super) fn reset(&self, cache: &Cache) {
        let position = cache.position();
        *self.lock() = ViewState { snapshot: cache.snapshot(), snapshot_position: position, position };
    }

    fn lock(&self) -> MutexGuard<'_, ViewState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
