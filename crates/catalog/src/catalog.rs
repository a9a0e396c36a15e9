//! The trait that every backend implements.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    AddOutcome, CatalogError, Change, ContentHash, Fact, Journal, NearDuplicate, NewTrack, Runs, Track,
    TrackFilter, TrackId, TrackNumber, TrackUpdate,
};

/// Access to a catalogue. One contract test suite runs against every implementation.
///
/// Every call is one transaction: it happens whole or not at all, and what it returned `Ok` for survives the
/// death of the process. A call may be dropped at any await. Several processes may share a catalogue.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Identity of this catalogue (a random UUID made at creation); an index cache belongs to one identity.
    fn identity(&self) -> u128;

    /// Streams, detections and the outbox, in the same database.
    fn journal(&self) -> &dyn Journal;

    /// The source and content hash of a track that came from exactly this content, if there is one that is
    /// not removed (the oldest of several): lets an indexer skip unchanged files before it decodes them.
    async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError>;

    /// The track that came from this source path, if there is one that is not removed.
    async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError>;

    /// Adds a track in one transaction, or replaces the one that came from the same source with other
    /// content (same id, new number), or says that the very same source and content is there already.
    ///
    /// A replaced track takes the new metadata whole, and keeps its rule where the new one has none. With an
    /// id (import), a live track of that id counts as the same track: `Unchanged` with the same content,
    /// else `Replaced`. A live track that holds the source keeps its own id, whatever id is asked for.
    ///
    /// # Errors
    /// [`CatalogError::SourceTaken`] if the id lives under one source and another track under the new one;
    /// [`CatalogError::Invalid`] for a length that is no length; [`CatalogError::TooManyTracks`].
    async fn add(&self, track: NewTrack) -> Result<AddOutcome, CatalogError>;

    /// Adds many tracks at once: what [`Catalog::add`] says of each of them, one after the other, in order. One
    /// that is refused stops none of the others. Where a connection is lost on the way it is waited for, and
    /// the batch done again exactly once.
    ///
    /// # Errors
    /// What keeps the catalogue from taking any track; all, or a first part of them, may have been added then.
    async fn add_all(
        &self,
        tracks: Vec<NewTrack>,
    ) -> Result<Vec<Result<AddOutcome, CatalogError>>, CatalogError>;

    /// Tracks with these numbers, in any order; unknown numbers are left out, removed tracks are not.
    async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError>;

    /// The track with this id, removed or not: the live one, else the last that there was.
    async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError>;

    /// A page of tracks that pass the filter, in order of number, after the given number.
    async fn list(
        &self,
        filter: &TrackFilter,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<Track>, CatalogError>;

    /// Number of tracks that are not removed.
    async fn count(&self) -> Result<u64, CatalogError>;

    /// Changes metadata or rule; gives the track as it is now, or `None` if there is no such track that is
    /// not removed.
    async fn update(&self, id: TrackId, update: TrackUpdate) -> Result<Option<Track>, CatalogError>;

    /// Removes a track: it is kept as a record, its constellation goes. False if it was not there.
    async fn remove(&self, id: TrackId) -> Result<bool, CatalogError>;

    /// Links two tracks whose sound is the same; doing it twice, or the other way round, changes nothing.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if a track is unknown or linked with itself.
    async fn link_near_duplicate(&self, link: NearDuplicate) -> Result<(), CatalogError>;

    /// Live tracks that were added and not compared with the earlier tracks yet, in order of number, after the given one. A
    /// new track is one of them from the transaction on that adds it.
    async fn pending_comparisons(
        &self,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<TrackNumber>, CatalogError>;

    /// Stores the result of comparisons in one transaction: the links that were found, and that the tracks are not pending any
    /// more.
    ///
    /// # Errors
    /// As [`Catalog::link_near_duplicate`]; then nothing is stored.
    async fn finish_comparisons(
        &self,
        tracks: &[TrackNumber],
        links: &[NearDuplicate],
    ) -> Result<(), CatalogError>;

    /// Near-duplicates of a track, on either side of the link, of which neither track is removed; in order
    /// of track, then of the older one.
    async fn near_duplicates(&self, track: TrackNumber) -> Result<Vec<NearDuplicate>, CatalogError>;

    /// A page of all those links, in the same order, after a given one.
    async fn list_near_duplicates(
        &self,
        after: Option<(TrackNumber, TrackNumber)>,
        limit: u32,
    ) -> Result<Vec<NearDuplicate>, CatalogError>;

    /// Newest change number; 0 for a new catalogue. Changes are visible in order: whoever sees one sees all
    /// before it.
    async fn position(&self) -> Result<u64, CatalogError>;

    /// Changes after a position in order, at most `limit`.
    async fn changes_after(&self, position: u64, limit: u32) -> Result<Vec<Change>, CatalogError>;

    /// Waits until there is a change after a position, whichever process makes it, or until the time is over;
    /// whether there is one. A change is noticed within two seconds.
    async fn wait_for_change(&self, position: u64, at_most: Duration) -> Result<bool, CatalogError>;

    /// Packed constellations of tracks that are not removed, in any order.
    async fn constellations(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError>;

    /// Bytes of those packed constellations, in any order, without reading them: for callers that bound
    /// the memory of what they ask for.
    async fn constellation_sizes(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, u64)>, CatalogError>;

    /// The search index that the catalogue's database keeps, for databases that can.
    fn runs(self: Arc<Self>) -> Option<Arc<dyn Runs>> {
        None
    }

    /// When this returns, every transaction so far survives a power cut as well. Whoever derives files from
    /// the catalogue calls it first, so that they are never ahead of it.
    async fn settle(&self) -> Result<(), CatalogError>;

    /// What this kind of database says of its own state, for a person. Where it is `thorough` everything that is
    /// stored is looked at, which takes as long as reading it.
    ///
    /// # Errors
    /// What keeps the catalogue from answering at all.
    async fn health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError>;

    /// Ends work in good order: the last process to do so leaves one tidy file. Nothing can be asked after.
    async fn close(&self) -> Result<(), CatalogError>;
}
