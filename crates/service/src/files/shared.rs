//! What all work on files needs.

use std::sync::Arc;

use refrain_catalog::{Catalog, Journal};
use refrain_core::fingerprint::Constellation;
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::{Effort, MatchSettings, Matches, identify};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::compare::Comparisons;
use super::error::FilesError;
use super::pool::{Broken, Pool};
use super::reader::ObjectSource;
use crate::delivery::Planner;
use crate::measure::Measures;
use crate::monitor::Index;
use crate::outside::{ObjectFacts, ObjectName, Objects, OutsideError, OutsideErrorKind};
use crate::settings::FilesSettings;

/// Parts, settings, threads.
pub(super) struct Shared {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) index: Arc<dyn Index>,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) planner: Planner,
    pub(super) measures: Arc<Measures>,
    pub(super) settings: FilesSettings,
    pub(super) pool: Pool,
    /// One permit a thread of the pool, for work on a stranger's bytes.
    pub(super) slots: Arc<Semaphore>,
    /// Held while an object is decoded that was being decoded when a process died.
    pub(super) suspects: Arc<Mutex<()>>,
    /// Tracks that are to be compared.
    pub(super) comparisons: Comparisons,
    /// Messages that are being handled.
    pub(super) working: TaskTracker,
    /// Ends reading.
    pub(super) stop: CancellationToken,
}

impl Shared {
    pub(super) fn journal(&self) -> &dyn Journal {
        self.catalog.journal()
    }

    /// What is known of an object; `None` if it is not there.
    pub(super) async fn facts(&self, object: &ObjectName) -> Result<Option<ObjectFacts>, OutsideError> {
        match self.objects.facts(object).await {
            Err(error) if error.kind() == OutsideErrorKind::NotFound => Ok(None),
            facts => facts.map(Some),
        }
    }

    /// An object to be read.
    pub(super) fn source(&self, object: &ObjectName, facts: &ObjectFacts) -> ObjectSource {
        ObjectSource::new(Arc::clone(&self.objects), object.clone(), facts, self.stop.clone())
    }

    /// Has something done on a thread for files.
    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        object: &ObjectName,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, FilesError> {
        self.pool.run(work).await.map_err(|Broken| FilesError::Internal(object.clone()))
    }

    /// What is in this sound. Takes its time, on a thread for files.
    pub(super) fn search(&self, query: &Constellation) -> Result<Matches, IndexError> {
        self.search_with(query, self.settings.matching.effort)
    }

    /// The same with another effort.
    pub(super) fn search_with(&self, query: &Constellation, effort: Effort) -> Result<Matches, IndexError> {
        let snapshot: Arc<Snapshot> = self.index.snapshot();
        identify(&snapshot, query, &MatchSettings { effort, ..self.settings.matching.clone() })
            .inspect_err(|error| self.index.is_damaged(&snapshot, error))
    }
}
