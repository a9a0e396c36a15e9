//! State and helpers that the processing of all files shares.

use std::sync::Arc;

use refrain_catalog::{Catalog, Journal};
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::{Effort, MatchSettings, Matches, identify};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::comparisons::Comparisons;
use super::error::FilesError;
use super::pool::{DecodePool, JobPanicked};
use super::reader::ObjectSource;
use crate::clock::Clock;
use crate::cloud::{CloudError, CloudErrorKind, ObjectFacts, ObjectName, Objects};
use crate::counters::Counters;
use crate::delivery::OutboxPlanner;
use crate::settings::FilesSettings;
use refrain_monitor::SnapshotSource;

/// Dependencies, settings and threads that the processing of all files shares.
pub(super) struct FilesContext {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) index: Arc<dyn SnapshotSource>,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) planner: OutboxPlanner,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: FilesSettings,
    pub(super) pool: DecodePool,
    /// One permit per thread of the pool, for the processing of untrusted input.
    pub(super) slots: Arc<Semaphore>,
    /// Locked while an object is decoded that was being decoded when a process died, so that such objects are decoded
    /// one at a time.
    pub(super) suspects: Arc<Mutex<()>>,
    /// New tracks that are still to be compared.
    pub(super) comparisons: Comparisons,
    /// Messages that are being handled.
    pub(super) working: TaskTracker,
    /// Aborts all reading.
    pub(super) stop: CancellationToken,
}

impl FilesContext {
    pub(super) fn journal(&self) -> &dyn Journal {
        self.catalog.journal()
    }

    /// Returns the facts of an object; `None` if it does not exist.
    pub(super) async fn facts(&self, object: &ObjectName) -> Result<Option<ObjectFacts>, CloudError> {
        match self.objects.facts(object).await {
            Err(error) if error.kind() == CloudErrorKind::NotFound => Ok(None),
            facts => facts.map(Some),
        }
    }

    /// Returns a source that reads an object.
    pub(super) fn source(&self, object: &ObjectName, facts: &ObjectFacts) -> ObjectSource {
        ObjectSource::new(Arc::clone(&self.objects), object.clone(), facts, self.stop.clone())
    }

    /// Runs `work` on a thread of the pool. A panic becomes [`FilesError::Internal`].
    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        object: &ObjectName,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, FilesError> {
        self.pool.run(work).await.map_err(|JobPanicked| FilesError::Internal(object.clone()))
    }

    /// Identifies the songs in a fingerprint. The search takes long, so it must run on a thread of the pool.
    pub(super) fn search(&self, query: &Constellation) -> Result<Matches, IndexError> {
        self.search_with(query, self.settings.matching.effort)
    }

    /// Does the same as [`Self::search`], with the effort `effort` instead of that of the settings.
    pub(super) fn search_with(&self, query: &Constellation, effort: Effort) -> Result<Matches, IndexError> {
        let snapshot: Arc<Snapshot> = self.index.snapshot();
        identify(&snapshot, query, &MatchSettings { effort, ..self.settings.matching.clone() })
            // If the index is damaged, it is rebuilt in the background. This search fails, and its message is retried.
            .inspect_err(|error| self.index.report_damage(&snapshot, error))
    }
}
