//! Search from several threads, with repair of an index cache in which a search finds damage.

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

/// Maximum number of times that one search rebuilds a damaged index. More than one, because the rebuilt index can be
/// damaged too. On a failing disk every rebuild is damaged; a higher number would only repeat an expensive rebuild
/// before the error.
const MAX_REBUILDS: usize = 2;

/// Searches the index of a catalog, from any thread.
///
/// The pages of the index files are checked when a search first reads them. If the checksum of a page is wrong, the cache
/// is rebuilt from the catalog, with one line on standard error, and the search is repeated. No other error of a search
/// changes the files.
pub(crate) struct Searcher<'a> {
    context: &'a CommandContext,
    output: &'a Output,
    settings: MatchSettings,
    index: IndexSource<'a>,
}

/// Location of the index and the way in which it receives changes of the catalog.
enum IndexSource<'a> {
    /// Index in the database, which checks for changes at intervals.
    DatabaseSearch(DatabaseSearch<'a>),
    /// Local index, which is updated by [`Searcher::refresh`] only.
    OnDemand(Mutex<IndexSync>),
    /// Local index, which follows the catalog in the background.
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

    /// Like [`Self::open`], but discards the index first and rebuilds it from the catalog.
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

    /// Like [`Self::open`], but the index then follows the changes of all processes in the background.
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

    /// Returns the changes of the catalog that the index has received by itself since the last call.
    pub(crate) fn index_changes(&self) -> IndexChanges {
        match &self.index {
            IndexSource::OnDemand(_) => IndexChanges::default(),
            IndexSource::FollowingIndex(following) => following.index_changes(),
            IndexSource::DatabaseSearch(rows) => rows.index_changes(),
        }
    }

    /// Returns the number of searchable tracks.
    pub(crate) fn tracks(&self) -> usize {
        match &self.index {
            IndexSource::OnDemand(index_sync) => lock(index_sync).snapshot().tracks(),
            IndexSource::FollowingIndex(following) => following.snapshot().tracks(),
            IndexSource::DatabaseSearch(rows) => rows.tracks(),
        }
    }

    /// Makes tracks searchable that were added since the last update. An index that follows the catalog needs no refresh.
    pub(crate) fn refresh(&self) -> Result<()> {
        match &self.index {
            IndexSource::OnDemand(index_sync) => self.context.refresh(&mut lock(index_sync), self.output),
            IndexSource::FollowingIndex(_) => Ok(()),
            IndexSource::DatabaseSearch(rows) => rows.refresh(),
        }
    }

    /// Finds every song in a query.
    pub(crate) fn identify(&self, query: &Constellation) -> Result<Matches> {
        self.identify_with(query, &self.settings)
    }

    fn identify_with(&self, query: &Constellation, settings: &MatchSettings) -> Result<Matches> {
        // Taken again for each attempt: a rebuild replaces the snapshot.
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
        // The last attempt returns its error.
        Ok(identify(&current(), query, settings)?)
    }

    /// Returns all tracks that have the same audio as a query: the matches and their alternatives.
    pub(crate) fn same_sound(&self, query: &Constellation, effort: Effort) -> Result<Vec<TrackNumber>> {
        let matches = self.identify_with(query, &MatchSettings { effort, ..self.settings.clone() })?;
        let copies = matches.alternatives.iter().map(|other| &other.best);
        let mut tracks: Vec<_> = matches.found.iter().chain(copies).map(|found| found.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        Ok(tracks)
    }

    /// Rebuilds the cache, unless another thread has rebuilt it already.
    fn heal(&self, bad: &Arc<Snapshot>, error: &IndexError) -> Result<()> {
        let index_sync = match &self.index {
            IndexSource::OnDemand(index_sync) => index_sync,
            IndexSource::FollowingIndex(following) => {
                return following.heal(bad, error, self.context, self.output);
            }
            // Damage in the database cannot be repaired here. The error says what to do.
            IndexSource::DatabaseSearch(_) => return Ok(()),
        };
        // Held during the rebuild, so that searches on other threads wait for it.
        let mut index_sync = lock(index_sync);
        // Another snapshot than the damaged one means that the rebuild is done.
        if Arc::ptr_eq(bad, &index_sync.snapshot()) {
            self.output.note(&format!("refrain: {error}; doing so now"));
            self.context.wait(index_sync.discard())?;
            self.context.refresh(&mut index_sync, self.output)?;
        }
        Ok(())
    }
}

/// Limits rayon's thread pool to `jobs` threads. The matcher processes long inputs in this pool, which otherwise has one
/// thread per core. The pool starts its threads only when they are needed.
pub(crate) fn limit_rayon_threads(jobs: usize) {
    // With more jobs than cores, more threads would only compete for the cores.
    if std::thread::available_parallelism().is_ok_and(|cores| jobs < cores.get()) {
        // Fails only if the pool exists already, which then has this size.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
