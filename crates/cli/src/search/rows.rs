//! The index in the database of the catalog, without files on this machine.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use refrain_catalog::CatalogError;
use refrain_core::fingerprint::Constellation;
use refrain_core::index::IndexError;
use refrain_core::matching::{MatchSettings, Matches, identify_rows};
use refrain_index_sync::{DatabaseIndex, IndexRows, Refreshed, SyncError};
use tokio::task::JoinHandle;

use super::following::News;
use super::lock;
use crate::output::Output;
use crate::store::Store;

/// Minimum time between two checks for changes of the catalog. A search checks if the last check is older.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Maximum number of attempts of a search. An attempt fails with [`IndexError::Stale`] if runs were merged during it.
const TRIES: usize = 5;

/// Maximum number of changes of the catalog that are read at once. They are reported so that cached tracks are dropped.
const PAGE_CHANGES: u32 = 10_000;

/// The index in the database, as of the last check.
pub(super) struct Rows<'a> {
    store: &'a Store,
    output: &'a Output,
    runs: IndexRows,
    state: Mutex<State>,
    news: Mutex<News>,
}

struct State {
    index: Arc<DatabaseIndex>,
    /// Number of the last change of the catalog that the index contains.
    position: u64,
    /// Number of the last change of the catalog that was reported as [`News`].
    told: u64,
    /// Time of the last check for changes.
    looked: Instant,
    /// True if the missing permission to update the index was reported already.
    said: bool,
    merging: Option<JoinHandle<()>>,
}

impl<'a> Rows<'a> {
    /// Opens the index and brings it up to date.
    pub(super) fn open(store: &'a Store, output: &'a Output) -> Result<Self> {
        let runs = runs(store)?;
        let (index, position) = store.wait(runs.open())?;
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

    /// Deletes all rows of the index.
    pub(super) fn discard(store: &Store) -> Result<()> {
        Ok(store.wait(runs(store)?.reset())?)
    }

    pub(super) fn tracks(&self) -> usize {
        lock(&self.state).index.tracks()
    }

    pub(super) fn news(&self) -> News {
        std::mem::take(&mut lock(&self.news))
    }

    /// Makes new tracks searchable and starts to merge runs in the background.
    pub(super) fn refresh(&self) -> Result<()> {
        let packed = self.store.wait(self.runs.pack());
        let mut state = lock(&self.state);
        match packed {
            Ok(Refreshed { skipped, .. }) => {
                lock(&self.news).skipped(&skipped);
                self.merge(&mut state);
            }
            Err(SyncError::Catalog(
                error @ (CatalogError::NotAllowed { .. } | CatalogError::ReadOnly { .. }),
            )) => {
                if !state.said {
                    state.said = true;
                    self.output.note(&format!(
                        "refrain: the newest tracks are not found: the search index in the database is out of date, \
                         and this user cannot update it ({error})"
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

    /// Applies the changes of the catalog since the last check, if that is older than [`LOOK_AGAIN`].
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
        let (index, position) = self.store.wait(self.runs.clone().open())?;
        (state.index, state.position) = (Arc::new(index), position);
        Ok(())
    }

    /// Starts to merge runs in the background, one merge after the other, until there are few runs.
    fn merge(&self, state: &mut State) {
        if state.merging.as_ref().is_none_or(JoinHandle::is_finished) {
            let runs = self.runs.clone();
            // A failed merge is retried after the next update. Until then, searches only take longer.
            let work = async move { while runs.merge().await.unwrap_or(false) {} };
            state.merging = Some(self.store.begin(work));
        }
    }
}

fn runs(store: &Store) -> Result<IndexRows> {
    IndexRows::of(&store.shared_catalog())
        .context("only a catalog in PostgreSQL has a search index in its database; omit --search database")
}

impl Drop for Rows<'_> {
    /// Waits until a running merge has finished.
    fn drop(&mut self) {
        if let Some(merging) = lock(&self.state).merging.take() {
            // An error means that the merge panicked, which the runtime has reported already.
            let _ = self.store.wait(merging);
        }
    }
}
