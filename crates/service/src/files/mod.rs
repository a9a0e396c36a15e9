//! Processing of files in buckets: a new object is checked, indexed, or decoded as a segment of a stream.
//!
//! ```text
//! message ─► events ─► route by prefix ─┬► check: object ─► audio ─► matches ─► detections, outbox, report
//!                                       ├► index: object ─► audio ─► track;  .json file ─► metadata of a track
//!                                       └► segment: new object of a stream ─► lease ─► its objects in order ─► events
//! ```
//!
//! An event only means that an object may have changed: its state is requested from the bucket when the object is
//! processed. So events may arrive late, twice and out of order, and two processes may process one object. Objects are
//! read in parts, decoded on dedicated threads, and never held in memory as a whole.

mod archive;
mod attempt;
mod batch;
mod check;
mod compare;
mod comparisons;
mod digest;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handler;
mod index_object;
mod object_key;
mod pool;
mod reader;
mod report;
mod route;
mod segment;
mod shared;
mod song_metadata;

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use refrain_core::matching::live::LiveSettings;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use batch::{ProcessedObject, Target};
pub use check::Checked;
pub use error::FilesError;
pub use index_object::Indexed;

use archive::Archive;
use comparisons::Comparisons;
use handler::FilesHandler;
use pool::DecodePool;
use shared::FilesContext;

use crate::clock::Clock;
use crate::cloud::Objects;
use crate::counters::Counters;
use crate::delivery::OutboxPlanner;
use crate::instance::Instance;
use crate::queue_consumer::Handler;
use crate::settings::{FilesSettings, Roles};
use refrain_monitor::{EventKind, SnapshotSource};

/// Maximum time to finish the files that are being processed when the process ends. The wait ends when all are
/// finished. The value is below the longest time that the shutdown stage of the files can have: 15 s, which is 60 % of
/// the default drain time of 25 s. At half this value, more files are aborted and decoded again by another process; at
/// twice this value, the stage is aborted before the messages about its files are released.
const LAST_READING: Duration = Duration::from_secs(8);

/// Dependencies of [`Files`].
pub struct FilesParts {
    /// The catalog of tracks, and the journal.
    pub catalog: Arc<dyn Catalog>,
    /// The index that is searched.
    pub index: Arc<dyn SnapshotSource>,
    /// Access to objects in buckets.
    pub objects: Arc<dyn Objects>,
    /// Creates the messages to sinks.
    pub planner: OutboxPlanner,
    /// Counters of this process.
    pub counters: Arc<Counters>,
    /// Identity of this process as an owner of the leases of streams of segments.
    pub instance: Arc<Instance>,
    /// Clock of the process.
    pub clock: Arc<dyn Clock>,
    /// Lease duration of streams of segments.
    pub lease: Duration,
    /// Roles of this process; only `check` and `index` are relevant here.
    pub roles: Roles,
    /// Settings of the search in streams of segments, and the kinds of events that are delivered.
    pub live: (LiveSettings, Vec<EventKind>),
}

/// Processes files in buckets.
pub struct Files {
    shared: Arc<FilesContext>,
    archive: Arc<Archive>,
    roles: Roles,
}

impl Files {
    /// Creates the file processor and starts its threads.
    ///
    /// # Errors
    /// Fails if the system cannot start the threads.
    pub fn new(parts: FilesParts, settings: FilesSettings) -> std::io::Result<Self> {
        let FilesParts { catalog, index, objects, planner, counters, instance, lease, clock, roles, live } =
            parts;
        let pool = DecodePool::start(settings.jobs)?;
        let stop = CancellationToken::new();
        let working = TaskTracker::new();
        // One permit per thread: an attempt must be counted when decoding can start, not while its job waits in the
        // queue of the pool.
        let slots = Arc::new(Semaphore::new(settings.jobs.max(1)));
        let shared = Arc::new(FilesContext {
            catalog,
            index,
            objects,
            planner,
            counters,
            clock,
            settings,
            pool,
            slots,
            suspects: Arc::default(),
            comparisons: Comparisons::default(),
            working,
            stop,
        });
        let archive = Arc::new(Archive::new(Arc::clone(&shared), instance, lease, live));
        Ok(Self { shared, archive, roles })
    }

    /// Returns the handler for the messages about objects of both queues. A message that needs a role that this process
    /// does not have is moved to the dead-letter queue.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        let (shared, archive) = (Arc::clone(&self.shared), Arc::clone(&self.archive));
        Arc::new(FilesHandler { shared, archive, roles: self.roles })
    }

    /// Compares the tracks that this process has added with the earlier ones, and stores the links. Tracks that the
    /// index does not have within a minute stay pending.
    ///
    /// # Errors
    /// [`FilesError`] if the catalog or the index fails; the comparisons stay pending.
    pub async fn compare_new_tracks(&self) -> Result<(), FilesError> {
        compare::compare_before_exit(&self.shared).await
    }

    /// Follows streams of segments (role `check`) and compares new tracks (role `index`) until `stop` is cancelled.
    /// Then the streams are released, and after a grace period all reading is aborted: messages about unfinished files
    /// are retried.
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
        // The streams end first, because their leases have to be released early. Files that are being decoded then have
        // a separate time limit.
        tokio::join!(archive, compare, stop.cancelled());
        self.shared.working.close();
        let _ = timeout(LAST_READING, self.shared.working.wait()).await;
        self.shared.stop.cancel();
    }
}

/// Settings with the defaults of docs/service.toml.
#[cfg(test)]
fn test_settings() -> FilesSettings {
    FilesSettings {
        source: None,
        index_prefix: "songs_to_index/".to_owned(),
        check_prefix: "songs_to_check/".to_owned(),
        streams_prefix: "songs_to_check/streams/".to_owned(),
        name_modifier: String::new(),
        max_object_bytes: 50_000_000_000,
        segment_wait: Duration::from_secs(60),
        stream_end: Duration::from_secs(300),
        jobs: 2,
        matching: refrain_core::matching::MatchSettings::default(),
    }
}
