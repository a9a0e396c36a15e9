//! Searching from many threads, and healing an index cache that turns out to be damaged meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use refrain_catalog::{Library, TrackNumber};
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::{MatchSettings, Matches, identify};

use crate::output::Output;
use crate::settings::Settings;
use crate::store::Store;

/// The index of a catalogue, to be searched by any thread.
///
/// The parts of the index files are checked when a search touches them. Where one is damaged, the cache is
/// built again from the catalogue, once and with one line on standard error, and the search repeated.
pub(crate) struct Searcher<'a> {
    store: &'a Store,
    output: &'a Output,
    settings: MatchSettings,
    library: Mutex<Library>,
}

impl<'a> Searcher<'a> {
    /// Opens the index and brings it up to date with the catalogue.
    pub(crate) fn open(store: &'a Store, settings: &Settings, output: &'a Output) -> Result<Self> {
        keep_to(settings.jobs);
        let library = Mutex::new(store.library(output)?);
        Ok(Self { store, output, settings: settings.matching(), library })
    }

    /// Number of tracks that can be found.
    pub(crate) fn tracks(&self) -> usize {
        self.snapshot().tracks()
    }

    /// Makes tracks that were added meanwhile searchable.
    pub(crate) fn refresh(&self) -> Result<()> {
        self.store.refresh(&mut lock(&self.library), self.output)
    }

    /// Finds every song in a query.
    pub(crate) fn identify(&self, query: &Constellation) -> Result<Matches> {
        let snapshot = self.snapshot();
        match identify(&snapshot, query, &self.settings) {
            Err(error @ (IndexError::Damaged { .. } | IndexError::Unusable { .. })) => {
                self.heal(&snapshot, &error)?;
                Ok(identify(&self.snapshot(), query, &self.settings)?)
            }
            result => Ok(result?),
        }
    }

    /// All tracks that a query would be found in if each were the only one: the matches, and copies of
    /// their sound, which a timeline leaves out because a better match explains the same peaks.
    pub(crate) fn same_sound(&self, query: &Constellation) -> Result<Vec<TrackNumber>> {
        let matches = self.identify(query)?;
        let copies = matches.alternatives.iter().map(|other| &other.best);
        let mut tracks: Vec<_> = matches.found.iter().chain(copies).map(|found| found.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        Ok(tracks)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        lock(&self.library).snapshot()
    }

    /// Builds the cache again, unless another thread was faster.
    fn heal(&self, bad: &Arc<Snapshot>, error: &IndexError) -> Result<()> {
        let mut library = lock(&self.library);
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
fn keep_to(jobs: usize) {
    if std::thread::available_parallelism().is_ok_and(|cores| jobs < cores.get()) {
        // Fails only where the pool is there already, with this size.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
