//! Merges several runs into one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use refrain_catalog::CatalogError;
use refrain_catalog::postgres::Transaction;
use refrain_core::index::TrackNumber;
use refrain_core::index::rows::{Chunk, Merge, MergeSource, Merged, Row, RowTrack, RunRow, RunShape};

use super::choose::{RunRecord, choose};
use super::{
    IndexRows, MERGE_LOCK, PACK_LOCK, groups_from_bytes, groups_to_bytes, insert_rows, insert_run, new_run,
};
use crate::result::{SyncError, task_failed};

/// Number of buckets whose old rows are deleted in one statement, about 65,000 rows or 100 MB per run. The statement
/// time limit applies to each statement. At half this value, a merge waits for twice as many round trips; at twice this
/// value, a statement on a slow disk can exceed that limit.
const SWEEP_BUCKETS: usize = 1 << 16;

impl IndexRows {
    /// Merges runs of similar size into one if there are at least 8 of them, or else rewrites one run without its
    /// removed tracks if a quarter of its tracks or more are removed. Returns false if there is nothing to do or
    /// another process is merging. Searches continue during the merge.
    ///
    /// # Errors
    /// [`SyncError`] if the database is unavailable or denies access.
    pub async fn merge(&self) -> Result<bool, SyncError> {
        // Servers that share the rows do not commit at the same moment, so the old rows are deleted only after the new
        // run has replaced them. Even after a crash, a search then finds all rows of the old runs or all rows of the
        // new one.
        let swept = self.sweep().await?;
        let merged = self.replace_runs().await?;
        if merged {
            self.sweep().await?;
        }
        if swept || merged {
            self.reuse_space().await;
        }
        Ok(merged)
    }

    async fn replace_runs(&self) -> Result<bool, SyncError> {
        let mut transaction = self.catalog.begin().await?;
        let fail = |error| self.catalog.error(error);
        // Does not wait for the lock, because the process that holds it does the same work.
        let has_lock = self.try_lock(&mut transaction).await?;
        let runs: Vec<RunRecord> = sqlx::query_as(
            "SELECT run, bucket_bits, time_bits, postings, tracks, gone FROM refrain.runs WHERE NOT dropped ORDER BY postings, run",
        ).persistent(false)
        .fetch_all(&mut *transaction)
        .await
        .map_err(fail)?;
        let chosen = if has_lock { choose(&runs) } else { Vec::new() };
        if chosen.is_empty() {
            self.catalog.commit(transaction).await?;
            return Ok(false);
        }
        let (sources, removed) = self.sources(&mut transaction, &chosen).await?;
        let Some(merge) = Merge::new(&sources, &removed) else {
            return Err(self.catalog.invalid("runs to merge are longer than three years in total").into());
        };
        let number = new_run(&mut transaction).await.map_err(fail)?;
        let merged = self.merge_chunks(&mut transaction, merge, &sources, number).await?;
        self.replace(&mut transaction, &chosen, number, &merged).await?;
        self.catalog.commit(transaction).await?;
        Ok(true)
    }

    /// Deletes the rows of runs that were replaced. Returns false if there are no such rows, or another process is
    /// merging.
    async fn sweep(&self) -> Result<bool, CatalogError> {
        let mut transaction = self.catalog.begin().await?;
        let fail = |error| self.catalog.error(error);
        let dropped: Vec<(i32, i16)> = if self.try_lock(&mut transaction).await? {
            sqlx::query_as("SELECT run, bucket_bits FROM refrain.runs WHERE dropped")
                .persistent(false)
                .fetch_all(&mut *transaction)
                .await
                .map_err(fail)?
        } else {
            Vec::new()
        };
        let shapes: BTreeSet<i16> = dropped.iter().map(|(_, bits)| *bits).collect();
        for bits in shapes {
            let runs: Vec<i32> = dropped.iter().filter(|(_, b)| *b == bits).map(|(run, _)| *run).collect();
            for first in (1_i64 << bits..2 << bits).step_by(SWEEP_BUCKETS) {
                let last = first + SWEEP_BUCKETS as i64 - 1;
                let sql = "DELETE FROM refrain.postings WHERE bucket BETWEEN $1 AND $2 AND run = ANY($3)";
                let query = sqlx::query(sql).persistent(false).bind(first).bind(last).bind(&runs);
                query.execute(&mut *transaction).await.map_err(fail)?;
            }
        }
        let numbers: Vec<i32> = dropped.iter().map(|(run, _)| *run).collect();
        if !numbers.is_empty() {
            let query = sqlx::query("DELETE FROM refrain.runs WHERE run = ANY($1)").persistent(false);
            query.bind(&numbers).execute(&mut *transaction).await.map_err(fail)?;
        }
        self.catalog.commit(transaction).await?;
        Ok(!numbers.is_empty())
    }

    /// Takes the lock for merging if it is free, and returns true if so.
    async fn try_lock(&self, transaction: &mut Transaction) -> Result<bool, CatalogError> {
        sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .persistent(false)
            .bind(MERGE_LOCK)
            .fetch_one(&mut **transaction)
            .await
            .map_err(|error| self.catalog.error(error))
    }

    /// Makes the space of the old rows available to new rows at once: the next merge often starts before autovacuum,
    /// and the table would grow further. If this is not permitted or takes too long, autovacuum does it later.
    async fn reuse_space(&self) {
        self.catalog.vacuum("refrain.postings").await;
    }

