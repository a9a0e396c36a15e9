//! Index files that are kept in step with a catalog.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_core::index::{Cache, CacheState, Snapshot};

use refrain_catalog::Catalog;

use crate::result::{SyncError, SyncReport, task_failed};
use tokio::sync::Semaphore;

mod batch;
mod follow;
mod refresh;
mod view;

pub use follow::{FollowEvent, IndexFollower};
use view::IndexView;

pub(crate) use batch::{ChangeBatch, remaining_additions, split_into_batches};
pub(crate) use refresh::unpack;

/// Maximum number of concurrent database queries for constellations. The pool has 8 connections, which other calls of
/// the process need too. With 1 or 2, reading waits for round trips; with 6, a build takes most of the pool. Not
/// measured.
const MAX_CONCURRENT_READS: usize = 3;

/// A catalog and the search index that is derived from it.
///
/// The index is stored in files and can be deleted at any time. [`IndexSync::refresh`] applies the changes of the
/// catalog to it.
pub struct IndexSync {
    catalog: Arc<dyn Catalog>,
    /// Shared with the thread that applies changes, which completes its work even if the refresh is dropped.
    cache: Arc<Mutex<Cache>>,
    /// Snapshot and position that the thread that applies changes has produced so far.
    view: Arc<IndexView>,
    /// Position of the last change that was reported. Changes from before the opening of this `IndexSync` count as
    /// reported.
    reported: u64,
    /// Work that is done and not yet reported, because an error occurred or the call was dropped before the report.
    pending: SyncReport,
    /// Limits the number of concurrent queries for constellations.
    read_permits: Arc<Semaphore>,
}

impl IndexSync {
    /// Opens the index files at `cache_prefix`, or creates new ones. [`IndexSync::refresh`] fills them.
    ///
    /// The returned state indicates if valid files existed. `Missing` and `Discarded` mean that the next refresh builds
    /// the whole index, which the caller may announce in one line.
    ///
    /// # Errors
    /// If the catalog cannot be read, or the operating system denies access to the index files.
    pub async fn open(
        catalog: Arc<dyn Catalog>,
        cache_prefix: &Path,
    ) -> Result<(Self, CacheState), SyncError> {
        let identity = catalog.identity();
        let prefix = cache_prefix.to_owned();
        let work = move || Cache::open(&prefix, identity);
        // Opening maps files and can wait for the lock of another process.
        let (cache, state) = tokio::task::spawn_blocking(work).await.map_err(task_failed)??;
        let view = Arc::new(IndexView::of(&cache));
        let cache = Arc::new(Mutex::new(cache));
        let read_permits = Arc::new(Semaphore::new(MAX_CONCURRENT_READS));
        // `discard_if_ahead` lowers `reported` to the newest change, so that no change from before the opening is
        // reported.
        let mut sync =
            Self { catalog, cache, view, reported: u64::MAX, pending: SyncReport::default(), read_permits };
        let discarded = sync.discard_if_ahead().await?;
        Ok((sync, discarded.unwrap_or(state)))
    }

    /// Discards the index if it is ahead of the catalog. The catalog was then restored from an older copy, and will
    /// give the same change numbers to other changes. Returns the reason as a [`CacheState`], or `None` if the index
    /// was kept.
    async fn discard_if_ahead(&mut self) -> Result<Option<CacheState>, SyncError> {
        // The position of the index is read first: another process can advance both positions at any time, and advances
        // the catalog before the index.
        let (index_position, newest) = (self.position(), self.catalog.position().await?);
        // Changes after the position of an older copy get the same numbers again and have to be reported.
        self.reported = self.reported.min(newest);
        if index_position <= newest {
            return Ok(None);
        }
        self.discard().await?;
        Ok(Some(CacheState::Discarded(format!(
            "the search index is at change {index_position}, but the catalog at {newest}: the catalog is an older copy"
        ))))
    }

    /// Discards the index because a search found it damaged. The next refresh rebuilds it.
    ///
    /// # Errors
    /// [`SyncError::Thread`] if the task that discards the index fails.
    pub async fn discard(&mut self) -> Result<(), SyncError> {
        self.discard_with(IndexView::reset).await
    }

    /// Discards the index, but keeps the old snapshot for searches until the next refresh has built a new one.
    async fn discard_keeping_snapshot(&mut self) -> Result<(), SyncError> {
        self.discard_with(IndexView::advance).await
    }

    async fn discard_with(&mut self, show: fn(&IndexView, &Cache)) -> Result<(), SyncError> {
        let (cache, view) = (Arc::clone(&self.cache), Arc::clone(&self.view));
        let work = move || {
            // The view is changed under the lock of the cache, so that a running build cannot publish the old state
            // after this change.
            let mut cache = lock(&cache);
            cache.discard();
            show(&view, &cache);
        };
        tokio::task::spawn_blocking(work).await.map_err(task_failed)
    }

    /// Returns the snapshot to search. The call does not wait for a running refresh. A snapshot contains at least the
    /// changes that earlier snapshots contain, unless the index was discarded.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.view.snapshot()
    }

    /// Returns the change number of the catalog that the index has reached.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.view.position()
    }

    /// Returns the catalog that the index follows.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }
}

/// Locks the cache even if a thread panicked while it held the lock: changes to the cache are atomic, so it stays
/// valid.
fn lock(cache: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}
