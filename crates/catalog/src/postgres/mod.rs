//! The catalog in a PostgreSQL database, which several machines can use at the same time.
//!
//! Tracks, constellations and changes are tables of `migrations/postgres`, in a separate schema. Every call is one
//! transaction that leaves nothing behind in the session, so it works behind PgBouncer too. As with SQLite, a writer
//! first takes a lock of the whole catalog ([`WRITER_LOCK`]): changes become visible in order, without races and
//! deadlocks. Readers never block writers, and the [`journal`] does not need this lock.
//!
//! A call whose connection is lost is retried until the server is available again ([`Retry`]).
//!
//! The public items are for crates that store data in the same database that is derived from the catalog.

mod add;
mod address;
mod comparisons;
mod copy;
mod derived;
mod error;
mod health;
mod insert;
mod journal;
mod links;
mod listen;
mod migrate;
mod open;
mod plan;
mod read;
mod retry;
mod row;
mod transaction;
mod tunnel;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::{
    AddOutcome, Catalog, CatalogError, Change, ContentHash, Fact, Journal, NearDuplicate, NewTrack,
    PostgresSettings, Track, TrackFilter, TrackId, TrackNumber, TrackUpdate,
};
pub(crate) use address::address;
pub use copy::{CopyRows, copy_in};
use error::PostgresName;
use listen::LazyListener;
pub use retry::Retry;
use transaction::BeginStatements;
pub use transaction::{Statement, Transaction};
use tunnel::Tunnel;

/// Key of the advisory lock that a writer holds until the end of its transaction: "refrain!".
const WRITER_LOCK: i64 = i64::from_be_bytes(*b"refrain!");

/// A catalog in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresCatalog {
    name: PostgresName,
    options: PgConnectOptions,
    settings: PostgresSettings,
    pool: PgPool,
    begin: BeginStatements,
    /// True if named prepared statements may be used.
    prepared: bool,
    listener: LazyListener,
    /// Carries all connections if the server has a certificate that sqlx cannot use.
    _tunnel: Option<Tunnel>,
    identity: u128,
}

#[async_trait]
impl Catalog for PostgresCatalog {
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

    fn postgres(self: Arc<Self>) -> Option<Arc<PostgresCatalog>> {
        Some(self)
    }

    async fn settle(&self) -> Result<(), CatalogError> {
        Ok(())
    }

    async fn health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError> {
        self.facts(thorough).await
    }

    async fn close(&self) -> Result<(), CatalogError> {
        self.close().await
    }
}
