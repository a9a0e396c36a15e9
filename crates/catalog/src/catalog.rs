//! The traits that every storage backend implements.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::postgres::PostgresCatalog;
use crate::{
    AddOutcome, CatalogError, Change, ContentHash, Fact, Journal, NearDuplicate, NewTrack, Track,
    TrackFilter, TrackId, TrackNumber, TrackUpdate,
};

/// Access to a catalog. One contract test suite runs against every implementation.
///
/// Every call is one transaction: it takes effect completely or not at all, and its result is durable against a crash
/// of the process once it has returned `Ok`. A call can be dropped at any await point. Several processes can share a
/// catalog.
#[async_trait]
pub trait Catalog: TrackReader + TrackWriter + NearDuplicates + ChangeFeed {
    /// Returns the identity of this catalog: a random UUID generated when it was created. An index cache belongs to one
    /// identity.
    fn identity(&self) -> u128;

    /// Returns the journal (streams, detections and the outbox) in the same database.
    fn journal(&self) -> &dyn Journal;

    /// Returns the catalog as a PostgreSQL catalog, for data that is derived from it and stored in the same database;
    /// `None` for other databases.
    fn postgres(self: Arc<Self>) -> Option<Arc<PostgresCatalog>> {
        None
    }

    /// Returns facts about the state of the database, for display. With `thorough`, it also counts live tracks without
    /// a constellation, and for SQLite checks the integrity of the whole file, which takes as long as reading it. A
    /// PostgreSQL server checks its own pages (`initdb --data-checksums`, `pg_amcheck`).
    ///
    /// # Errors
    /// The error that prevents any query of the catalog.
    async fn health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError>;

    /// Closes the catalog; no further calls are possible. The last process that closes an SQLite catalog leaves a
    /// single file.
    async fn close(&self) -> Result<(), CatalogError>;
}

/// Finds and lists tracks. Part of [`Catalog`], whose guarantees apply.
#[async_trait]
pub trait TrackReader: Send + Sync {
    /// Returns the track with exactly this content that is not removed, or the oldest one if there are several. An
    /// indexer uses it to skip unchanged files before it decodes them.
    async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError>;

    /// Returns the track with this source path that is not removed.
    async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError>;

    /// Returns the tracks with these numbers, in any order. Unknown numbers are left out; removed tracks are included.
    async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError>;

    /// Returns the track with this id: the live one, or else the removed one that was added last.
    async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError>;

    /// Returns a page of tracks that pass the filter, ordered by number, starting after the given number.
    async fn list(
        &self,
        filter: &TrackFilter,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<Track>, CatalogError>;

    /// Returns the number of tracks that are not removed.
    async fn count(&self) -> Result<u64, CatalogError>;
}

/// Adds, changes and removes tracks. Part of [`Catalog`], whose guarantees apply.
#[async_trait]
pub trait TrackWriter: Send + Sync {
    /// Adds a track in one transaction. If a track of the same source has other content, it is replaced (same id, new
    /// number). If it has the same content, nothing changes.
    ///
    /// A replaced track takes all of the new metadata, and keeps its rule if the new track has none. If `track.id` is
    /// set (import), a live track with that id counts as the same track: the outcome is `Unchanged` if the content is
    /// equal, else `Replaced`. A live track that has the source keeps its own id, whatever `track.id` is.
    ///
    /// # Errors
    /// [`CatalogError::SourceTaken`] if the id belongs to a live track with another source and content, and another
    /// track has the new source; [`CatalogError::Invalid`] if the length is negative or not finite, or the source
    /// contains NUL; [`CatalogError::TooManyTracks`].
    async fn add(&self, track: NewTrack) -> Result<AddOutcome, CatalogError>;

    /// Adds many tracks, with the result of calling [`Self::add`] for each of them in order. A track that is rejected
    /// does not stop the others. If a connection is lost, the call waits for the server and applies the batch again,
    /// exactly once.
    ///
    /// # Errors
    /// The error that prevents the catalog from storing any track. In that case all tracks, or only the first ones, may
    /// have been added.
    async fn add_all(
        &self,
        tracks: Vec<NewTrack>,
    ) -> Result<Vec<Result<AddOutcome, CatalogError>>, CatalogError>;

    /// Changes the metadata or the rule of a track that is not removed and returns the updated track, or `None` if
    /// there is no such track.
    async fn update(&self, id: TrackId, update: TrackUpdate) -> Result<Option<Track>, CatalogError>;

    /// Removes a track: its row is kept as a record, its constellation is deleted. Returns false if there was no live
    /// track with this id.
    async fn remove(&self, id: TrackId) -> Result<bool, CatalogError>;
}

/// Links between tracks of the same recording, and the comparisons that find them.
/// Part of [`Catalog`], whose guarantees apply.
#[async_trait]
pub trait NearDuplicates: Send + Sync {
    /// Links two tracks of the same recording as near-duplicates. Linking them again, in either direction, changes
    /// nothing.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if a track is unknown or linked to itself, or if `seconds` is not finite.
    async fn link_near_duplicate(&self, link: NearDuplicate) -> Result<(), CatalogError>;

    /// Returns live tracks that have not been compared with the earlier tracks yet, ordered by number, starting after
    /// the given one. A new track is pending from the transaction that adds it.
    async fn pending_comparisons(
        &self,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<TrackNumber>, CatalogError>;

    /// Stores the result of comparisons in one transaction: inserts the links that were found and marks the tracks as
    /// no longer pending.
    ///
    /// # Errors
    /// As for [`Self::link_near_duplicate`]; nothing is stored then.
    async fn finish_comparisons(
        &self,
        tracks: &[TrackNumber],
        links: &[NearDuplicate],
    ) -> Result<(), CatalogError>;

    /// Returns the near-duplicate links of a track, whichever side of the link it is on, if neither track is removed.
    /// They are ordered by `track`, then by `of`.
    async fn near_duplicates(&self, track: TrackNumber) -> Result<Vec<NearDuplicate>, CatalogError>;

    /// Returns a page of all links between tracks that are not removed, in the same order, starting after the given
    /// link.
    async fn list_near_duplicates(
        &self,
        after: Option<(TrackNumber, TrackNumber)>,
        limit: u32,
    ) -> Result<Vec<NearDuplicate>, CatalogError>;
}

/// The sequence of changes and the constellations, from which indexes are derived.
/// Part of [`Catalog`], whose guarantees apply.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Returns the newest change number, 0 for a new catalog. Changes become visible in order: a reader that sees a
    /// change also sees all earlier ones.
    async fn position(&self) -> Result<u64, CatalogError>;

    /// Returns at most `limit` changes after a position, in order.
    async fn changes_after(&self, position: u64, limit: u32) -> Result<Vec<Change>, CatalogError>;

    /// Waits until any process has made a change after `position`, or until `at_most` has passed. Returns true if there
    /// is such a change. A change is noticed within two seconds.
    async fn wait_for_change(&self, position: u64, at_most: Duration) -> Result<bool, CatalogError>;

    /// Returns the packed constellations of tracks that are not removed, in any order.
    async fn constellations(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError>;

    /// Returns the sizes in bytes of those packed constellations, in any order, without reading them. Callers use it to
    /// bound the memory of the constellations that they request.
    async fn constellation_sizes(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, u64)>, CatalogError>;

    /// Makes all committed transactions durable against a power failure. Code that derives files from the catalog calls
    /// this first, so that the files are never ahead of the catalog.
    async fn settle(&self) -> Result<(), CatalogError>;
}
