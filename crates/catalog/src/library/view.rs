//! What searchers see of an index while it is being built.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_core::index::{Cache, Snapshot};

/// The snapshot to search and how far the index has come. Looking at it waits for nobody: a build holds the cache
/// for seconds, this only while two pointers are exchanged.
#[derive(Debug)]
pub(super) struct View {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    snapshot: Arc<Snapshot>,
    /// The change that the snapshot is complete to.
    shown: u64,
    /// The change that the cache is complete to: behind `shown` while the index is built again.
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

    /// Takes the cache's state over, but shows no snapshot that knows less than the one that is shown: while the
    /// index is built again, searches keep the old one.
    pub(super) fn advance(&self, cache: &Cache) {
        let mut state = self.lock();
        state.position = cache.position();
        if state.position >= state.shown {
            (state.snapshot, state.shown) = (cache.snapshot(), state.position);
        }
    }

    /// Shows the cache as it is.
    pub(super) fn reset(&self, cache: &Cache) {
        let position = cache.position();
        *self.lock() = State { snapshot: cache.snapshot(), shown: position, position };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
