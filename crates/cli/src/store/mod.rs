//! The catalogue and its index cache, as this command uses them: blocking, from any thread.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use refrain_catalog::{Catalog, Followed, Follower, Library, Skipped};
use refrain_core::index::CacheState;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::output::Output;
use crate::settings::Settings;

/// What to do about a catalogue that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make it: the command puts something in.
    Create,
    /// Say so: an empty catalogue made in passing would hide a mistyped path.
    Refuse,
}

/// An open catalogue. The runtime waits for the database and follows its changes; sound is never worked on there.
pub(crate) struct Store {
    runtime: Runtime,
    catalog: Arc<dyn Catalog>,
    settings: Settings,
}

impl Store {
    /// Opens the catalogue.
    pub(crate) fn open(settings: &Settings, missing: Missing) -> Result<Self> {
        let url = settings.catalog.expose();
        if let Some(path) = sqlite_path(url) {
            prepare(&path, missing, settings.names.catalog)?;
        }
        // One thread of its own: what follows the catalogue goes on while nobody waits for anything.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start a thread")?;
        let catalog = runtime.block_on(async {
            match missing {
                Missing::Create => refrain_catalog::open_with(url, &settings.database).await,
                Missing::Refuse => refrain_catalog::open_existing(url, &settings.database).await,
            }
        })?;
        Ok(Self { runtime, catalog, settings: settings.clone() })
    }

    /// Waits for the database.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The runtime, for other network work.
    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    /// The catalogue, to ask with [`Self::wait`].
    pub(crate) fn catalog(&self) -> &dyn Catalog {
        self.catalog.as_ref()
    }

    /// The catalogue, for work that goes on in the background.
    pub(crate) fn shared_catalog(&self) -> Arc<dyn Catalog> {
        Arc::clone(&self.catalog)
    }

    /// Begins work in the background; it ends with the store at the latest.
    pub(crate) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(work)
    }

    /// Opens the index cache and brings it up to date; a cache that had to be thrown away is one line.
    pub(crate) fn library(&self, output: &Output) -> Result<Library> {
        let prefix = self.settings.cache_prefix()?;
        if let Some(folder) = prefix.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the index cache's folder {}", folder.display()))?;
        }
        let (mut library, state) = self.wait(Library::open(Arc::clone(&self.catalog), &prefix))?;
        if let Some(why) = rebuilt(&state, library.position() == self.wait(self.catalog.position())?) {
            output.note(&format!("refrain: index cache {why}; it is built again"));
        }
        self.refresh(&mut library, output)?;
        Ok(library)
    }

    /// Throws the index cache away.
    pub(crate) fn discard_library(&self) -> Result<()> {
        let prefix = self.settings.cache_prefix()?;
        let (mut library, _) = self.wait(Library::open(Arc::clone(&self.catalog), &prefix))?;
        Ok(self.wait(library.discard())?)
    }

    /// Brings the index cache up to date; tracks that cannot be searched are named.
    pub(crate) fn refresh(&self, library: &mut Library, output: &Output) -> Result<()> {
        let refreshed = self.wait(library.refresh())?;
        for skipped in refreshed.skipped {
            output.note(&format!("refrain: {}", cannot_be_searched(&skipped)));
        }
        Ok(())
    }

    /// Has the index cache follow the catalogue by itself.
    pub(crate) fn follow(
        &self,
        library: Library,
        listener: impl Fn(Followed<'_>) + Send + Sync + 'static,
    ) -> Follower {
        let _in_runtime = self.runtime.enter();
        Follower::start(library, listener)
    }

    /// Ends the use of the catalogue in good order.
    pub(crate) fn close(self) -> Result<()> {
        Ok(self.wait(self.catalog.close())?)
    }
}

/// What a person reads of a track that the index leaves out.
pub(crate) fn cannot_be_searched(skipped: &Skipped) -> String {
    format!("track {} cannot be searched: {}", skipped.track.0, skipped.reason)
}

/// Why the cache is built again, if that is news: an empty cache of an empty catalogue is none.
fn rebuilt(state: &CacheState, empty_catalog: bool) -> Option<String> {
    match state {
        CacheState::Ready => None,
        CacheState::Missing => (!empty_catalog).then(|| "is not there".to_owned()),
        CacheState::Discarded(why) => Some(why.clone()),
    }
}

/// The path of a catalogue file, for a catalogue that is one.
pub(crate) fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty() && !path.starts_with(':')).then(|| PathBuf::from(path))
}

fn prepare(path: &Path, missing: Missing, option: &str) -> Result<()> {
    if missing == Missing::Refuse && !path.exists() {
        bail!(
            "there is no catalogue {}; make one with `refrain index FOLDER`, or name another catalog with {option}",
            path.display()
        );
    }
    if missing == Missing::Create
        && let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
    {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make folder {}", folder.display()))?;
    }
    Ok(())
}
