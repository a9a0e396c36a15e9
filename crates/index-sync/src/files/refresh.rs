//! Applies the changes of the catalog to the index.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, TrackNumber};
use tokio::task::JoinSet;

use super::batch::{self, ChangeBatch};
use super::{IndexSync, lock};
use crate::result::{SkippedTrack, SyncError, SyncReport, task_failed};
use refrain_catalog::{CatalogError, Change};

/// Maximum number of changes per query, 16 bytes each in memory. At half this value, a first build of millions of
/// tracks needs twice as many pages, each of which ends with a smaller batch; at twice this value, a page takes 1.6 MB.
const REFRESH_PAGE_CHANGES: u32 = 50_000;

/// Maximum number of bytes of packed constellations in a batch; unpacked they take about three times as much memory.
/// Two batches are in memory at the same time: the one that is applied and the next one. At half this value, a build
/// writes twice as many runs, which have to be merged; at twice this value, it needs up to 250 MB more memory
/// (docs/scale.md).
const REFRESH_BATCH_BYTES: u64 = 64 << 20;

/// Number of constellations per query, about 7 MB for songs; several such queries run concurrently. At half this value,
/// a build waits for twice as many round trips; at twice this value, a batch of 64 MB has too few queries to run
/// several concurrently at its end.
const TRACKS_PER_QUERY: usize = 512;

/// A track with its packed constellation.
type PackedTrack = (TrackNumber, Vec<u8>);

impl IndexSync {
    /// Reads the changes of the catalog until there are no more, and makes them searchable.
    ///
    /// A constellation that cannot be read is reported in [`SyncReport::skipped`]; the other tracks are still applied.
    /// Changes that were applied before an error stay applied; the next refresh continues after them and reports them.
    ///
    /// # Errors
    /// If the catalog cannot be read or the index files cannot be written.
    pub async fn refresh(&mut self) -> Result<SyncReport, SyncError> {
        while self.step().await? {}
        Ok(self.take_pending())
    }

    /// Returns a report of the work that was done since the last call of this function.
    pub(super) fn take_pending(&mut self) -> SyncReport {
        std::mem::take(&mut self.pending)
    }

    /// Applies the next page of changes; returns false if there are no more changes.
    pub(super) async fn step(&mut self) -> Result<bool, SyncError> {
        // Another process may have advanced the shared files beyond the changes that this process has reported, or
        // discarded them.
        let from = self.position().min(self.reported);
        let changes = self.catalog.changes_after(from, REFRESH_PAGE_CHANGES).await?;
        let Some(last) = changes.last().map(|change| change.position) else { return Ok(false) };
        let more = changes.len() == REFRESH_PAGE_CHANGES as usize;
        self.catch_up(after(&changes, self.position()), more).await?;
        // If the position is lower, another process has changed the files, and they may lack changes of earlier pages.
        // This page is then not reported yet.
        if self.position() >= last {
            self.pending.changes.extend_from_slice(after(&changes, self.reported));
            self.reported = self.reported.max(last);
        }
        Ok(true)
    }

    /// Applies changes batch by batch, and reads the next batch while one is applied. `more` is true if another page of
    /// changes follows `changes`.
    async fn catch_up(&mut self, changes: &[Change], more: bool) -> Result<(), SyncError> {
        if changes.is_empty() {
            return Ok(());
        }
        // Before anything is derived: after a power failure the index files must not be ahead of the catalog.
        self.catalog.settle().await?;
        let remaining_additions = batch::remaining_additions(changes);
        let sizes: HashMap<_, _> =
            self.catalog.constellation_sizes(&remaining_additions).await?.into_iter().collect();
        let mut batches =
            batch::split_into_batches(changes, &sizes, REFRESH_BATCH_BYTES).into_iter().peekable();
        let mut pending_reads = batches.peek().map(|first| self.read(&first.added));
        while let (Some(batch), Some(read)) = (batches.next(), pending_reads.take()) {
            let packed = read.finish().await?;
            // Started before the batch is applied, so that the database works while this process builds.
            pending_reads = batches.peek().map(|next| self.read(&next.added));
            if !self.take(batch, packed, more || pending_reads.is_some()).await? {
                break;
            }
        }
        Ok(())
    }

