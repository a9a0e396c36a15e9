//! Applies the changes of the catalog to the index.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, TrackNumber};
use tokio::task::JoinSet;

use super::batch::{self, Batch};
use super::{IndexSync, lock};
use crate::result::{Refreshed, Skipped, SyncError, thread_died};
use refrain_catalog::{CatalogError, Change};

/// Maximum number of changes per query.
const PAGE_CHANGES: u32 = 50_000;

/// Maximum number of bytes of packed constellations in memory; unpacked they take about three times as much.
const BATCH_BYTES: u64 = 64 << 20;

/// Number of constellations per query; several such queries run concurrently.
const TRACKS_AT_ONCE: usize = 512;

/// A track with its packed constellation.
type Packed = (TrackNumber, Vec<u8>);

impl IndexSync {
    /// Reads the changes of the catalog until there are no more, and makes them searchable.
    ///
    /// A constellation that cannot be read is reported and does not stop the others. Changes that were applied before
    /// an error stay applied; the next refresh continues from there and reports them.
    ///
    /// # Errors
    /// If the catalog cannot be read or the index files cannot be written.
    pub async fn refresh(&mut self) -> Result<Refreshed, SyncError> {
        while self.step().await? {}
        Ok(self.told_now())
    }

    /// Returns the work that was done since the last call.
    pub(super) fn told_now(&mut self) -> Refreshed {
        std::mem::take(&mut self.pending)
    }

    /// Applies a page of changes; returns false if there are no more.
    pub(super) async fn step(&mut self) -> Result<bool, SyncError> {
        // Another process may have advanced the shared files beyond what was reported here, or discarded them.
        let from = self.position().min(self.told);
        let changes = self.catalog.changes_after(from, PAGE_CHANGES).await?;
        let Some(last) = changes.last().map(|change| change.position) else { return Ok(false) };
        let more = changes.len() == PAGE_CHANGES as usize;
        self.catch_up(after(&changes, self.position()), more).await?;
        // Otherwise another process has changed the position of the files, and this page may not contain the changes
        // that they lack.
        if self.position() >= last {
            self.pending.changes.extend_from_slice(after(&changes, self.told));
            self.told = self.told.max(last);
        }
        Ok(true)
    }

    /// Applies changes batch by batch, and reads the next batch while one is applied. `more` means that another page
    /// follows.
    async fn catch_up(&mut self, changes: &[Change], more: bool) -> Result<(), SyncError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.catalog.settle().await?;
        let lasting = batch::lasting(changes);
        let sizes: HashMap<_, _> = self.catalog.constellation_sizes(&lasting).await?.into_iter().collect();
        let mut batches = batch::cut(changes, &sizes, BATCH_BYTES).into_iter().peekable();
        let mut reading = batches.peek().map(|first| self.read(&first.added));
        while let (Some(batch), Some(read)) = (batches.next(), reading.take()) {
            let packed = read.finish().await?;
            reading = batches.peek().map(|next| self.read(&next.added));
            if !self.take(batch, packed, more || reading.is_some()).await? {
                break;
            }
        }
        Ok(())
    }

    /// Starts to read constellations.
    fn read(&self, tracks: &[TrackNumber]) -> Reading {
        let mut parts = JoinSet::new();
        for part in tracks.chunks(TRACKS_AT_ONCE) {
            let (catalog, part) = (Arc::clone(&self.catalog), part.to_vec());
            let turns = Arc::clone(&self.turns);
            parts.spawn(async move {
                // The semaphore is never closed.
                let _turn = turns.acquire().await;
                catalog.constellations(&part).await
            });
        }
        Reading(parts)
    }

    /// Applies a batch. Returns false if another process has changed the position of the index in the meantime.
    async fn take(&mut self, batch: Batch, packed: Vec<Packed>, more: bool) -> Result<bool, SyncError> {
        let (came, left, position) = (packed.len() as u64, batch.removed.len() as u64, batch.position);
        let (cache, view) = (Arc::clone(&self.cache), Arc::clone(&self.view));
        let work = move || -> Result<Vec<Skipped>, IndexError> {
            let (added, skipped) = unpack(packed);
            let mut cache = lock(&cache);
            let applied = if more {
                cache.apply_part(&added, &batch.removed, position)
            } else {
                cache.apply(&added, &batch.removed, position)
            };
            view.advance(&cache);
            applied.map(|()| skipped)
        };
        let skipped = tokio::task::spawn_blocking(work).await.map_err(thread_died)??;
        if self.position() != position {
            return Ok(false);
        }
        self.pending.added += came - skipped.len() as u64;
        self.pending.removed += left;
        self.pending.skipped.extend(skipped);
        Ok(true)
    }
}

/// Queries for constellations that are running. Dropping it cancels them.
struct Reading(JoinSet<Result<Vec<Packed>, CatalogError>>);

impl Reading {
    async fn finish(mut self) -> Result<Vec<Packed>, SyncError> {
        let mut all = Vec::new();
        while let Some(part) = self.0.join_next().await {
            all.extend(part.map_err(thread_died)??);
        }
        Ok(all)
    }
}

/// Returns the changes of a page after a position.
fn after(changes: &[Change], position: u64) -> &[Change] {
    &changes[changes.partition_point(|change| change.position <= position)..]
}

/// Unpacks constellations on all cores, ordered by track.
pub(crate) fn unpack(mut packed: Vec<Packed>) -> (Vec<(TrackNumber, Constellation)>, Vec<Skipped>) {
    packed.sort_unstable_by_key(|(track, _)| *track);
    let one = |(track, bytes): Packed| match Constellation::from_bytes(&bytes) {
        Ok(constellation) => Ok((track, constellation)),
        Err(reason) => Err(Skipped { track, reason }),
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
