//! Keeps an index in step with its catalog in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use refrain_core::index::{IndexError, Snapshot};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::IndexSync;
use super::view::IndexView;
use crate::result::{SkippedTrack, SyncError, SyncReport};
use refrain_catalog::Catalog;

/// Maximum duration of one wait for a change. After that, the follower reads the changes and waits again. Catalogs in
/// SQLite and in PostgreSQL also poll for changes, so half or twice this value does not change the time after which a
/// change is noticed.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Pause after a change is noticed, to collect further ones. Otherwise a busy indexer would produce one index run per
/// track. The pause is a tenth of the two seconds within which an [`IndexFollower`] makes a change searchable. At half
/// this value, an indexer that adds ten songs per second causes twice as many runs; at twice this value, every change
/// is searchable 200 ms later.
const COALESCE_PAUSE: Duration = Duration::from_millis(200);

/// Pause after the first failure; each further failure doubles it. At half this value, an unavailable server receives
/// one more attempt before the maximum pause; at twice this value, recovery from a short failure takes 250 ms longer.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Maximum pause between two attempts. At half this value, a server that is unavailable receives twice as many
/// attempts; at twice this value, the index is up to 20 s late after the server is back.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Keeps an [`IndexSync`] in step with its catalog while a process runs: a change by any process is searchable in this
/// process within two seconds. Dropping the follower ends its background task.
///
/// A search takes an [`IndexFollower::snapshot`] and keeps it. It does not wait for an index that is being built.
pub struct IndexFollower {
    state: Arc<FollowerState>,
    task: JoinHandle<()>,
}

/// An event that an [`IndexFollower`] reports to its listener.
#[derive(Debug)]
#[non_exhaustive]
pub enum FollowEvent<'a> {
    /// Changes were applied to the index. The listener must drop cached data about the tracks in
    /// [`SyncReport::changes`].
    Changed(&'a SyncReport),
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
    /// The first successful attempt after failures: the index is in step with the catalog.
    Recovered,
}

impl FollowEvent<'_> {
    /// Logs the event. Of the failures of an outage, which can last for hours, only the first one is logged.
    pub fn log(&self) {
        match self {
            Self::Changed(done) => {
                tracing::info!(
                    added = done.added,
                    removed = done.removed,
                    "changes of the catalog applied to the index"
                );
                done.skipped.iter().for_each(SkippedTrack::log);
            }
            Self::Failed { error, failures: 1, pause } => {
                tracing::warn!(
                    %error,
                    first_retry_seconds = pause.as_secs_f64(),
                    "cannot update the index with changes of the catalog; searching without the newest tracks, \
                     and retrying with growing pauses, which is not logged, until it succeeds"
                );
            }
            Self::Failed { .. } => {}
            Self::Recovered => {
                tracing::info!(
                    "index updated with all changes of the catalog after the failure that was logged"
                );
            }
        }
    }
}

