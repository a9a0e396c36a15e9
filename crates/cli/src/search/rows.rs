//! The index in the database of the catalog, without files on this machine.

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

/// Minimum time between two checks for changes of the catalog. A search checks if the last check is older. Each check
/// is one statement. At half this value, many short searches spend more time on checks; at twice this value, new tracks
/// are found a second later.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of attempts of a search. An attempt fails with [`IndexError::Stale`] if runs were merged during it.
/// Merges take longer than searches, so a second failure is rare. A lower number fails searches while a large import is
/// merged; a higher one only delays the error of an index that is merged all the time.
const MAX_ATTEMPTS: usize = 5;

/// Maximum number of changes of the catalog that are read at once. They are reported so that cached tracks are dropped.
/// If there are more, the next check reads the rest, and until then a cached title can be out of date.
const MAX_PAGE_CHANGES: u32 = 10_000;

/// The index in the database, as of the last check.
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
    /// Number of the last change of the catalog that was reported as [`IndexChanges`].
    reported_position: u64,
    /// Time of the last check for changes.
    last_check: Instant,
    /// True if the missing permission to update the index was reported already.
    is_permission_reported: bool,
    merge_task: Option<JoinHandle<()>>,
}

impl<'a> DatabaseSearch<'a> {
    /// Opens the index and brings it up to date.
    pub(super) fn open(context: &'a CommandContext, output: &'a Output) -> Result<Self> {
        let runs = runs(context)?;
        let (index, position) = context.wait(runs.open())?;
        // Earlier changes need no report, because no track is cached yet.
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

    /// Makes new tracks searchable and starts to merge runs in the background.
    pub(super) fn refresh(&self) -> Result<()> {
        // Packed before the state is locked, so that searches on other threads continue.
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
                // A user without write permission can still search the index as it is.
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

    /// Finds every song in a query.
    pub(super) fn identify(&self, query: &Constellation, settings: &MatchSettings) -> Result<Matches> {
        self.check_for_changes()?;
        for _ in 1..MAX_ATTEMPTS {
            match identify_rows(&self.index(), query, settings) {
                // A merge replaces the rows to which this index refers. Reopening reads the new list of runs.
                Err(IndexError::Stale) => self.reopen(&mut lock(&self.state))?,
                result => return Ok(result?),
            }
        }
        Ok(identify_rows(&self.index(), query, settings)?)
    }

    fn index(&self) -> Arc<DatabaseIndex> {
        Arc::clone(&lock(&self.state).index)
    }

    /// Applies the changes of the catalog since the last check, if that is older than [`CHECK_INTERVAL`].
    fn check_for_changes(&self) -> Result<()> {
        let (reported_position, position) = {
            let mut state = lock(&self.state);
            if state.last_check.elapsed() < CHECK_INTERVAL {
                return Ok(());
            }
            // Set before the queries, so that other threads do not repeat them.
            state.last_check = Instant::now();
            (state.reported_position, state.position)
        };
        // The lock is free again here: other threads search while this one waits for the database.
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

    /// Starts a task that calls [`IndexRows::merge`] until there is nothing left to merge. Does nothing while an
    /// earlier task runs.
    fn merge(&self, state: &mut RowsState) {
        // One merge at a time, because two of them would merge the same runs.
        if state.merge_task.as_ref().is_none_or(JoinHandle::is_finished) {
            let runs = self.runs.clone();
            // A failed merge is retried after the next update. Until then, searches only take longer.
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
    /// Waits until a running merge has finished.
    fn drop(&mut self) {
        if let Some(merge_task) = lock(&self.state).merge_task.take() {
            // An error means that the merge panicked, which the runtime has reported already.
            let _ = self.context.wait(merge_task);
        }
    }
}
