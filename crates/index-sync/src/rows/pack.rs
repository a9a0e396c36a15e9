//! Makes runs of new tracks.

use std::collections::HashMap;

use refrain_catalog::postgres::{Retry, Transaction};
use refrain_catalog::{CatalogError, ChangeFeed};
use refrain_core::index::TrackNumber;
use refrain_core::index::rows::{ROWS_VERSION, Row, RowRun, pack, units_of};

use super::{IndexRows, PACK_LOCK, groups_from_bytes, groups_to_bytes, insert_rows, insert_run, new_run};
use crate::files::{ChangeBatch, remaining_additions, split_into_batches, unpack};
use crate::result::{SkippedTrack, SyncError, SyncReport, task_failed};

/// Maximum number of changes per query. A batch applies only the first of them, with about 1,100 songs; the others are
/// read again for the next batch. At half this value, many updates of metadata take twice as many transactions; at
/// twice this value, the sizes of twice as many constellations are queried for each batch.
const PACK_PAGE_CHANGES: u32 = 10_000;

/// Maximum number of bytes of packed constellations per run; the postings of the run take about fifteen times as much
/// memory. At half this value, an import makes twice as many runs, which have to be merged; at twice this value,
/// packing needs about 500 MB, and holds its lock for twice as long (docs/scale.md).
const RUN_BATCH_BYTES: u64 = 16 << 20;

/// The columns of the row of `refrain.search` that packing changes.
struct PackState {
    position: u64,
    tracks: i64,
    units: i64,
    groups: Vec<u32>,
    scheme: i32,
}