    /// Returns the runs in `chosen` with their tracks, and the numbers of those tracks that are marked as removed.
    async fn sources(
        &self,
        transaction: &mut Transaction,
        chosen: &[RunRecord],
    ) -> Result<(Vec<MergeSource>, HashSet<TrackNumber>), CatalogError> {
        let (mut sources, mut removed) = (Vec::new(), HashSet::new());
        for (run, bucket_bits, time_bits, postings, ..) in chosen {
            let rows: Vec<(i64, i64, i64, bool)> = sqlx::query_as(
                "SELECT start, length, track, gone FROM refrain.run_tracks WHERE run = $1 ORDER BY start",
            )
            .persistent(false)
            .bind(run)
            .fetch_all(&mut **transaction)
            .await
            .map_err(|error| self.catalog.error(error))?;
            let mut tracks = Vec::with_capacity(rows.len());
            for (start, length, track, gone) in rows {
                let track = TrackNumber(track as u32);
                tracks.push(RowTrack { track, start: start as u32, length: length as u32 });
                if gone {
                    removed.insert(track);
                }
            }
            let shape = RunShape { bucket_bits: *bucket_bits as u8, time_bits: *time_bits as u8 };
            sources.push(MergeSource { run: *run as u64, shape, postings: postings.cast_unsigned(), tracks });
        }
        Ok((sources, removed))
    }

    /// Writes the rows of the merged run chunk by chunk. The old rows stay until the runs are replaced.
    async fn merge_chunks(
        &self,
        transaction: &mut Transaction,
        mut merge: Merge,
        sources: &[MergeSource],
        number: i32,
    ) -> Result<Merged, SyncError> {
        for chunk in merge.chunks() {
            let mut old = self.old_rows(transaction, sources, chunk).await?;
            // `merge` moves into the thread and back, because a blocking task cannot borrow it.
            let work = move || -> (Merge, Option<Vec<Row>>) {
                let rows = merge.merge(chunk, &mut old);
                (merge, rows)
            };
            let (returned, rows) = tokio::task::spawn_blocking(work).await.map_err(task_failed)?;
            merge = returned;
            let Some(rows) = rows else { return Err(refrain_core::index::IndexError::DamagedRow.into()) };
            insert_rows(transaction, number, &rows).await.map_err(|error| self.catalog.error(error))?;
        }
        Ok(merge.finish())
    }

    async fn old_rows(
        &self,
        transaction: &mut Transaction,
        sources: &[MergeSource],
        chunk: Chunk,
    ) -> Result<Vec<RunRow>, CatalogError> {
        let mut by_bits: BTreeMap<u8, (RunShape, Vec<i32>)> = BTreeMap::new();
        for source in sources {
            let entry = by_bits.entry(source.shape.bucket_bits).or_insert((source.shape, Vec::new()));
            entry.1.push(source.run as i32);
        }
        let mut old = Vec::new();
        for (shape, runs) in by_bits.into_values() {
            let (first, last) = chunk.buckets(shape);
            let rows: Vec<(i32, i32, Vec<u8>)> = sqlx::query_as(
                "SELECT run, bucket, packed FROM refrain.postings WHERE bucket BETWEEN $1 AND $2 AND run = ANY($3)",
            )
            .persistent(false)
            .bind(first.cast_signed())
            .bind(last.cast_signed())
            .bind(&runs)
            .fetch_all(&mut **transaction)
            .await
            .map_err(|error| self.catalog.error(error))?;
            old.extend(rows.into_iter().map(|(run, bucket, packed)| {
                let row = Row { bucket: bucket.cast_unsigned(), packed };
                RunRow { run: run as u64, row }
            }));
        }
        Ok(old)
    }

    /// Replaces the old runs by the new one.
    async fn replace(
        &self,
        transaction: &mut Transaction,
        chosen: &[RunRecord],
        number: i32,
        merged: &Merged,
    ) -> Result<(), CatalogError> {
        // The lock is held only while the runs are exchanged, so that packing waits for milliseconds instead of the
        // whole merge.
        self.lock(transaction, PACK_LOCK).await?;
        let fail = |error| self.catalog.error(error);
        let old: Vec<i32> = chosen.iter().map(|record| record.0).collect();
        if !merged.tracks.is_empty() {
            insert_run(transaction, number, merged.shape, merged.postings, &merged.tracks)
                .await
                .map_err(fail)?;
        }
        // Tracks that were removed during the merge are still in the new run.
        sqlx::query(
            "WITH late AS (UPDATE refrain.run_tracks n SET gone = true FROM refrain.run_tracks o \
             WHERE n.run = $2 AND o.run = ANY($1) AND o.gone AND n.track = o.track RETURNING 1) \
             UPDATE refrain.runs SET gone = (SELECT count(*)::integer FROM late) WHERE run = $2",
        )
        .persistent(false)
        .bind(&old)
        .bind(number)
        .execute(&mut **transaction)
        .await
        .map_err(fail)?;
        sqlx::query(
            "WITH tracks AS (DELETE FROM refrain.run_tracks WHERE run = ANY($1)) \
             UPDATE refrain.runs SET dropped = true WHERE run = ANY($1)",
        )
        .persistent(false)
        .bind(&old)
        .execute(&mut **transaction)
        .await
        .map_err(fail)?;
        let groups: Vec<u8> = sqlx::query_scalar("SELECT groups FROM refrain.search")
            .persistent(false)
            .fetch_one(&mut **transaction)
            .await
            .map_err(fail)?;
        let mut groups = groups_from_bytes(&groups);
        groups.iter_mut().zip(&merged.dropped).for_each(|(sum, gone)| *sum = sum.saturating_sub(*gone));
        sqlx::query("UPDATE refrain.search SET generation = generation + 1, groups = $1")
            .persistent(false)
            .bind(groups_to_bytes(&groups))
            .execute(&mut **transaction)
            .await
            .map(drop)
            .map_err(fail)
    }
}