/// The function that receives the events. It is called in the background task, so it must not block.
type EventCallback = dyn Fn(FollowEvent<'_>) + Send + Sync;

struct FollowerState {
    catalog: Arc<dyn Catalog>,
    view: Arc<IndexView>,
    sync: Mutex<IndexSync>,
    on_event: Box<EventCallback>,
    /// True if no more events are reported.
    stopped: AtomicBool,
}

impl IndexFollower {
    /// Starts to follow the catalog at the position of `sync`, in a task of the current tokio runtime.
    #[must_use]
    pub fn start(sync: IndexSync, on_event: impl Fn(FollowEvent<'_>) + Send + Sync + 'static) -> Self {
        let state = Arc::new(FollowerState {
            catalog: Arc::clone(&sync.catalog),
            view: Arc::clone(&sync.view),
            sync: Mutex::new(sync),
            on_event: Box::new(on_event),
            stopped: AtomicBool::new(false),
        });
        let task = tokio::spawn(follow(Arc::clone(&state)));
        Self { state, task }
    }

    /// Ends the background task: no event is reported any more, and the snapshot remains. Call this before the catalog is
    /// closed, because a reader of a closed catalog fails.
    pub fn stop(&self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.task.abort();
    }

    /// Returns the snapshot to search.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.state.view.snapshot()
    }

    /// Returns the change number of the catalog that the index has reached. While the index is being rebuilt, this
    /// number is lower than the change up to which [`IndexFollower::snapshot`] is complete.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.state.view.position()
    }

    /// Returns the catalog that is followed.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.state.catalog
    }

    /// Rebuilds the index after a search has found a damaged file of the snapshot `damaged`. Does nothing if that
    /// snapshot has been replaced already. Other searches continue with the intact part of the old index.
    ///
    /// # Errors
    /// The error that prevented the rebuild. The follower continues in any case.
    pub async fn heal(&self, damaged: &Arc<Snapshot>) -> Result<(), SyncError> {
        let mut sync = self.state.sync.lock().await;
        // Several searches find the same damage at the same time; only the first one rebuilds.
        if !Arc::ptr_eq(damaged, &sync.snapshot()) {
            return Ok(());
        }
        sync.discard_keeping_snapshot().await?;
        self.state.catch_up(&mut sync).await
    }
}

impl Drop for IndexFollower {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn follow(state: Arc<FollowerState>) {
    let mut failures = 0u32;
    loop {
        // Errors never end the task: searches continue with the last snapshot, and the catalog may become available
        // again at any time.
        let Err(error) = state.round(failures > 0).await else {
            if failures > 0 {
                state.report(FollowEvent::Recovered);
            }
            failures = 0;
            continue;
        };
        // The exponent is limited, because a shift by 32 or more overflows.
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(MAX_PAUSE);
        failures = failures.saturating_add(1);
        state.report(FollowEvent::Failed { error: &error, failures, pause });
        tokio::time::sleep(pause).await;
        let is_unusable =
            |error: &IndexError| matches!(error, IndexError::Damaged { .. } | IndexError::Unusable { .. });
        if matches!(&error, SyncError::Index(error) if is_unusable(error)) {
            // This fails only if no thread is available; the next round reports that error.
            let _ = state.sync.lock().await.discard_keeping_snapshot().await;
        }
    }
}

impl FollowerState {
    /// Reports an event to the listener, unless the follower was stopped.
    fn report(&self, event: FollowEvent<'_>) {
        if !self.stopped.load(Ordering::SeqCst) {
            (self.on_event)(event);
        }
    }

    /// Applies all available changes, then waits for another change, at most [`MAX_WAIT`]. If `after_failure` is true,
    /// first checks if the catalog was restored from an older copy, and does not wait.
    async fn round(&self, after_failure: bool) -> Result<(), SyncError> {
        let mut sync = self.sync.lock().await;
        if after_failure {
            // A database that was unavailable may have been restored from an older copy.
            sync.discard_if_ahead().await?;
        }
        self.catch_up(&mut sync).await?;
        // The lock is not held during the wait, so that a search can have the index rebuilt.
        drop(sync);
        // Returns without waiting for a change, so that the recovery is reported at once.
        if after_failure {
            return Ok(());
        }
        if self.catalog.wait_for_change(self.view.position(), MAX_WAIT).await? {
            tokio::time::sleep(COALESCE_PAUSE).await;
        }
        Ok(())
    }

    /// Applies changes and reports them page by page, because a busy indexer may add pages faster than they are
    /// applied.
    async fn catch_up(&self, sync: &mut IndexSync) -> Result<(), SyncError> {
        loop {
            // An error is returned after the report, because changes that were applied before it must be dropped from
            // caches.
            let more = sync.step().await;
            let refreshed = sync.take_pending();
            if refreshed != SyncReport::default() {
                self.report(FollowEvent::Changed(&refreshed));
            }
            if !more? {
                return Ok(());
            }
        }
    }
}
