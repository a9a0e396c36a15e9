//! A library that follows its catalogue by itself.

use std::sync::Arc;
use std::time::Duration;

use refrain_core::index::{IndexError, Snapshot};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::view::View;
use super::{Library, LibraryError, Refreshed};
use crate::Catalog;

/// Longest time that a change is waited for at once. No news comes of it: waiting goes on.
const WAIT: Duration = Duration::from_secs(60);

/// After a change was noticed, others are let come, so that a busy indexer does not make an index run of each track.
const GATHER: Duration = Duration::from_millis(200);

/// Pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Keeps a [`Library`] in step with its catalogue while a process runs: what any process adds, changes or removes is
/// so here within two seconds. It ends when it is dropped.
///
/// Searches take a [`Follower::snapshot`] and keep it; they wait for nothing that is built meanwhile.
pub struct Follower {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a [`Follower`] tells its listener.
#[derive(Debug)]
#[non_exhaustive]
pub enum Followed<'a> {
    /// Changes were taken in. Whoever keeps tracks in memory drops those that they name.
    Changed(&'a Refreshed),
    /// The catalogue or the index could not be followed. What was searchable still is; it is tried again after the
    /// pause, for ever.
    Failed {
        /// Why.
        error: &'a LibraryError,
        /// Failures without a success between them, this one included.
        failures: u32,
        /// Time until the next try.
        pause: Duration,
    },
    /// After failures: the index is in step again.
    Recovered,
}

/// Who is told of what happens; called in the background, so it must not wait for anything.
type Listener = dyn Fn(Followed<'_>) + Send + Sync;

struct Shared {
    catalog: Arc<dyn Catalog>,
    view: Arc<View>,
    library: Mutex<Library>,
    listener: Box<Listener>,
}

impl Follower {
    /// Follows from where the library is, in a task of the tokio runtime that this is called in.
    #[must_use]
    pub fn start(library: Library, listener: impl Fn(Followed<'_>) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            catalog: Arc::clone(&library.catalog),
            view: Arc::clone(&library.view),
            library: Mutex::new(library),
            listener: Box::new(listener),
        });
        let task = tokio::spawn(follow(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// What can be searched now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.view.snapshot()
    }

    /// The catalogue's change number that the index has reached; behind what [`Follower::snapshot`] knows while the
    /// index is built again.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.shared.view.position()
    }

    /// The catalogue that is followed.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.shared.catalog
    }

    /// Builds the index again because a search found a file of this snapshot damaged, unless that has been done
    /// already. Other searches go on with what is whole of the old one.
    ///
    /// # Errors
    /// What keeps the index from being built; following goes on all the same.
    pub async fn heal(&self, damaged: &Arc<Snapshot>) -> Result<(), LibraryError> {
        let mut library = self.shared.library.lock().await;
        if !Arc::ptr_eq(damaged, &library.snapshot()) {
            return Ok(());
        }
        library.begin_behind().await?;
        self.shared.catch_up(&mut library).await
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
        if matches!(&error, LibraryError::Index(error) if broken(error)) {
            // Fails only where no thread can be had; the next round tells of it.
            let _ = shared.library.lock().await.begin_behind().await;
        }
    }
}

impl Shared {
    /// Takes in what there is, then waits for more.
    async fn round(&self, after_failure: bool) -> Result<(), LibraryError> {
        let mut library = self.library.lock().await;
        if after_failure {
            // A database that was away may have come back as an older copy of itself.
            library.check_age().await?;
        }
        self.catch_up(&mut library).await?;
        drop(library);
        if after_failure {
            return Ok(());
        }
        if self.catalog.wait_for_change(self.view.position(), WAIT).await? {
            tokio::time::sleep(GATHER).await;
        }
        Ok(())
    }

    /// Tells page by page: under a busy indexer there may always be another one.
    async fn catch_up(&self, library: &mut Library) -> Result<(), LibraryError> {
        loop {
            let more = library.step().await;
            let news = library.told_now();
            if news != Refreshed::default() {
                (self.listener)(Followed::Changed(&news));
            }
            if !more? {
                return Ok(());
            }
        }
    }
}
