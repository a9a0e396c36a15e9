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
/// of the process once it has returned `Ok`. The future of a call can be dropped at any await point; the call then has
/// taken effect completely or not at all. Several processes can share a catalog.
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

    /// Returns facts about the state of the database, for display. With `thorough`, the call also counts live tracks
    /// without a constellation, and for SQLite checks the integrity of the whole file, which takes as long as reading
    /// it. A PostgreSQL server checks its own pages (`initdb --data-checksums`, `pg_amcheck`).
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog cannot be queried.
    async fn health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError>;

    /// Closes the catalog; later calls fail. When the last process closes an SQLite catalog, the content of the
    /// write-ahead log is moved into the catalog file, so that a single file remains.
    async fn close(&self) -> Result<(), CatalogError>;
}

/// Finds and lists tracks. Part of [`Catalog`], whose guarantees apply.
#[async_trait]
pub trait TrackReader: Send + Sync {
    /// Returns the live track (not removed) with this content, the oldest one if there are several, or `None`. An
    /// indexer uses this call to skip unchanged files before it decodes them.
    async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError>;

    /// Returns the track with this source that is not removed, or `None` if none exists.
    async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError>;

    /// Returns the tracks with these numbers, in any order. Unknown numbers are left out; removed tracks are included.
    async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError>;

    /// Returns the track with this id: the live one (not removed), or else the removed one that was added last. Returns
    /// `None` if the id is unknown.
    async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError>;

    /// Returns at most `limit` tracks that pass `filter`, ordered by track number. The list starts after the track with
    /// the number `after`, or with the first track if `after` is `None`.
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
    /// Adds a track in one transaction. If a live track has the same source and other content, that track is replaced
    /// (same id, new number). If its content is the same, nothing changes.
    ///
    /// The replacement has all of the new metadata, and keeps the old rule if the new track has none. If `track.id` is
    /// set (import), a live track with that id counts as the same track: the outcome is `Unchanged` if the content is
    /// equal, else `Replaced`. If only the source belongs to a live track, that track keeps its own id, whatever
    /// `track.id` is.
    ///
    /// # Errors
    /// [`CatalogError::SourceTaken`] if `track.id` belongs to a live track with other content, and the source belongs
    /// to another live track. [`CatalogError::Invalid`] if the duration is negative or not finite, or the source
    /// contains NUL. [`CatalogError::TooManyTracks`] if all track numbers have been used.
    async fn add(&self, track: NewTrack) -> Result<AddOutcome, CatalogError>;

    /// Adds many tracks, with the result of calling [`Self::add`] for each of them in order. A track that is rejected
    /// does not stop the others. If a connection is lost, the call waits for the server and applies the batch again,
    /// exactly once.
    ///
    /// # Errors
    /// An error that concerns the whole batch, for example a full disk. If the connection was lost during the commit,
    /// the batch can have been stored in spite of the error.
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
    /// [`CatalogError::Invalid`] if a track is unknown or linked to itself, or if `link.seconds` is not finite.
    async fn link_near_duplicate(&self, link: NearDuplicate) -> Result<(), CatalogError>;

    /// Returns live tracks that have not been compared with the earlier tracks yet, ordered by number, at most `limit`.
    /// The list starts after the track `after`, or with the first one if `after` is `None`. A new track is pending from
    /// the transaction that adds it.
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

    /// Returns the near-duplicate links that contain `track` on either side, except links with a removed track. The
    /// links are ordered by [`NearDuplicate::track`], then by [`NearDuplicate::of`].
    async fn near_duplicates(&self, track: TrackNumber) -> Result<Vec<NearDuplicate>, CatalogError>;

    /// Returns at most `limit` links between tracks that are not removed, in the order of [`Self::near_duplicates`].
    /// The list starts after the link `after` (its `track` and `of`), or with the first link if `after` is `None`.
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
    /// Returns the number of the newest change, 0 for a new catalog. Changes become visible in order: a reader that can
    /// read a change can also read all earlier changes.
    async fn position(&self) -> Result<u64, CatalogError>;

    /// Returns at most `limit` changes after the position `position`, in order.
    async fn changes_after(&self, position: u64, limit: u32) -> Result<Vec<Change>, CatalogError>;

    /// Waits until any process has made a change after `position`, or until `at_most` has passed. Returns true if there
    /// is such a change. A change is noticed within two seconds.
    async fn wait_for_change(&self, position: u64, at_most: Duration) -> Result<bool, CatalogError>;

    /// Returns the packed constellations of these tracks, in any order. Removed and unknown tracks are left out.
    async fn constellations(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError>;

    /// Returns the size in bytes of each packed constellation that [`Self::constellations`] would return, in any order,
    /// without reading the constellations. Callers use the sizes to bound the memory of the constellations that they
    /// request.
    async fn constellation_sizes(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, u64)>, CatalogError>;

    /// Makes all committed transactions durable against a power failure. Code that derives files from the catalog calls
    /// this first, so that the files are not ahead of the catalog after such a failure.
    async fn settle(&self) -> Result<(), CatalogError>;
}
