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

use crate::output::Output;
use crate::settings::{SearchHome, Settings};
use crate::store::Store;

use following::Following;
pub(crate) use following::News;
use rows::Rows;

/// Maximum number of times that one search rebuilds a damaged index. More than one, because the rebuilt index can be damaged
/// too.
const HEALS: usize = 2;

/// Searches the index of a catalog, from any thread.
///
/// The pages of the index files are checked when a search first reads them. If the checksum of a page is wrong, the cache
/// is rebuilt from the catalog, with one line on standard error, and the search is repeated. No other error of a search
/// changes the files.
pub(crate) struct Searcher<'a> {
    store: &'a Store,
    output: &'a Output,
    settings: MatchSettings,
    index: Index<'a>,
}

/// Location of the index and the way in which it receives changes of the catalog.
enum Index<'a> {
    /// Index in the database, which checks for changes at intervals.
    Rows(Rows<'a>),
    /// Local index, which is updated by [`Searcher::refresh`] only.
    Asked(Mutex<IndexSync>),
    /// Local index, which follows the catalog in the background.
    Following(Following),
}

impl<'a> Searcher<'a> {
    /// Opens the index and brings it up to date with the catalog.
    pub(crate) fn open(store: &'a Store, settings: &Settings, output: &'a Output) -> Result<Self> {
        keep_to(settings.jobs);
        let index = match settings.search {
            SearchHome::Local => Index::Asked(Mutex::new(store.library(output)?)),
            SearchHome::Database => Index::Rows(Rows::open(store, output)?),
        };
        Ok(Self { store, output, settings: settings.matching(), index })
    }

    /// Like [`Self::open`], but discards the index first and rebuilds it from the catalog.
    pub(crate) fn rebuilt(store: &'a Store, settings: &Settings, output: &'a Output) -> Result<Self> {
        match settings.search {
            SearchHome::Local => store.discard_library()?,
            SearchHome::Database => Rows::discard(store)?,
        }
        Self::open(store, settings, output)
    }

    /// Like [`Self::open`], but the index then follows the changes of all processes in the background.
    pub(crate) fn following(store: &'a Store, settings: &Settings, output: &'a Output) -> Result<Self> {
        keep_to(settings.jobs);
        let index = match settings.search {
            SearchHome::Local => Index::Following(Following::open(store, output)?),
            SearchHome::Database => Index::Rows(Rows::open(store, output)?),
        };
        Ok(Self { store, output, settings: settings.matching(), index })
    }

    /// Returns the changes of the catalog that the index has received by itself since the last call.
    pub(crate) fn news(&self) -> News {
        match &self.index {
            Index::Asked(_) => News::default(),
            Index::Following(following) => following.news(),
            Index::Rows(rows) => rows.news(),
        }
    }

    /// Returns the number of searchable tracks.
    pub(crate) fn tracks(&self) -> usize {
        match &self.index {
            Index::Asked(library) => lock(library).snapshot().tracks(),
            Index::Following(following) => following.snapshot().tracks(),
            Index::Rows(rows) => rows.tracks(),
        }
    }

    /// Makes tracks searchable that were added since the last update. An index that follows the catalog needs no refresh.
    pub(crate) fn refresh(&self) -> Result<()> {
        match &self.index {
            Index::Asked(library) => self.store.refresh(&mut lock(library), self.output),
            Index::Following(_) => Ok(()),
            Index::Rows(rows) => rows.refresh(),
        }
    }

    /// Finds every song in a query.
    pub(crate) fn identify(&self, query: &Constellation) -> Result<Matches> {
        self.identify_with(query, &self.settings)
    }

    fn identify_with(&self, query: &Constellation, settings: &MatchSettings) -> Result<Matches> {
        let current: &dyn Fn() -> Arc<Snapshot> = match &self.index {
            Index::Asked(library) => &|| lock(library).snapshot(),
            Index::Following(following) => &|| following.snapshot(),
            Index::Rows(rows) => return rows.identify(query, settings),
        };
        for _ in 0..HEALS {
            let snapshot = current();
            match identify(&snapshot, query, settings) {
                Err(error @ IndexError::Damaged { .. }) => {
                    self.heal(&snapshot, &error)?;
                }
                result => return Ok(result?),
            }
        }
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
        let library = match &self.index {
            Index::Asked(library) => library,
            Index::Following(following) => return following.heal(bad, error, self.store, self.output),
            // Damage in the database cannot be repaired here. The error says what to do.
            Index::Rows(_) => return Ok(()),
        };
        let mut library = lock(library);
        if Arc::ptr_eq(bad, &library.snapshot()) {
            self.output.note(&format!("refrain: {error}; doing so now"));
            self.store.wait(library.discard())?;
            self.store.refresh(&mut library, self.output)?;
        }
        Ok(())
    }
}

/// Limits rayon's thread pool to `jobs` threads. The matcher processes long inputs in this pool, which otherwise has one
/// thread per core. The pool starts its threads only when they are needed.
pub(crate) fn keep_to(jobs: usize) {
    if std::thread::available_parallelism().is_ok_and(|cores| jobs < cores.get()) {
        // Fails only if the pool exists already, which then has this size.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
