//! Following the catalogue's changes.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, TrackNumber};

use super::batch::{self, Batch};
use super::{Library, LibraryError, Refreshed, Skipped, lock, thread_died};
use crate::Change;

/// Changes read at once.
const PAGE_CHANGES: u32 = 10_000;

/// Bytes of packed constellations held at once; unpacked they take about three times that.
const BATCH_BYTES: u64 = 64 << 20;

/// A track with its packed constellation.
type Packed = (TrackNumber, Vec<u8>);

impl Library {
    /// Reads the catalogue's changes until there are no more, and makes them searchable.
    ///
    /// A constellation that cannot be read is reported and does not stop the others. What was applied before
    /// an error stays applied; the next refresh goes on from there, and tells of it.
    ///
    /// # Errors
    /// Where the catalogue cannot be read or the index files cannot be written.
    pub async fn refresh(&mut self) -> Result<Refreshed, LibraryError> {
        while self.step().await? {}
        Ok(self.told_now())
    }

    /// What was done since this was asked last.
    pub(super) fn told_now(&mut self) -> Refreshed {
        std::mem::take(&mut self.pending)
    }

    /// Takes in a page of changes; false where there are no more.
    pub(super) async fn step(&mut self) -> Result<bool, LibraryError> {
        // Another process may have brought the shared files further than we have told of, or thrown them away.
        let from = self.position().min(self.told);
        let changes = self.catalog.changes_after(from, PAGE_CHANGES).await?;
        let Some(last) = changes.last().map(|change| change.position) else { return Ok(false) };
        self.catch_up(after(&changes, self.position())).await?;
        // Else the files are somewhere else now, and what they miss is perhaps not in this page.
        if self.position() >= last {
            self.pending.changes.extend_from_slice(after(&changes, self.told));
            self.told = self.told.max(last);
        }
        Ok(true)
    }

    async fn catch_up(&mut self, changes: &[Change]) -> Result<(), LibraryError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.catalog.settle().await?;
        let lasting = batch::lasting(changes);
        let sizes: HashMap<_, _> = self.catalog.constellation_sizes(&lasting).await?.into_iter().collect();
        for batch in batch::cut(changes, &sizes, BATCH_BYTES) {
            if !self.take(batch).await? {
                break;
            }
        }
        Ok(())
    }

    /// Applies a batch. False where another process has moved the index on to somewhere else meanwhile.
    async fn take(&mut self, batch: Batch) -> Result<bool, LibraryError> {
        let packed = if batch.added.is_empty() {
            Vec::new()
        } else {
            self.catalog.constellations(&batch.added).await?
        };
        let (came, left, position) = (packed.len() as u64, batch.removed.len() as u64, batch.position);
        let (cache, view) = (Arc::clone(&self.cache), Arc::clone(&self.view));
        let work = move || -> Result<Vec<Skipped>, IndexError> {
            let (added, skipped) = unpack(packed);
            let mut cache = lock(&cache);
            let applied = cache.apply(&added, &batch.removed, position);
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

/// The part of a page that comes after a position.
fn after(changes: &[Change], position: u64) -> &[Change] {
    &changes[changes.partition_point(|change| change.position <= position)..]
}

/// Unpacks on all cores, in order of track.
fn unpack(mut packed: Vec<Packed>) -> (Vec<(TrackNumber, Constellation)>, Vec<Skipped>) {
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
