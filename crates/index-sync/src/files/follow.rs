//! Keeps a sync in step with its catalog in the background.

use std::sync::Arc;
use std::time::Duration;

use refrain_core::index::{IndexError, Snapshot};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::IndexSync;
use super::view::View;
use crate::result::{Refreshed, SyncError};
use refrain_catalog::Catalog;

/// Maximum duration of one wait for a change. When it elapses, the wait is repeated.
const WAIT: Duration = Duration::from_secs(60);

/// Pause after a change is noticed, to collect further ones. Otherwise a busy indexer would produce one index run per
/// track.
const GATHER: Duration = Duration::from_millis(200);

/// Pause after the first failure; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Maximum pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Keeps a [`IndexSync`] in step with its catalog while a process runs: a change by any process is searchable here within
/// two seconds. Dropping it ends the task.
///
/// Searches take a [`Follower::snapshot`] and keep it; they do not wait for an index that is being built.
pub struct Follower {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// An event that a [`Follower`] reports to its listener.
#[derive(Debug)]
#[non_exhaustive]
pub enum Followed<'a> {
    /// Changes were applied to the index. Data about the tracks that they name must be dropped from caches.
    Changed(&'a Refreshed),
    /// The catalog could not be read, or the index could not be updated. The last snapshot can still be searched. The
    /// follower retries after the pause, without a limit.
    Failed {
        /// Reason of the failure.
        error: &'a SyncError,
        /// Number of consecutive failures, including this one.
        failures: u32,
        /// Time until the next attempt.
        pause: Duration,
    },
    /// The index is in step again after failures.
    Recovered,
}

/// Receives the events; it is called in the background, so it must not block.
type Listener = dyn Fn(Followed<'_>) + Send + Sync;

struct Shared {
    catalog: Arc<dyn Catalog>,
    view: Arc<View>,
    sync: Mutex<IndexSync>,
    listener: Box<Listener>,
}

impl Follower {
    /// Starts to follow the catalog at the position of the sync, in a task of the current tokio runtime.
    #[must_use]
    pub fn start(sync: IndexSync, listener: impl Fn(Followed<'_>) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            catalog: Arc::clone(&sync.catalog),
            view: Arc::clone(&sync.view),
            sync: Mutex::new(sync),
            listener: Box::new(listener),
        });
        let task = tokio::spawn(follow(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Returns the snapshot to search.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.view.snapshot()
    }

    /// Returns the change number of the catalog that the index has reached. It is behind that of [`Follower::snapshot`]
    /// while the index is being rebuilt.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.shared.view.position()
    }

    /// Returns the catalog that is followed.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.shared.catalog
    }

    /// Rebuilds the index because a search found a file of the snapshot `damaged` to be damaged, unless the snapshot
    /// has been replaced already. Other searches continue with the intact part of the old index.
    ///
    /// # Errors
    /// The error that prevented the rebuild. The follower continues in any case.
    pub async fn heal(&self, damaged: &Arc<Snapshot>) -> Result<(), SyncError> {
        let mut sync = self.shared.sync.lock().await;
        if !Arc::ptr_eq(damaged, &sync.snapshot()) {
            return Ok(());
        }
        sync.begin_behind().await?;
        self.shared.catch_up(&mut sync).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(shared: Arc<Shared>) {
    let mut failures = 0u32;
    loop {
        let Err(error) = shared.round(failures > 0).await else {
            if failures > 0 {
                (shared.listener)(Followed::Recovered);
            }
            failures = 0;
            continue;
        };
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
        failures = failures.saturating_add(1);
        (shared.listener)(Followed::Failed { error: &error, failures, pause });
        tokio::time::sleep(pause).await;
        let broken =
            |error: &IndexError| matches!(error, IndexError::Damaged { .. } | IndexError::Unusable { .. });
        if matches!(&error, SyncError::Index(error) if broken(error)) {
            // This fails only if no thread is available; the next round reports that error.
            let _ = shared.sync.lock().await.begin_behind().await;
        }
    }
}

impl Shared {
    /// Applies all available changes, then waits for more.
    async fn round(&self, after_failure: bool) -> Result<(), SyncError> {
        let mut sync = self.sync.lock().await;
        if after_failure {
            // A database that was unavailable may have been restored from an older copy.
            sync.check_age().await?;
        }
        self.catch_up(&mut sync).await?;
        drop(sync);
        // Returns without waiting for a change, so that the recovery is reported at once.
        if after_failure {
            return Ok(());
        }
        if self.catalog.wait_for_change(self.view.position(), WAIT).await? {
            tokio::time::sleep(GATHER).await;
        }
        Ok(())
    }

    /// Applies changes and reports them page by page, because a busy indexer may add pages faster than they are
    /// applied.
    async fn catch_up(&self, sync: &mut IndexSync) -> Result<(), SyncError> {
        loop {
            let more = sync.step().await;
            let news = sync.told_now();
            if news != Refreshed::default() {
                (self.listener)(Followed::Changed(&news));
            }
            if !more? {
                return Ok(());
            }
        }
    }
}
