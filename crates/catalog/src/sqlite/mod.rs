//! The catalog in an SQLite file, which several processes can use at the same time.
//!
//! Tracks, constellations and changes are tables of `migrations/sqlite`. One connection writes and several read; the
//! write-ahead log allows them to do so at the same time. A writer takes the lock at the start of its transaction
//! (`BEGIN IMMEDIATE`), so it waits before it has changed anything and never fails halfway.

mod comparisons;
mod error;
mod health;
mod journal;
mod links;
mod migrate;
mod open;
mod read;
mod row;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqlitePool;

use crate::{
    AddOutcome, Catalog, CatalogError, Change, ContentHash, Fact, Journal, NearDuplicate, NewTrack, Track,
    TrackFilter, TrackId, TrackNumber, TrackUpdate,
};
use error::SqliteName;

/// Maximum number of attempts to take a lock that another process holds. In each of them SQLite itself waits, up to 5 s
/// where it supports that: half a minute in total, which is longer than a batch of an indexer holds the lock. At half
/// of it, a call can fail while a large batch is written; at twice, an abandoned lock is reported after a minute.
const MAX_LOCK_ATTEMPTS: u32 = 6;

/// Increment of the pause between attempts where SQLite itself does not wait: 1.5 s in total, for a change of the
/// journal mode, which takes milliseconds. At half or twice of it, the total is 0.75 s or 3 s.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// A catalog in an SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteCatalog {
    name: SqliteName,
    path: PathBuf,
    /// `None` if the file cannot be written.
    writer: Option<SqlitePool>,
    readers: SqlitePool,
    identity: u128,
}

#[async_trait]
impl Catalog for SqliteCatalog {
    fn identity(&self) -> u128 {
        self.identity
    }

    fn journal(&self) -> &dyn Journal {
        self
    }

    async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError> {
        self.find_by_content(content).await
    }

    async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError> {
        self.find_by_source(source).await
    }

    async fn add(&self, track: NewTrack) -> Result<AddOutcome, CatalogError> {
        self.add(track).await
    }

    async fn add_all(
        &self,
        tracks: Vec<NewTrack>,
    ) -> Result<Vec<Result<AddOutcome, CatalogError>>, CatalogError> {
        self.add_all(tracks).await
    }

    async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError> {
        self.by_numbers(numbers).await
    }

    async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError> {
        self.by_id(id).await
    }

    async fn list(
        &self,
        filter: &TrackFilter,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<Track>, CatalogError> {
        self.list(filter, after, limit).await
    }

    async fn count(&self) -> Result<u64, CatalogError> {
        self.count().await
    }

    async fn update(&self, id: TrackId, update: TrackUpdate) -> Result<Option<Track>, CatalogError> {
        self.update(id, update).await
    }

    async fn remove(&self, id: TrackId) -> Result<bool, CatalogError> {
        self.remove(id).await
    }

    async fn link_near_duplicate(&self, link: NearDuplicate) -> Result<(), CatalogError> {
        self.link(link).await
    }

    async fn pending_comparisons(
        &self,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<TrackNumber>, CatalogError> {
        self.pending_comparisons(after, limit).await
    }

    async fn finish_comparisons(
        &self,
        tracks: &[TrackNumber],
        links: &[NearDuplicate],
    ) -> Result<(), CatalogError> {
        self.finish_comparisons(tracks, links).await
    }

    async fn near_duplicates(&self, track: TrackNumber) -> Result<Vec<NearDuplicate>, CatalogError> {
        self.near_duplicates(track).await
    }

    async fn list_near_duplicates(
        &self,
        after: Option<(TrackNumber, TrackNumber)>,
        limit: u32,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        self.list_near_duplicates(after, limit).await
    }

    async fn position(&self) -> Result<u64, CatalogError> {
        self.position().await
    }

    async fn changes_after(&self, position: u64, limit: u32) -> Result<Vec<Change>, CatalogError> {
        self.changes_after(position, limit).await
    }

    async fn wait_for_change(&self, position: u64, at_most: Duration) -> Result<bool, CatalogError> {
        self.wait_for_change(position, at_most).await
    }

    async fn constellations(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError> {
        self.packed(numbers).await
    }

    async fn constellation_sizes(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, u64)>, CatalogError> {
        self.constellation_sizes(numbers).await
    }

    async fn settle(&self) -> Result<(), CatalogError> {
        self.settle().await
    }

    async fn health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError> {
        self.facts(thorough).await
    }

    async fn close(&self) -> Result<(), CatalogError> {
        self.close().await
    }
}
