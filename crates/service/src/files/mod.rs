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
mod attempt;
mod by_hand;
mod check;
mod compare;
mod digest;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
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
use std::time::Duration;

use refrain_catalog::Catalog;
use refrain_core::matching::live::LiveSettings;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use by_hand::{Done, Target};
pub use check::Checked;
pub use error::FilesError;
pub use learn::Indexed;

use archive::Archive;
use compare::Comparisons;
use handler::FilesHandler;
use pool::Pool;
use shared::Shared;

use crate::delivery::Planner;
use crate::instance::Instance;
use crate::intake::Handler;
use crate::measure::Measures;
use crate::monitor::{EventKind, Index};
use crate::outside::Objects;
use crate::settings::{FilesSettings, Roles};

/// Files that are worked on when the process is to end have so long to be done: most are, and then nothing waits.
const LAST_READING: Duration = Duration::from_secs(8);

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
    /// This process, in leases of streams of segments.
    pub instance: Arc<Instance>,
    /// What this process does: `check` and `index` count here.
    pub roles: Roles,
    /// How streams of segments are searched, and which of their events are delivered.
    pub live: (LiveSettings, Vec<EventKind>),
}

/// Work on files.
pub struct Files {
    shared: Arc<Shared>,
    archive: Arc<Archive>,
    roles: Roles,
}

impl Files {
    /// With these parts.
    ///
    /// # Errors
    /// If the system refuses threads.
    pub fn new(parts: Parts, settings: FilesSettings) -> std::io::Result<Self> {
        let Parts { catalog, index, objects, planner, measures, instance, roles, live } = parts;
        let pool = Pool::start(settings.jobs)?;
        let stop = CancellationToken::new();
        let working = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(settings.jobs.max(1)));
        let shared = Arc::new(Shared {
            catalog,
            index,
            objects,
            planner,
            measures,
            settings,
            pool,
            slots,
            suspects: Arc::default(),
            comparisons: Comparisons::default(),
            working,
            stop,
        });
        let archive = Arc::new(Archive::new(Arc::clone(&shared), instance.archive_owner(), live.0, live.1));
        Ok(Self { shared, archive, roles })
    }

    /// Handles the messages of both queues on objects, as far as the roles go; messages for others it has buried.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        let (shared, archive) = (Arc::clone(&self.shared), Arc::clone(&self.archive));
        Arc::new(FilesHandler { shared, archive, roles: self.roles })
    }

    /// Compares the tracks that this process has added with the earlier ones, and stores the links. Tracks that the index does
    /// not have within a minute stay pending.
    ///
    /// # Errors
    /// [`FilesError`] if the catalog or the index fails; the comparisons stay pending.
    pub async fn compare_new_tracks(&self) -> Result<(), FilesError> {
        compare::compare_by_hand(&self.shared).await
    }

    /// Follows streams of segments, where the role is `check`, until `stop` is cancelled. Then they are handed back, and
    /// after a while reading of files ends: messages on those that are not done come again.
    pub async fn run(self, stop: CancellationToken) {
        let archive = async {
            if self.roles.check {
                Arc::clone(&self.archive).run(stop.clone()).await;
            }
        };
        let compare = async {
            if self.roles.index {
                compare::run(Arc::clone(&self.shared), stop.clone()).await;
            }
        };
        tokio::join!(archive, compare, stop.cancelled());
        self.shared.working.close();
        let _ = timeout(LAST_READING, self.shared.working.wait()).await;
        self.shared.stop.cancel();
    }
}

/// Settings as docs/service.toml has them by default.
#[cfg(test)]
fn test_settings() -> FilesSettings {
    FilesSettings {
        source: None,
        index_prefix: "songs_to_index/".to_owned(),
        check_prefix: "songs_to_check/".to_owned(),
        streams_prefix: "songs_to_check/streams/".to_owned(),
        name_modifier: String::new(),
        largest_object: 50_000_000_000,
        segment_wait: Duration::from_secs(60),
        stream_end: Duration::from_secs(300),
        jobs: 2,
        matching: refrain_core::matching::MatchSettings::default(),
    }
}
