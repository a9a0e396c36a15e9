//! Search in the index from several threads. If a search finds damage in the index cache, the cache is rebuilt.

mod following;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use refrain_catalog::TrackNumber;
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::{Effort, MatchSettings, Matches, identify};
use refrain_index_sync::IndexSync;

use crate::context::CommandContext;
use crate::output::Output;
use crate::settings::{SearchBackend, Settings};

use following::FollowingIndex;
pub(crate) use following::IndexChanges;
use rows::DatabaseSearch;

/// Maximum number of rebuilds of a damaged index during one search. It is 2, because the rebuilt index can be damaged
/// too. On a failing disk every rebuild is damaged, and more rebuilds would only delay the error.
const MAX_REBUILDS: usize = 2;

/// Searches the index of a catalog. It can be used from several threads.
///
/// The pages of the index files are verified when a search first reads them. If the checksum of a page is wrong, the
/// cache is rebuilt from the catalog, a note is printed on standard error, and the search is repeated. After any other
/// error, the files stay as they are.
pub(crate) struct Searcher<'a> {
    context: &'a CommandContext,
    output: &'a Output,
    settings: MatchSettings,
    index: IndexSource<'a>,
}

/// The kind of index that is searched, and how it gets the changes of the catalog.
enum IndexSource<'a> {
    /// Index in the database. Searches check for changes if the last check is older than a second.
    DatabaseSearch(DatabaseSearch<'a>),
    /// Local index that is updated only by [`Searcher::refresh`].
    OnDemand(Mutex<IndexSync>),
    /// Local index that is updated in the background.
    FollowingIndex(FollowingIndex),
}

impl<'a> Searcher<'a> {
    /// Opens the index and brings it up to date with the catalog.
    pub(crate) fn open(context: &'a CommandContext, settings: &Settings, output: &'a Output) -> Result<Self> {
        limit_rayon_threads(settings.jobs);
        let index = match settings.search {
            SearchBackend::Local => IndexSource::OnDemand(Mutex::new(context.index_sync(output)?)),
            SearchBackend::Database => IndexSource::DatabaseSearch(DatabaseSearch::open(context, output)?),
        };
        Ok(Self { context, output, settings: settings.matching(), index })
    }

    /// Like [`Self::open`], but first deletes the index, so that it is rebuilt from the catalog.
    pub(crate) fn open_rebuilt(
        context: &'a CommandContext,
        settings: &Settings,
        output: &'a Output,
    ) -> Result<Self> {
        match settings.search {
            SearchBackend::Local => context.discard_index()?,
            SearchBackend::Database => DatabaseSearch::discard(context)?,
        }
        Self::open(context, settings, output)
    }

    /// Like [`Self::open`], but a local index then also follows the changes of the catalog in the background.
    pub(crate) fn following(
        context: &'a CommandContext,
        settings: &Settings,
        output: &'a Output,
    ) -> Result<Self> {
        limit_rayon_threads(settings.jobs);
        let index = match settings.search {
            SearchBackend::Local => IndexSource::FollowingIndex(FollowingIndex::open(context, output)?),
            SearchBackend::Database => IndexSource::DatabaseSearch(DatabaseSearch::open(context, output)?),
        };
        Ok(Self { context, output, settings: settings.matching(), index })
    }

    /// Returns the changes that the index has applied in the background since the last call. Empty for an index that is
    /// updated only by [`Self::refresh`].
    pub(crate) fn index_changes(&self) -> IndexChanges {
        match &self.index {
            IndexSource::OnDemand(_) => IndexChanges::default(),
            IndexSource::FollowingIndex(following) => following.index_changes(),
            IndexSource::DatabaseSearch(rows) => rows.index_changes(),
        }
    }

    /// Returns the number of tracks that a search can find.
    pub(crate) fn tracks(&self) -> usize {
        match &self.index {
            IndexSource::OnDemand(index_sync) => lock(index_sync).snapshot().tracks(),
            IndexSource::FollowingIndex(following) => following.snapshot().tracks(),
            IndexSource::DatabaseSearch(rows) => rows.tracks(),
        }
    }

    /// Applies the changes of the catalog since the last update to the index. Does nothing for a local index that
    /// follows the catalog in the background.
    pub(crate) fn refresh(&self) -> Result<()> {
        match &self.index {
            IndexSource::OnDemand(index_sync) => self.context.refresh(&mut lock(index_sync), self.output),
            IndexSource::FollowingIndex(_) => Ok(()),
            IndexSource::DatabaseSearch(rows) => rows.refresh(),
        }
    }

    /// Searches for all songs in a query and returns the matches.
    pub(crate) fn identify(&self, query: &Constellation) -> Result<Matches> {
        self.identify_with(query, &self.settings)
    }

    fn identify_with(&self, query: &Constellation, settings: &MatchSettings) -> Result<Matches> {
        // The snapshot is read again before each attempt, because a rebuild replaces it.
        let current: &dyn Fn() -> Arc<Snapshot> = match &self.index {
            IndexSource::OnDemand(index_sync) => &|| lock(index_sync).snapshot(),
            IndexSource::FollowingIndex(following) => &|| following.snapshot(),
            IndexSource::DatabaseSearch(rows) => return rows.identify(query, settings),
        };
        for _ in 0..MAX_REBUILDS {
            let snapshot = current();
            match identify(&snapshot, query, settings) {
                Err(error @ IndexError::Damaged { .. }) => {
                    self.heal(&snapshot, &error)?;
                }
                result => return Ok(result?),
            }
        }
        // If the last attempt fails too, its error is returned.
        Ok(identify(&current(), query, settings)?)
    }

    /// Returns the tracks that have the same audio as a query, each once: those of the matches and of their
    /// alternatives.
    pub(crate) fn same_sound(&self, query: &Constellation, effort: Effort) -> Result<Vec<TrackNumber>> {
        let matches = self.identify_with(query, &MatchSettings { effort, ..self.settings.clone() })?;
        let copies = matches.alternatives.iter().map(|other| &other.best);
        let mut tracks: Vec<_> = matches.found.iter().chain(copies).map(|found| found.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        Ok(tracks)
    }

    /// Rebuilds the local index, unless another thread has already replaced the damaged snapshot `bad`.
    fn heal(&self, bad: &Arc<Snapshot>, error: &IndexError) -> Result<()> {
        let index_sync = match &self.index {
            IndexSource::OnDemand(index_sync) => index_sync,
            IndexSource::FollowingIndex(following) => {
                return following.heal(bad, error, self.context, self.output);
            }
            // A search does not repair an index in the database. Its error contains the advice.
            IndexSource::DatabaseSearch(_) => return Ok(()),
        };
        // The lock is held during the rebuild, so that searches on other threads wait until it is done.
        let mut index_sync = lock(index_sync);
        // If the snapshot is not the damaged one, another thread has already rebuilt the index.
        if Arc::ptr_eq(bad, &index_sync.snapshot()) {
            self.output.note(&format!("refrain: {error}; doing so now"));
            self.context.wait(index_sync.discard())?;
            self.context.refresh(&mut index_sync, self.output)?;
        }
        Ok(())
    }
}

/// Limits rayon's global thread pool to `jobs` threads. The matcher processes long inputs in this pool, which by
/// default has one thread per core. The pool starts when it is first used.
pub(crate) fn limit_rayon_threads(jobs: usize) {
    // With more jobs than cores, the default is kept, because more threads would only compete for the cores.
    if std::thread::available_parallelism().is_ok_and(|cores| jobs < cores.get()) {
        // This fails only if an earlier call has already created the pool, with the same number of threads.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
