//! The index in the catalogue's own database: nothing is kept on this machine.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use refrain_catalog::{CatalogError, DatabaseIndex, LibraryError, Refreshed, Runs};
use refrain_core::fingerprint::Constellation;
use refrain_core::index::IndexError;
use refrain_core::matching::{MatchSettings, Matches, identify_rows};
use tokio::task::JoinHandle;

use super::following::News;
use super::lock;
use crate::output::Output;
use crate::store::Store;

/// A search asks for news of the catalogue if it has not done so for this long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often a search begins again because runs were merged under it.
const TRIES: usize = 5;

/// Changes of the catalogue that are told of at once, to drop what is kept of their tracks.
const PAGE_CHANGES: u32 = 10_000;

/// The rows, as they were found last.
pub(super) struct Rows<'a> {
    store: &'a Store,
    output: &'a Output,
    runs: Arc<dyn Runs>,
    state: Mutex<State>,
    news: Mutex<News>,
}

struct State {
    index: Arc<DatabaseIndex>,
    /// Change of the catalogue that the rows have reached, and the one that was told of.
    position: u64,
    told: u64,
    looked: Instant,
    /// Whether it was said that this user may not bring the rows up to date.
    said: bool,
    merging: Option<JoinHandle<()>>,
}

impl<'a> Rows<'a> {
    /// Opens the index and brings it up to date.
    pub(super) fn open(store: &'a Store, output: &'a Output) -> Result<Self> {
        let runs = runs(store)?;
        let (index, position) = store.wait(Arc::clone(&runs).open())?;
        let told = store.wait(store.catalog().position())?;
        let state = State {
            index: Arc::new(index),
            position,
            told,
            looked: Instant::now(),
            said: false,
            merging: None,
        };
        let this = Self { store, output, runs, state: Mutex::new(state), news: Mutex::default() };
        if told > position {
            this.refresh()?;
        }
        Ok(this)
    }

    /// Empties the index.
    pub(super) fn discard(store: &Store) -> Result<()> {
        Ok(store.wait(runs(store)?.reset())?)
    }

    pub(super) fn tracks(&self) -> usize {
        lock(&self.state).index.tracks()
    }

    pub(super) fn news(&self) -> News {
        std::mem::take(&mut lock(&self.news))
    }

    /// Makes new tracks searchable; runs are merged in the background.
    pub(super) fn refresh(&self) -> Result<()> {
        let packed = self.store.wait(self.runs.pack());
        let mut state = lock(&self.state);
        match packed {
            Ok(Refreshed { skipped, .. }) => {
                lock(&self.news).skipped(&skipped);
                self.merge(&mut state);
            }
            Err(LibraryError::Catalog(
                error @ (CatalogError::NotAllowed { .. } | CatalogError::ReadOnly { .. }),
            )) => {
                if !state.said {
                    state.said = true;
                    self.output.note(&format!(
                        "refrain: the newest tracks are not found, because the search index in the database is behind \
                         and cannot be brought up to date by this user ({error})"
                    ));
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.reopen(&mut state)
    }

    /// Finds every song in a query.
    pub(super) fn identify(&self, query: &Constellation, settings: &MatchSettings) -> Result<Matches> {
        self.look()?;
        for _ in 1..TRIES {
            match identify_rows(&self.index(), query, settings) {
                Err(IndexError::Stale) => self.reopen(&mut lock(&self.state))?,
                result => return Ok(result?),
            }
        }
        Ok(identify_rows(&self.index(), query, settings)?)
    }

    fn index(&self) -> Arc<DatabaseIndex> {
        Arc::clone(&lock(&self.state).index)
    }

    /// Takes in what has changed since the last look, if that is a while ago.
    fn look(&self) -> Result<()> {
        let (told, position) = {
            let mut state = lock(&self.state);
            if state.looked.elapsed() < LOOK_AGAIN {
                return Ok(());
            }
            state.looked = Instant::now();
            (state.told, state.position)
        };
        let catalog = self.store.catalog();
        let newest = self.store.wait(catalog.position())?;
        if newest > told {
            let changes = self.store.wait(catalog.changes_after(told, PAGE_CHANGES))?;
            lock(&self.news).changed(&changes);
            lock(&self.state).told = changes.last().map_or(told, |change| change.position);
        }
        if newest > position { self.refresh() } else { Ok(()) }
    }

    fn reopen(&self, state: &mut State) -> Result<()> {
        let (index, position) = self.store.wait(Arc::clone(&self.runs).open())?;
        (state.index, state.position) = (Arc::new(index), position);
        Ok(())
    }

    /// Merges runs until there are few, one merge after the other.
    fn merge(&self, state: &mut State) {
        if state.merging.as_ref().is_none_or(JoinHandle::is_finished) {
            let runs = Arc::clone(&self.runs);
            // What fails now is tried again after the next tracks; searches only take longer until then.
            let work = async move { while runs.merge().await.unwrap_or(false) {} };
            state.merging = Some(self.store.begin(work));
        }
    }
}

fn runs(store: &Store) -> Result<Arc<dyn Runs>> {
    store.shared_catalog().runs().context(
        "only a catalogue in PostgreSQL keeps a search index in its database; leave out --search database",
    )
}

impl Drop for Rows<'_> {
    /// A merge that was begun is finished.
    fn drop(&mut self) {
        if let Some(merging) = lock(&self.state).merging.take() {
            // It ends early only by a panic, which the runtime has told of.
            let _ = self.store.wait(merging);
        }
    }
}
