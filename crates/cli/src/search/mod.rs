//! Searching from many threads, and healing an index cache that turns out to be damaged meanwhile.

mod following;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use refrain_catalog::{Library, TrackNumber};
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::{Effort, MatchSettings, Matches, identify};

use crate::output::Output;
use crate::settings::{SearchHome, Settings};
use crate::store::Store;

use following::Following;
pub(crate) use following::News;
use rows::Rows;

/// How often one search has a damaged index built again: the first copy may be replaced by one that is no better.
const HEALS: usize = 2;

/// The index of a catalogue, to be searched by any thread.
///
/// The pages of the index files are checked when a search first touches them. If a page fails its checksum, the cache
/// is built again from the catalogue, with one line on standard error, and the search is repeated. No other error of a
/// search touches the files.
pub(crate) struct Searcher<'a> {
    store: &'a Store,
    output: &'a Output,
    settings: MatchSettings,
    index: Index<'a>,
}

/// Where the index is, and how it gets to know of changes.
enum Index<'a> {
    /// In the database; by looking now and then.
    Rows(Rows<'a>),
    /// When it is told to look.
    Asked(Mutex<Library>),
    /// By itself.
    Following(Following),
}

impl<'a> Searcher<'a> {
    /// Opens the index and brings it up to date with the catalogue.
    pub(crate) fn open(store: &'a Store, settings: &Settings, output: &'a Output) -> Result<Self> {
        keep_to(settings.jobs);
        let index = match settings.search {
            SearchHome::Local => Index::Asked(Mutex::new(store.library(output)?)),
            SearchHome::Database => Index::Rows(Rows::open(store, output)?),
        };
        Ok(Self { store, output, settings: settings.matching(), index })
    }

    /// The same with an index that is made from nothing.
    pub(crate) fn rebuilt(store: &'a Store, settings: &Settings, output: &'a Output) -> Result<Self> {
        match settings.search {
            SearchHome::Local => store.discard_library()?,
            SearchHome::Database => Rows::discard(store)?,
        }
        Self::open(store, settings, output)
    }

    /// The same as [`Self::open`]; from here on the index follows by itself what any process changes.
    pub(crate) fn following(store: &'a Store, settings: &Settings, output: &'a Output) -> Result<Self> {
        keep_to(settings.jobs);
        let index = match settings.search {
            SearchHome::Local => Index::Following(Following::open(store, output)?),
            SearchHome::Database => Index::Rows(Rows::open(store, output)?),
        };
        Ok(Self { store, output, settings: settings.matching(), index })
    }

    /// What the index has heard of by itself since this was asked last.
    pub(crate) fn news(&self) -> News {
        match &self.index {
            Index::Asked(_) => News::default(),
            Index::Following(following) => following.news(),
            Index::Rows(rows) => rows.news(),
        }
    }

    /// Number of tracks that can be found.
    pub(crate) fn tracks(&self) -> usize {
        match &self.index {
            Index::Asked(library) => lock(library).snapshot().tracks(),
            Index::Following(following) => following.snapshot().tracks(),
            Index::Rows(rows) => rows.tracks(),
        }
    }

    /// Makes tracks that were added meanwhile searchable.
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

    /// All tracks that a query would be found in if each were the only one: the matches and their alternatives.
    pub(crate) fn same_sound(&self, query: &Constellation, effort: Effort) -> Result<Vec<TrackNumber>> {
        let matches = self.identify_with(query, &MatchSettings { effort, ..self.settings.clone() })?;
        let copies = matches.alternatives.iter().map(|other| &other.best);
        let mut tracks: Vec<_> = matches.found.iter().chain(copies).map(|found| found.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        Ok(tracks)
    }

    /// Builds the cache again, unless another thread was faster.
    fn heal(&self, bad: &Arc<Snapshot>, error: &IndexError) -> Result<()> {
        let library = match &self.index {
            Index::Asked(library) => library,
            Index::Following(following) => return following.heal(bad, error, self.store, self.output),
            // Its damage is not this machine's; the error says what to do.
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

/// The matcher spreads long inputs over rayon's threads; these are to be no more than `--jobs` allows.
/// By itself rayon takes one per core, and starts them only when they are needed.
pub(crate) fn keep_to(jobs: usize) {
    if std::thread::available_parallelism().is_ok_and(|cores| jobs < cores.get()) {
        // Fails only where the pool is there already, with this size.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
