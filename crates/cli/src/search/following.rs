//! A local index that follows the changes of the catalog while inputs are processed.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use refrain_catalog::{Change, ChangeKind, TrackNumber};
use refrain_core::index::{IndexError, Snapshot};
use refrain_index_sync::{FollowEvent, IndexFollower, SkippedTrack};

use super::lock;
use crate::context::{CommandContext, cannot_be_searched};
use crate::output::Output;

/// Changes of the catalog and messages since the last call of
/// [`Searcher::index_changes`](super::Searcher::index_changes).
#[derive(Debug, Default)]
pub(crate) struct IndexChanges {
    /// Tracks whose metadata was changed, or that were removed. Cached copies of them are out of date.
    pub(crate) stale: Vec<TrackNumber>,
    /// Messages about the index, to print on standard error.
    pub(crate) notes: Vec<String>,
}

/// A local index that is updated in the background, and the changes that [`Self::index_changes`] has not returned yet.
pub(super) struct FollowingIndex {
    follower: IndexFollower,
    index_changes: Arc<Mutex<IndexChanges>>,
    /// Held by a search while it rebuilds a damaged index, so that searches on other threads wait for the rebuild.
    rebuild_lock: Mutex<()>,
}

impl FollowingIndex {
    /// Brings the index up to date with the catalog and starts to follow its changes.
    pub(super) fn open(context: &CommandContext, output: &Output) -> Result<Self> {
        let index_sync = context.index_sync(output)?;
        let index_changes = Arc::<Mutex<IndexChanges>>::default();
        // The listener is called on the thread of the runtime, and is used after this call ends.
        let listener_changes = Arc::clone(&index_changes);
        let follower = context.follow(index_sync, move |what| lock(&listener_changes).record(&what));
        Ok(Self { follower, index_changes, rebuild_lock: Mutex::new(()) })
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.follower.snapshot()
    }

    pub(super) fn index_changes(&self) -> IndexChanges {
        std::mem::take(&mut lock(&self.index_changes))
    }

    /// Rebuilds the index, unless another thread has already replaced the damaged snapshot `bad`.
    pub(super) fn heal(
        &self,
        bad: &Arc<Snapshot>,
        error: &IndexError,
        context: &CommandContext,
        output: &Output,
    ) -> Result<()> {
        // Several searches can find the same damage. One of them rebuilds the index, and the others wait here until it
        // is done.
        let _alone = lock(&self.rebuild_lock);
        if Arc::ptr_eq(bad, &self.follower.snapshot()) {
            output.note(&format!("refrain: {error}; doing so now"));
            context.wait(self.follower.heal(bad))?;
        }
        Ok(())
    }
}

impl IndexChanges {
    pub(super) fn changed(&mut self, changes: &[Change]) {
        let stale = changes.iter().filter(|change| change.kind != ChangeKind::Added);
        self.stale.extend(stale.map(|change| change.track));
    }

    pub(super) fn skipped(&mut self, skipped: &[SkippedTrack]) {
        self.notes.extend(skipped.iter().map(cannot_be_searched));
    }

    fn record(&mut self, what: &FollowEvent<'_>) {
        match what {
            FollowEvent::Changed(done) => {
                self.changed(&done.changes);
                self.skipped(&done.skipped);
            }
            // Only the first failure of an outage is reported, because an outage can last for hours.
            FollowEvent::Failed { error, failures: 1, .. } => {
                self.notes.push(format!("{error}; the search uses the index as it is"));
            }
            FollowEvent::Recovered => self.notes.push("changes of the catalog are followed again".to_owned()),
            _ => {}
        }
    }
}
