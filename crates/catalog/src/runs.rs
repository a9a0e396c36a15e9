//! The search index stored as rows in the database of the catalog.

use std::sync::Arc;

use async_trait::async_trait;
use refrain_core::index::rows::{RowIndex, RowStore};

use crate::{LibraryError, Refreshed};

/// An index whose rows are in the database of the catalog. A search blocks its thread while it waits for the database,
/// so it must run outside the worker threads of the async runtime.
pub type DatabaseIndex = RowIndex<Box<dyn RowStore>>;

/// The search index in the database of a catalog. Like index files, it is derived from the constellations, follows the
/// changes, and can be deleted at any time.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Opens the index for searching. Returns it together with the change number that it has reached. Must be called
    /// within the runtime in which the catalog was opened.
    async fn open(self: Arc<Self>) -> Result<(DatabaseIndex, u64), LibraryError>;

    /// Reads the changes of the catalog until there are no more, and makes them searchable. Several processes can call
    /// this at the same time; each change is applied once.
    async fn pack(&self) -> Result<Refreshed, LibraryError>;

    /// Merges several runs into one if there are enough of similar size, or rewrites one run without its removed
    /// tracks. Returns false if there is nothing to do or another process is merging. Searches continue during the
    /// merge.
    async fn merge(&self) -> Result<bool, LibraryError>;

    /// Empties the index; [`Runs::pack`] rebuilds it from the constellations.
    async fn reset(&self) -> Result<(), LibraryError>;
}
