//! A local index that follows the catalog while inputs are processed.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use refrain_catalog::{Change, ChangeKind, TrackNumber};
use refrain_core::index::{IndexError, Snapshot};
use refrain_index_sync::{Followed, Follower, Skipped};

use super::lock;
use crate::output::Output;
use crate::store::{Store, cannot_be_searched};

/// Changes of the catalog since the last call of [`Searcher::news`](super::Searcher::news).
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Tracks that were changed or removed.
    pub(crate) stale: Vec<TrackNumber>,
    /// Lines to print on standard error.
    pub(crate) notes: Vec<String>,
}

/// A follower of the catalog and the changes that it has reported.
pub(super) struct Following {
    follower: Follower,
    news: Arc<Mutex<News>>,
    /// Held by the search that rebuilds a damaged index.
    healing: Mutex<()>,
}

impl Following {
    /// Brings the index up to date and starts to follow the catalog.
    pub(super) fn open(store: &Store, output: &Output) -> Result<Self> {
        let library = store.library(output)?;
        let news = Arc::<Mutex<News>>::default();
        let told = Arc::clone(&news);
        let follower = store.follow(library, move |what| lock(&told).take(&what));
        Ok(Self { follower, news, healing: Mutex::new(()) })
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.follower.snapshot()
    }

    pub(super) fn news(&self) -> News {
        std::mem::take(&mut lock(&self.news))
    }

    /// Rebuilds the index, unless another thread has rebuilt it already.
    pub(super) fn heal(
        &self,
        bad: &Arc<Snapshot>,
        error: &IndexError,
        store: &Store,
        output: &Output,
    ) -> Result<()> {
        let _alone = lock(&self.healing);
        if Arc::ptr_eq(bad, &self.follower.snapshot()) {
            output.note(&format!("refrain: {error}; doing so now"));
            store.wait(self.follower.heal(bad))?;
        }
        Ok(())
    }
}

impl News {
    pub(super) fn changed(&mut self, changes: &[Change]) {
        let stale = changes.iter().filter(|change| change.kind != ChangeKind::Added);
        self.stale.extend(stale.map(|change| change.track));
    }

    pub(super) fn skipped(&mut self, skipped: &[Skipped]) {
        self.notes.extend(skipped.iter().map(cannot_be_searched));
    }

    fn take(&mut self, what: &Followed<'_>) {
        match what {
            Followed::Changed(done) => {
                self.changed(&done.changes);
                self.skipped(&done.skipped);
            }
            // Only the first failure is reported, because an outage can last for hours.
            Followed::Failed { error, failures: 1, .. } => {
                self.notes.push(format!("{error}; the search uses the index as it is"));
            }
            Followed::Recovered => self.notes.push("changes of the catalog are followed again".to_owned()),
            _ => {}
        }
    }
}
