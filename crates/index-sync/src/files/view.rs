//! The part of an index that searches use while it is being built.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_core::index::{Cache, Snapshot};

/// The snapshot to search, and the position of the index. Reading it never waits for a build: a build locks the cache
/// for seconds, but this lock only while two values are replaced.
#[derive(Debug)]
pub(super) struct View {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    snapshot: Arc<Snapshot>,
    /// Position up to which the snapshot is complete.
    shown: u64,
    /// Position up to which the cache is complete; less than `shown` while the index is being rebuilt.
    position: u64,
}

impl View {
    pub(super) fn of(cache: &Cache) -> Self {
        let position = cache.position();
        Self { state: Mutex::new(State { snapshot: cache.snapshot(), shown: position, position }) }
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().snapshot)
    }

    pub(super) fn position(&self) -> u64 {
        self.lock().position
    }

    /// Adopts the state of the cache, but keeps the current snapshot if the new one is behind it: while the index is
    /// being rebuilt, searches use the old one.
    pub(super) fn advance(&self, cache: &Cache) {
        let mut state = self.lock();
        state.position = cache.position();
        if state.position >= state.shown {
            (state.snapshot, state.shown) = (cache.snapshot(), state.position);
        }
    }

    /// Adopts the state of the cache, even if its snapshot is behind the current one.
    pub(super) fn reset(&self, cache: &Cache) {
        let position = cache.position();
        *self.lock() = State { snapshot: cache.snapshot(), shown: position, position };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
