//! The catalogue: what is known of every track, behind one trait ([`Catalog`]).
//!
//! SQL holds the truth. Constellations are stored packed; the search index is derived from them and may be
//! deleted at any time.

mod model;

pub use model::{
    AddOutcome, Change, ChangeKind, ContentHash, Metadata, NearDuplicate, NewTrack, Rule, RuleError, Track,
    TrackFilter, TrackId, TrackUpdate,
};
pub use refrain_core::index::TrackNumber;

use async_trait::async_trait;

/// Why the catalogue could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The catalogue was made by a newer program.
    #[error(
        "catalogue {catalog} was made by a newer refrain (schema {found}, this one knows up to {supported}); update refrain"
    )]
    TooNew {
        /// URL without secrets.
        catalog: String,
        /// Schema version found.
        found: i64,
        /// Newest schema version that this program knows.
        supported: i64,
    },
}

/// Access to a catalogue. One contract test suite runs against every implementation.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Identity of this catalogue (a random UUID made at creation); an index cache belongs to one identity.
    fn identity(&self) -> u128;

    /// The source and content hash of a track that came from exactly this content, if there is one that is
    /// not removed: lets an indexer skip unchanged files before it decodes them.
    async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError>;

    /// The track that came from this source path, if there is one that is not removed.
    async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError>;

    /// Adds a track in one transaction, or replaces the one that came from the same source with other
    /// content (same id, new number), or says that the very same source and content is there already.
    async fn add(&self, track: NewTrack) -> Result<AddOutcome, CatalogError>;

    /// Tracks with these numbers, in any order; unknown numbers are left out.
    async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError>;

    /// The track with this id, removed or not.
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

    /// Changes metadata or rule; gives the track as it is now, or `None` if there is no such track.
    async fn update(&self, id: TrackId, update: TrackUpdate) -> Result<Option<Track>, CatalogError>;

    /// Removes a track: it is kept as a record, its constellation goes. False if it was not there.
    async fn remove(&self, id: TrackId) -> Result<bool, CatalogError>;

    /// Links two tracks whose sound is the same; doing it twice changes nothing.
    async fn link_near_duplicate(&self, link: NearDuplicate) -> Result<(), CatalogError>;

    /// Near-duplicates of a track.
    async fn near_duplicates(&self, track: TrackNumber) -> Result<Vec<NearDuplicate>, CatalogError>;

    /// Newest change number; 0 for a new catalogue. Changes are those of sound: added and removed.
    async fn position(&self) -> Result<u64, CatalogError>;

    /// Changes after a position in order, at most `limit`.
    async fn changes_after(&self, position: u64, limit: u32) -> Result<Vec<Change>, CatalogError>;

    /// Packed constellations of tracks that are not removed, in any order.
    async fn constellations(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError>;
}
