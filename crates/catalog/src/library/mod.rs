//! An index kept in step with a catalogue.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_core::fingerprint::ConstellationError;
use refrain_core::index::{Cache, CacheState, IndexError, Snapshot, TrackNumber};

use crate::{Catalog, CatalogError, Change};
use tokio::sync::Semaphore;

mod batch;
mod follow;
mod refresh;
mod view;

pub use follow::{Followed, Follower};
use view::View;

pub(crate) use batch::{Batch, cut, lasting};
pub(crate) use refresh::unpack;

/// Questions for constellations that are with the database at the same time.
const READ_AT_ONCE: usize = 3;

/// A catalogue and the search index that is derived from it.
///
/// The index lives in files, may be deleted at any time, and follows the catalogue's changes whenever
/// [`Library::refresh`] is called.
pub struct Library {
    catalog: Arc<dyn Catalog>,
    /// Shared with the thread that applies changes, which ends its work even where a refresh is dropped.
    cache: Arc<Mutex<Cache>>,
    /// What that thread has made so far.
    view: Arc<View>,
    /// The last change that was told of; those before the library was opened count as told.
    told: u64,
    /// What was done and is not yet told, because an error or a drop came between.
    pending: Refreshed,
    /// Questions that read constellations at once.
    turns: Arc<Semaphore>,
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
    /// Every change since the library was opened that was not told before, in order and whoever made it searchable:
    /// what is kept in memory of these tracks has to be asked for again.
    pub changes: Vec<Change>,
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
        let (cache, state) = tokio::task::spawn_blocking(work).await.map_err(thread_died)??;
        let view = Arc::new(View::of(&cache));
        let cache = Arc::new(Mutex::new(cache));
        let turns = Arc::new(Semaphore::new(READ_AT_ONCE));
        let mut library = Self { catalog, cache, view, told: u64::MAX, pending: Refreshed::default(), turns };
        let older = library.check_age().await?;
        Ok((library, older.unwrap_or(state)))
    }

    /// Throws the index away where it is ahead of the catalogue: that was restored from an older copy, and its next
    /// tracks will be other ones.
    async fn check_age(&mut self) -> Result<Option<CacheState>, LibraryError> {
        // The index first: another process may move both on at any time, the catalogue before the index.
        let (at, newest) = (self.position(), self.catalog.position().await?);
        self.told = self.told.min(newest);
        if at <= newest {
            return Ok(None);
        }
        self.discard().await?;
        Ok(Some(CacheState::Discarded(format!(
            "the search index is at change {at}, but the catalogue at {newest}: it is an older copy"
        ))))
    }

    /// Throws the index away, because a search found it damaged; the next refresh builds it anew.
    ///
    /// # Errors
    /// [`LibraryError::Thread`].
    pub async fn discard(&mut self) -> Result<(), LibraryError> {
        self.begin_anew(View::reset).await
    }

    /// Throws the index away and keeps showing it until the next refresh has built another one.
    async fn begin_behind(&mut self) -> Result<(), LibraryError> {
        self.begin_anew(View::advance).await
    }

    async fn begin_anew(&mut self, show: fn(&View, &Cache)) -> Result<(), LibraryError> {
        let (cache, view) = (Arc::clone(&self.cache), Arc::clone(&self.view));
        let work = move || {
            let mut cache = lock(&cache);
            cache.discard();
            show(&view, &cache);
        };
        tokio::task::spawn_blocking(work).await.map_err(thread_died)
    }

    /// What can be searched. It waits for no refresh that runs, and never knows less than one given before, unless
    /// the index was thrown away.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.view.snapshot()
    }

    /// The catalogue's change number that the index has reached.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.view.position()
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