impl IndexRows {
    /// Reads the changes of the catalog until there are no more, and makes them searchable. Several processes can call
    /// this at the same time; each change is applied once.
    ///
    /// # Errors
    /// [`SyncError`] if the database is unavailable or denies access.
    pub async fn pack(&self) -> Result<SyncReport, SyncError> {
        let mut done = SyncReport::default();
        let mut retry = Retry::new();
        loop {
            match self.pack_batch(&mut done).await {
                // Each batch has the full time for retries, because a long import outlasts several restarts of a
                // server.
                Ok(true) => retry = Retry::new(),
                Ok(false) => return Ok(done),
                Err(SyncError::Catalog(error)) => self.catalog.pause_before_retry(error, &mut retry).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Applies as many of the next changes as fit into one batch; returns false if there are no more changes.
    async fn pack_batch(&self, done: &mut SyncReport) -> Result<bool, SyncError> {
        let mut transaction = self.catalog.begin().await?;
        // Before the position is read: the next process continues after the changes that this transaction applies.
        self.lock(&mut transaction, PACK_LOCK).await?;
        let state = self.state(&mut transaction).await?;
        // An empty index has no rows of another version. `reset` takes the lock itself, so this transaction releases it
        // first.
        if state.position > 0 && state.scheme != ROWS_VERSION {
            self.catalog.commit(transaction).await?;
            self.reset().await?;
            return Ok(true);
        }
        let changes = self.catalog.changes_after(state.position, PACK_PAGE_CHANGES).await?;
        if changes.is_empty() {
            self.catalog.commit(transaction).await?;
            return Ok(false);
        }
        let sizes: HashMap<_, _> =
            self.catalog.constellation_sizes(&remaining_additions(&changes)).await?.into_iter().collect();
        // Only the first batch: the transaction then covers one run, and the lock is free between two batches.
        let Some(batch) = split_into_batches(&changes, &sizes, RUN_BATCH_BYTES).into_iter().next() else {
            return Ok(false);
        };
        let packed = if batch.added.is_empty() {
            Vec::new()
        } else {
            self.catalog.constellations(&batch.added).await?
        };
        let work = move || {
            let (tracks, skipped) = unpack(packed);
            let (run, rows) = pack(&tracks);
            (tracks.len(), run, rows, skipped)
        };
        let (track_count, run, rows, skipped) =
            tokio::task::spawn_blocking(work).await.map_err(task_failed)?;
        // A batch has about a thousand tracks, and the time line of a run can hold three years of audio.
        if run.tracks.len() < track_count {
            return Err(self.catalog.invalid("tracks to pack are longer than three years in total").into());
        }
        self.write_batch(&mut transaction, &batch, state, &run, &rows).await?;
        self.catalog.commit(transaction).await?;
        done.added += run.tracks.len() as u64;
        done.removed += batch.removed.len() as u64;
        done.changes.extend(changes.into_iter().filter(|change| change.position <= batch.position));
        done.skipped.extend::<Vec<SkippedTrack>>(skipped);
        Ok(true)
    }

    async fn state(&self, transaction: &mut Transaction) -> Result<PackState, CatalogError> {
        let (position, tracks, units, groups, scheme): (i64, i64, i64, Vec<u8>, i32) =
            sqlx::query_as("SELECT position, tracks, units, groups, scheme FROM refrain.search")
                .persistent(false)
                .fetch_one(&mut **transaction)
                .await
                .map_err(|error| self.catalog.error(error))?;
        Ok(PackState {
            position: position.cast_unsigned(),
            tracks,
            units,
            groups: groups_from_bytes(&groups),
            scheme,
        })
    }

    async fn write_batch(
        &self,
        transaction: &mut Transaction,
        batch: &ChangeBatch,
        mut state: PackState,
        run: &RowRun,
        rows: &[Row],
    ) -> Result<(), CatalogError> {
        if !batch.removed.is_empty() {
            let (tracks, units) = self.mark_removed(transaction, &batch.removed).await?;
            state.tracks -= tracks;
            state.units -= units;
        }
        let fail = |error| self.catalog.error(error);
        if !run.tracks.is_empty() {
            let number = new_run(transaction).await.map_err(fail)?;
            insert_rows(transaction, number, rows).await.map_err(fail)?;
            insert_run(transaction, number, run.shape, run.postings, &run.tracks).await.map_err(fail)?;
            state.tracks += run.tracks.len() as i64;
            state.units += run.tracks.iter().map(|track| track.units().cast_signed()).sum::<i64>();
            state.groups.resize(run.groups.len(), 0);
            state
                .groups
                .iter_mut()
                .zip(&run.groups)
                .for_each(|(sum, count)| *sum = sum.saturating_add(*count));
        }
        sqlx::query(
            "UPDATE refrain.search SET position = $1, tracks = $2, units = $3, groups = $4, scheme = $5",
        )
        .persistent(false)
        .bind(batch.position.cast_signed())
        .bind(state.tracks)
        .bind(state.units)
        .bind(groups_to_bytes(&state.groups))
        .bind(ROWS_VERSION)
        .execute(&mut **transaction)
        .await
        .map(drop)
        .map_err(fail)
    }

    /// Marks tracks as removed in their runs, for a later merge to drop them. Returns the number of tracks that were
    /// marked, and the sum of the lengths that they take on the time lines of the runs, in units of 23 ms.
    async fn mark_removed(
        &self,
        transaction: &mut Transaction,
        removed: &[TrackNumber],
    ) -> Result<(i64, i64), CatalogError> {
        let removed: Vec<i64> = removed.iter().map(|track| i64::from(track.0)).collect();
        let lengths: Vec<i64> = sqlx::query_scalar(
            "WITH there AS (UPDATE refrain.run_tracks SET gone = true WHERE track = ANY($1) AND NOT gone \
             RETURNING run, length), \
             noted AS (UPDATE refrain.runs r SET gone = r.gone + n.many \
             FROM (SELECT run, count(*)::integer AS many FROM there GROUP BY run) n WHERE r.run = n.run) \
             SELECT length FROM there",
        )
        .persistent(false)
        .bind(&removed)
        .fetch_all(&mut **transaction)
        .await
        .map_err(|error| self.catalog.error(error))?;
        let units = lengths.iter().map(|length| units_of(*length as u32).cast_signed()).sum();
        Ok((lengths.len() as i64, units))
    }
}