    /// Starts queries for the constellations of `tracks`.
    fn read(&self, tracks: &[TrackNumber]) -> PendingReads {
        let mut parts = JoinSet::new();
        for part in tracks.chunks(TRACKS_PER_QUERY) {
            let (catalog, part) = (Arc::clone(&self.catalog), part.to_vec());
            let read_permits = Arc::clone(&self.read_permits);
            parts.spawn(async move {
                // The semaphore is never closed.
                let _permit = read_permits.acquire().await;
                catalog.constellations(&part).await
            });
        }
        PendingReads(parts)
    }

    /// Applies `batch`, whose added tracks are in `packed`. Returns false if the index then has another position than
    /// `batch`, because another process has changed the index. `more` is true if another batch follows.
    async fn take(
        &mut self,
        batch: ChangeBatch,
        packed: Vec<PackedTrack>,
        more: bool,
    ) -> Result<bool, SyncError> {
        let (read_count, removed_count, position) =
            (packed.len() as u64, batch.removed.len() as u64, batch.position);
        let (cache, view) = (Arc::clone(&self.cache), Arc::clone(&self.view));
        let work = move || -> Result<Vec<SkippedTrack>, IndexError> {
            let (added, skipped) = unpack(packed);
            let mut cache = lock(&cache);
            // `apply_part` leaves merging to a later call: merging after each batch would rewrite the same postings
            // repeatedly.
            let applied = if more {
                cache.apply_part(&added, &batch.removed, position)
            } else {
                cache.apply(&added, &batch.removed, position)
            };
            // The view advances even after an error, because a part of the changes may have been applied.
            view.advance(&cache);
            applied.map(|()| skipped)
        };
        let skipped = tokio::task::spawn_blocking(work).await.map_err(task_failed)??;
        if self.position() != position {
            return Ok(false);
        }
        self.pending.added += read_count - skipped.len() as u64;
        self.pending.removed += removed_count;
        self.pending.skipped.extend(skipped);
        Ok(true)
    }
}

/// Running queries for constellations. Dropping the value cancels the queries.
struct PendingReads(JoinSet<Result<Vec<PackedTrack>, CatalogError>>);

impl PendingReads {
    async fn finish(mut self) -> Result<Vec<PackedTrack>, SyncError> {
        let mut all = Vec::new();
        while let Some(part) = self.0.join_next().await {
            all.extend(part.map_err(task_failed)??);
        }
        Ok(all)
    }
}

/// Returns the changes of a page, in order of position, whose position is greater than `position`.
fn after(changes: &[Change], position: u64) -> &[Change] {
    &changes[changes.partition_point(|change| change.position <= position)..]
}

/// Unpacks constellations on all cores. Returns the tracks in order of their numbers, and the tracks with invalid
/// constellations.
pub(crate) fn unpack(mut packed: Vec<PackedTrack>) -> (Vec<(TrackNumber, Constellation)>, Vec<SkippedTrack>) {
    // The database returns any order. Runs are written in ascending order of tracks, so that their bytes are
    // reproducible.
    packed.sort_unstable_by_key(|(track, _)| *track);
    let one = |(track, bytes): PackedTrack| match Constellation::from_bytes(&bytes) {
        Ok(constellation) => Ok((track, constellation)),
        Err(reason) => Err(SkippedTrack { track, reason }),
    };
    let unpacked: Vec<_> = packed.into_par_iter().map(one).collect();
    let mut added = Vec::with_capacity(unpacked.len());
    let mut skipped = Vec::new();
    for result in unpacked {
        match result {
            Ok(track) => added.push(track),
            Err(track) => skipped.push(track),
        }
    }
    (added, skipped)
}
