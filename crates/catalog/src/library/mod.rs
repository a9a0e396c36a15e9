//! An index kept in step with a catalogue.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_core::fingerprint::ConstellationError;
use refrain_core::index::{Cache, CacheState, IndexError, Snapshot, TrackNumber};

use crate::{Catalog, CatalogError};

mod batch;
mod refresh;

pub(crate) use batch::{Batch, cut, lasting};
pub(crate) use refresh::unpack;

/// A catalogue and the search index that is derived from it.
///
/// The index lives in files, may be deleted at any time, and follows the catalogue's changes whenever
/// [`Library::refresh`] is called.
pub struct Library {
    catalog: Arc<dyn Catalog>,
    /// Shared with the thread that applies changes, which ends its work even where a refresh is dropped.
    cache: Arc<Mutex<Cache>>,
}

/// Why the index could not follow the catalogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The catalogue could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The index files could not be read or written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The thread that builds the index died.
    #[error("the search index could not be brought up to date ({0}); please report this")]
    Thread(String),
}

/// What a refresh did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Tracks that can be found from now on.
    pub added: u64,
    /// Tracks that left the catalogue.
    pub removed: u64,
    /// Tracks whose metadata or rule changed.
    pub relabelled: Vec<TrackNumber>,
    /// Tracks that cannot be found because their constellations cannot be read.
    pub skipped: Vec<Skipped>,
}

/// A track whose stored constellation cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The track.
    pub track: TrackNumber,
    /// Why, and what to do.
    pub reason: ConstellationError,
}

impl Library {
    /// Opens the index files at `cache_prefix`, or begins new ones. [`Library::refresh`] fills them.
    ///
    /// The state says whether good files were there; `Missing` and `Discarded` mean that the next refresh
    /// builds the whole index, which the caller may announce in one line.
    ///
    /// # Errors
    /// Where the catalogue cannot be read, or the system refuses the index files.
    pub async fn open(
        catalog: Arc<dyn Catalog>,
        cache_prefix: &Path,
    ) -> Result<(Self, CacheState), LibraryError> {
        let identity = catalog.identity();
        let prefix = cache_prefix.to_owned();
        let work = move || Cache::open(&prefix, identity);
        let (cache, mut state) = tokio::task::spawn_blocking(work).await.map_err(thread_died)??;
        let mut library = Self { catalog, cache: Arc::new(Mutex::new(cache)) };
        // Asked after the cache was read: another process may move both on at any time, the catalogue first.
        let (at, newest) = (library.position(), library.catalog.position().await?);
        if at > newest {
            // The catalogue was restored from an older copy, and its next tracks will be other ones.
            library.discard().await?;
            state = CacheState::Discarded(format!(
                "the search index is at change {at}, but the catalogue at {newest}: it is an older copy"
            ));
        }
        Ok((library, state))
    }

    /// Throws the index away, because a search found it damaged; the next refresh builds it anew.
    ///
    /// # Errors
    /// [`LibraryError::Thread`].
    pub async fn discard(&mut self) -> Result<(), LibraryError> {
        let cache = Arc::clone(&self.cache);
        let work = move || lock(&cache).discard();
        tokio::task::spawn_blocking(work).await.map_err(thread_died)
    }

    /// What can be searched, as of the last refresh.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        lock(&self.cache).snapshot()
    }

    /// The catalogue's change number that the index has reached.
    #[must_use]
    pub fn position(&self) -> u64 {
        lock(&self.cache).position()
    }

    /// The catalogue that the index follows.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }
}

/// The cache itself stays good where a thread that held it died: it changes whole or not at all.
fn lock(cache: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
pub(crate) fn thread_died(error: tokio::task::JoinError) -> LibraryError {
    LibraryError::Thread(error.to_string())
}
