//! Files in buckets: what is dropped there is checked, learnt, or heard as the next piece of a stream.
//!
//! ```text
//! message ─► events ─► route by prefix ─┬► check: object ─► sound ─► matches ─► detections, outbox, report beside it
//!                                       ├► index: object ─► sound ─► track;  .json beside it ─► what it is called
//!                                       └► segment: news of a stream ─► lease ─► its objects in order ─► events
//! ```
//!
//! An event only says that there is news of an object: what it is, is asked of the bucket when it is worked on. So events
//! may come late, twice and out of order, and two processes may work on one object. Objects are read in parts, decoded on
//! threads of their own, and never held whole.

mod archive;
mod by_hand;
mod check;
mod error;
mod event;
mod given;
mod handler;
mod learn;
mod pool;
mod reader;
mod report;
mod route;
mod segment;
mod shared;

use std::sync::Arc;

use refrain_catalog::Catalog;
use tokio_util::sync::CancellationToken;

pub use by_hand::{Target, Targets};
pub use check::Checked;
pub use error::FilesError;
pub use learn::Indexed;

use archive::Archive;
use handler::FilesHandler;
use pool::Pool;
use shared::Shared;

use crate::delivery::Planner;
use crate::intake::Handler;
use crate::measure::Measures;
use crate::monitor::Index;
use crate::outside::Objects;
use crate::settings::{FilesSettings, Roles};

/// What work on files needs of others.
pub struct Parts {
    /// Where tracks are, and the journal.
    pub catalog: Arc<dyn Catalog>,
    /// What is searched.
    pub index: Arc<dyn Index>,
    /// Buckets.
    pub objects: Arc<dyn Objects>,
    /// Knows the sinks.
    pub planner: Planner,
    /// What is counted.
    pub measures: Arc<Measures>,
    /// This process's name, in leases of streams of segments.
    pub name: String,
}

/// Work on files.
pub struct Files {
    shared: Arc<Shared>,
    archive: Arc<Archive>,
}

impl Files {
    /// With these parts.
    ///
    /// # Errors
    /// If the system refuses threads.
    pub fn new(parts: Parts, settings: FilesSettings) -> std::io::Result<Self> {
        let Parts { catalog, index, objects, planner, measures, name } = parts;
        let pool = Pool::start(settings.jobs)?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared { catalog, index, objects, planner, measures, settings, pool, stop });
        let archive = Arc::new(Archive::new(Arc::clone(&shared), name));
        Ok(Self { shared, archive })
    }

    /// Handles the messages of queues on objects, as far as these roles go (`check` and `index`); messages for others it
    /// has buried.
    #[must_use]
    pub fn handler(&self, roles: Roles) -> Arc<dyn Handler> {
        let (shared, archive) = (Arc::clone(&self.shared), Arc::clone(&self.archive));
        Arc::new(FilesHandler { shared, archive, roles })
    }

    /// Follows streams of segments until `stop` is cancelled: for processes that have the role `check`. Then streams are
    /// handed back, and reading of files ends: messages on those that are not done come again.
    pub async fn run(self, stop: CancellationToken) {
        Arc::clone(&self.archive).run(stop).await;
        self.shared.stop.cancel();
    }
}
