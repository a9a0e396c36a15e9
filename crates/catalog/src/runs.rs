//! The search index as rows of the catalogue's database.

use std::sync::Arc;

use async_trait::async_trait;
use refrain_core::index::rows::{RowIndex, RowStore};

use crate::{LibraryError, Refreshed};

/// An index whose rows are in the catalogue's database. Its threads wait for the database, so it is to be searched
/// outside of the async runtime's own threads.
pub type DatabaseIndex = RowIndex<Box<dyn RowStore>>;

/// The search index of a catalogue that keeps one beside its tracks. Like index files it is derived from the
/// constellations, follows the changes, and may be deleted at any time.
#[async_trait]
pub trait Runs: Send + Sync {
    /// What can be searched now, and up to which change of the catalogue. To be called within the runtime that the
    /// catalogue was opened in.
    async fn open(self: Arc<Self>) -> Result<(DatabaseIndex, u64), LibraryError>;

    /// Reads the catalogue's changes until there are no more, and makes them searchable. Several processes may do so
    /// at once: each change is taken in once.
    async fn pack(&self) -> Result<Refreshed, LibraryError>;

    /// Makes one run of several, if there are enough of about one size, or one without its removed tracks. False where
    /// there is nothing to do, or another process does it. Searches go on meanwhile.
    async fn merge(&self) -> Result<bool, LibraryError>;

    /// Empties the index; [`Runs::pack`] makes it again from the constellations.
    async fn reset(&self) -> Result<(), LibraryError>;
}
