//! Search in the index in the database, without index files on this machine.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use refrain_catalog::CatalogError;
use refrain_core::fingerprint::Constellation;
use refrain_core::index::IndexError;
use refrain_core::matching::{MatchSettings, Matches, identify_rows};
use refrain_index_sync::{DatabaseIndex, IndexRows, SyncError, SyncReport};
use tokio::task::JoinHandle;

use super::following::IndexChanges;
use super::lock;
use crate::context::CommandContext;
use crate::output::Output;

/// Minimum time between two checks for changes of the catalog. A search checks first if the last check is older. Each
/// check takes one query. With 0.5 s, many short searches spend more time on checks; with 2 s, new tracks are found a
/// second later.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of attempts of a search. An attempt fails with [`IndexError::Stale`] if runs were merged during it.
/// Merges take longer than searches, so a second failure is rare. With fewer attempts, searches can fail during a large
/// import. With more, the error of an index that is merged all the time comes later.
const MAX_ATTEMPTS: usize = 5;

/// Maximum number of changes of the catalog that one check reads. They are needed to remove changed tracks from caches.
/// If there are more changes, the next check reads the others, and until then a cached title can be out of date.
const MAX_PAGE_CHANGES: u32 = 10_000;

/// The index in the database, in the state of the last check for changes.
pub(super) struct DatabaseSearch<'a> {
    context: &'a CommandContext,
    output: &'a Output,
    runs: IndexRows,
    state: Mutex<RowsState>,
    index_changes: Mutex<IndexChanges>,
}

struct RowsState {
    index: Arc<DatabaseIndex>,
    /// Number of the last change of the catalog that the index contains.
    position: u64,
    /// Number of the last change of the catalog that was added to the [`IndexChanges`] for the caller.
    reported_position: u64,
    /// Time of the last check for changes.
    last_check: Instant,
    /// True if the note about the missing permission to update the index was already printed.
    is_permission_reported: bool,
    merge_task: Option<JoinHandle<()>>,
}

impl<'a> DatabaseSearch<'a> {
    /// Opens the index and applies the missing changes of the catalog.
    pub(super) fn open(context: &'a CommandContext, output: &'a Output) -> Result<Self> {
        let runs = runs(context)?;
        let (index, position) = context.wait(runs.open())?;
        // Earlier changes need not be reported, because the caller has no cached tracks yet.
        let reported_position = context.wait(context.catalog().position())?;
        let state = RowsState {
            index: Arc::new(index),
            position,
            reported_position,
            last_check: Instant::now(),
            is_permission_reported: false,
            merge_task: None,
        };
        let this = Self { context, output, runs, state: Mutex::new(state), index_changes: Mutex::default() };
        if reported_position > position {
            this.refresh()?;
        }
        Ok(this)
    }

    /// Deletes all rows of the index.
    pub(super) fn discard(context: &CommandContext) -> Result<()> {
        Ok(context.wait(runs(context)?.reset())?)
    }

    pub(super) fn tracks(&self) -> usize {
        lock(&self.state).index.tracks()
    }

    pub(super) fn index_changes(&self) -> IndexChanges {
        std::mem::take(&mut lock(&self.index_changes))
    }

    /// Applies the missing changes of the catalog, and starts to merge runs in the background. If this user may not
    /// write, prints a note once and keeps the index as it is.
    pub(super) fn refresh(&self) -> Result<()> {
        // The changes are applied before the state is locked, so that searches on other threads can continue.
        let packed = self.context.wait(self.runs.pack());
        let mut state = lock(&self.state);
        match packed {
            Ok(SyncReport { skipped, .. }) => {
                lock(&self.index_changes).skipped(&skipped);
                self.merge(&mut state);
            }
            Err(SyncError::Catalog(
                error @ (CatalogError::NotAllowed { .. } | CatalogError::ReadOnly { .. }),
            )) => {
                // A user without write permission can still search in the index, without the newest tracks.
                if !state.is_permission_reported {
                    state.is_permission_reported = true;
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

    /// Searches for all songs in a query. Checks for changes of the catalog first, and repeats the search if runs were
    /// merged.
    pub(super) fn identify(&self, query: &Constellation, settings: &MatchSettings) -> Result<Matches> {
        self.check_for_changes()?;
        for _ in 1..MAX_ATTEMPTS {
            match identify_rows(&self.index(), query, settings) {
                // A merge replaces the rows of the runs that were opened. Reopening the index reads the new list of
                // runs.
                Err(IndexError::Stale) => self.reopen(&mut lock(&self.state))?,
                result => return Ok(result?),
            }
        }
        Ok(identify_rows(&self.index(), query, settings)?)
    }

    fn index(&self) -> Arc<DatabaseIndex> {
        Arc::clone(&lock(&self.state).index)
    }

    /// Applies the changes of the catalog, unless the last check was less than [`CHECK_INTERVAL`] ago.
    fn check_for_changes(&self) -> Result<()> {
        let (reported_position, position) = {
            let mut state = lock(&self.state);
            if state.last_check.elapsed() < CHECK_INTERVAL {
                return Ok(());
            }
            // The time is set before the queries, so that other threads do not start the same check.
            state.last_check = Instant::now();
            (state.reported_position, state.position)
        };
        // The lock is released before the queries, so that other threads can search while this one waits for the
        // database.
        let catalog = self.context.catalog();
        let newest = self.context.wait(catalog.position())?;
        if newest > reported_position {
            let changes = self.context.wait(catalog.changes_after(reported_position, MAX_PAGE_CHANGES))?;
            lock(&self.index_changes).changed(&changes);
            lock(&self.state).reported_position =
                changes.last().map_or(reported_position, |change| change.position);
        }
        if newest > position { self.refresh() } else { Ok(()) }
    }

    fn reopen(&self, state: &mut RowsState) -> Result<()> {
        let (index, position) = self.context.wait(self.runs.clone().open())?;
        (state.index, state.position) = (Arc::new(index), position);
        Ok(())
    }

    /// Starts a background task that calls [`IndexRows::merge`] until there is nothing left to merge. Does nothing if
    /// an earlier task is still running.
    fn merge(&self, state: &mut RowsState) {
        // Only one task merges at a time, because two would merge the same runs.
        if state.merge_task.as_ref().is_none_or(JoinHandle::is_finished) {
            let runs = self.runs.clone();
            // A failed merge is tried again after the next update. Until then, searches take longer but are correct.
            let work = async move { while runs.merge().await.unwrap_or(false) {} };
            state.merge_task = Some(self.context.spawn(work));
        }
    }
}

fn runs(context: &CommandContext) -> Result<IndexRows> {
    IndexRows::of(&context.catalog_handle())
        .context("only a catalog in PostgreSQL has a search index in its database; omit --search database")
}

impl Drop for DatabaseSearch<'_> {
    /// Waits until a merge that is still running has finished.
    fn drop(&mut self) {
        if let Some(merge_task) = lock(&self.state).merge_task.take() {
            // An error means that the merge panicked. The runtime has already reported the panic.
            let _ = self.context.wait(merge_task);
        }
    }
}
