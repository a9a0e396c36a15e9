//! Following the catalogue's changes.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, TrackNumber};

use super::batch::{self, Batch};
use super::{Library, LibraryError, Refreshed, Skipped, lock, thread_died};

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
    /// an error stays applied; the next refresh goes on from there.
    ///
    /// # Errors
    /// Where the catalogue cannot be read or the index files cannot be written.
    pub async fn refresh(&mut self) -> Result<Refreshed, LibraryError> {
        let mut done = Refreshed::default();
        loop {
            let changes = self.catalog.changes_after(self.position(), PAGE_CHANGES).await?;
            if changes.is_empty() {
                return Ok(done);
            }
            self.catalog.settle().await?;
            let lasting = batch::lasting(&changes);
            let sizes: HashMap<_, _> =
                self.catalog.constellation_sizes(&lasting).await?.into_iter().collect();
            for batch in batch::cut(&changes, &sizes, BATCH_BYTES) {
                if !self.take(batch, &mut done).await? {
                    break;
                }
            }
        }
    }

    /// Applies a batch. False where another process has moved the index on to somewhere else meanwhile.
    async fn take(&mut self, batch: Batch, done: &mut Refreshed) -> Result<bool, LibraryError> {
        let packed = if batch.added.is_empty() {
            Vec::new()
        } else {
            self.catalog.constellations(&batch.added).await?
        };
        let (came, left, position) = (packed.len() as u64, batch.removed.len() as u64, batch.position);
        let relabelled = batch.relabelled.clone();
        let cache = Arc::clone(&self.cache);
        let work = move || -> Result<Vec<Skipped>, IndexError> {
            let (added, skipped) = unpack(packed);
            lock(&cache).apply(&added, &batch.removed, position)?;
            Ok(skipped)
        };
        let skipped = tokio::task::spawn_blocking(work).await.map_err(thread_died)??;
        if self.position() != position {
            return Ok(false);
        }
        done.added += came - skipped.len() as u64;
        done.removed += left;
        done.relabelled.extend(relabelled);
        done.skipped.extend(skipped);
        Ok(true)
    }
}

/// Unpacks on all cores, in order of track.
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
