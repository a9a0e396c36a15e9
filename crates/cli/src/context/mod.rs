//! Access to the catalog and its index cache for code that is not asynchronous, from any thread.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use refrain_catalog::Catalog;
use refrain_core::index::CacheState;
use refrain_index_sync::{FollowEvent, IndexFollower, IndexSync, SkippedTrack};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::output::Output;
use crate::settings::Settings;

/// Behavior of a command if the catalog does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create the catalog. For commands that write to it.
    Create,
    /// Return an error, because an empty new catalog would hide a mistyped path.
    Refuse,
}

/// An open catalog and a runtime for network operations, such as database queries and following the changes of the
/// catalog. Audio is never processed on the threads of this runtime.
pub(crate) struct CommandContext {
    runtime: Runtime,
    catalog: Arc<dyn Catalog>,
    settings: Settings,
}

impl CommandContext {
    /// Opens the catalog. `missing` determines whether a catalog that does not exist is created or is an error.
    pub(crate) fn open(settings: &Settings, missing: Missing) -> Result<Self> {
        let url = settings.catalog.expose();
        if let Some(path) = sqlite_path(url) {
            prepare_file(&path, missing, settings.names.catalog)?;
        }
        // The runtime has one worker thread, so that it follows the catalog even while no call of `wait` runs.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the thread that accesses the catalog")?;
        let catalog = runtime.block_on(async {
            match missing {
                Missing::Create => refrain_catalog::open_with(url, &settings.database).await,
                Missing::Refuse => refrain_catalog::open_existing(url, &settings.database).await,
            }
        })?;
        Ok(Self { runtime, catalog, settings: settings.clone() })
    }

    /// Runs a future, such as a database query, to completion and returns its result. Blocks the calling thread.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Returns a handle of the runtime, for network operations other than database queries.
    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    /// Returns the catalog. Its futures are run with [`Self::wait`].
    pub(crate) fn catalog(&self) -> &dyn Catalog {
        self.catalog.as_ref()
    }

    /// Returns a shared handle of the catalog, for tasks that run in the background.
    pub(crate) fn catalog_handle(&self) -> Arc<dyn Catalog> {
        Arc::clone(&self.catalog)
    }

    /// Starts a task in the background. It is cancelled, at the latest, when this context is dropped.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(work)
    }

    /// Opens the index cache and brings it up to date with the catalog. Prints a note if the cache was missing or had
    /// to be discarded, and one for each track that cannot be searched.
    pub(crate) fn index_sync(&self, output: &Output) -> Result<IndexSync> {
        let prefix = self.settings.cache_prefix()?;
        if let Some(folder) = prefix.parent() {
            std::fs::create_dir_all(folder).with_context(|| {
                format!("cannot create the folder of the index cache {}", folder.display())
            })?;
        }
        let (mut index_sync, state) = self.wait(IndexSync::open(Arc::clone(&self.catalog), &prefix))?;
        if let Some(why) =
            // The note is printed before the rebuild, which takes minutes for a large catalog.
            rebuild_reason(&state, index_sync.position() == self.wait(self.catalog.position())?)
        {
            output.note(&format!("refrain: index cache {why}; rebuilding it"));
        }
        self.refresh(&mut index_sync, output)?;
        Ok(index_sync)
    }

    /// Deletes the contents of the index cache.
    pub(crate) fn discard_index(&self) -> Result<()> {
        let prefix = self.settings.cache_prefix()?;
        let (mut index_sync, _) = self.wait(IndexSync::open(Arc::clone(&self.catalog), &prefix))?;
        Ok(self.wait(index_sync.discard())?)
    }

    /// Brings the index cache up to date with the catalog, and prints a note for each track that cannot be searched.
    pub(crate) fn refresh(&self, index_sync: &mut IndexSync, output: &Output) -> Result<()> {
        let refreshed = self.wait(index_sync.refresh())?;
        for skipped in refreshed.skipped {
            output.note(&format!("refrain: {}", cannot_be_searched(&skipped)));
        }
        Ok(())
    }

    /// Starts a background task that applies changes of the catalog to the index cache. `listener` is called for each
    /// event.
    pub(crate) fn follow(
        &self,
        index_sync: IndexSync,
        listener: impl Fn(FollowEvent<'_>) + Send + Sync + 'static,
    ) -> IndexFollower {
        // The follower spawns a task, which requires that this thread has entered the runtime.
        let _in_runtime = self.runtime.enter();
        IndexFollower::start(index_sync, listener)
    }

    /// Closes the catalog. If no other process uses an SQLite catalog, its write-ahead log is merged into the catalog
    /// file.
    pub(crate) fn close(self) -> Result<()> {
        Ok(self.wait(self.catalog.close())?)
    }
}

/// Returns the message for a track that the index had to skip.
pub(crate) fn cannot_be_searched(skipped: &SkippedTrack) -> String {
    format!("track {} cannot be searched: {}", skipped.track.0, skipped.reason)
}

/// Returns the reason why the cache has to be rebuilt, or `None` if no message is needed: the cache is valid, or it is
/// missing and the catalog is empty.
fn rebuild_reason(state: &CacheState, empty_catalog: bool) -> Option<String> {
    match state {
        CacheState::Ready => None,
        CacheState::Missing => (!empty_catalog).then(|| "not found".to_owned()),
        CacheState::Discarded(why) => Some(why.clone()),
    }
}

/// Returns the path of a catalog that is an SQLite file, or `None` for every other catalog.
pub(crate) fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    // `sqlite::memory:` is not a file.
    (!path.is_empty() && !path.starts_with(':')).then(|| PathBuf::from(path))
}

fn prepare_file(path: &Path, missing: Missing, option: &str) -> Result<()> {
    if missing == Missing::Refuse && !path.exists() {
        bail!(
            "catalog {} not found; create it with `refrain index FOLDER`, or select another catalog with {option}",
            path.display()
        );
    }
    if missing == Missing::Create
        && let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
    {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create folder {}", folder.display()))?;
    }
    Ok(())
}
