//! Streams whose audio is in objects: the segments that archive outputs of MediaLive write.
//!
//! An event about an object only means that a stream may have a new segment. A stream is a row of the journal with the
//! origin `archive`. The process that holds the lease of the row lists the segments and decodes them in the order of
//! their counters. The order of the events, and the processes that received them, have no effect. The position
//! of a segment is stored in one transaction with its detections, so each segment is processed completely or not at all.
//! After a take-over, the new process continues at the stored position.

mod decoder;
mod host;
mod listing;
mod order;
mod progress;
mod record;
mod segment_source;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use refrain_catalog::{ARCHIVE, NewStream};
use refrain_core::matching::live::LiveSettings;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::error::FilesError;
use super::segment::SegmentName;
use super::shared::FilesContext;
use crate::cloud::ObjectName;
use crate::instance::Instance;
use crate::sessions::{KeeperContext, LeaseKeeper, SessionKind};
use refrain_monitor::EventKind;

/// Maximum number of sessions per process. Each session keeps a spectrogram and the state of its airings in memory, and
/// is idle most of the time. At half this value, a service of many streams needs more processes; at twice this value, a
/// process needs twice the memory but decodes no faster.
const MAX_SESSIONS: u32 = 64;

/// The streams of segments that this process follows.
pub(super) struct Archive {
    shared: Arc<FilesContext>,
    live: LiveSettings,
    events: Vec<EventKind>,
    /// Identity of this process as an owner of leases. Streams of segments have another owner than live streams,
    /// because their leases are renewed separately.
    instance: Arc<Instance>,
    /// Duration of a lease.
    lease: Duration,
    /// Notified when a stream may have started.
    started: Notify,
    /// Notified when a stream has a new segment, by the id of the stream.
    new_segment: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Archive {
    pub(super) fn new(
        shared: Arc<FilesContext>,
        instance: Arc<Instance>,
        lease: Duration,
        (live, events): (LiveSettings, Vec<EventKind>),
    ) -> Self {
        let (started, new_segment) = (Notify::new(), Mutex::default());
        Self { shared, live, events, instance, lease, started, new_segment }
    }

    /// Returns the owner of the leases of streams of segments.
    fn owner(&self) -> &str {
        self.instance.archive_owner()
    }

    /// Handles the event that a segment was written.
    pub(super) async fn segment_written(
        &self,
        object: &ObjectName,
        segment: &SegmentName,
    ) -> Result<(), FilesError> {
        let Some(facts) = self.shared.facts(object).await? else { return Ok(()) };
        let at = facts.modified_at.unwrap_or_else(|| self.shared.clock.now());
        self.start(object, &segment.prefix, at).await
    }

    /// Starts a session with the segment `object`, which was written at `at` (milliseconds since 1970). If the stream
    /// has a session already, or if the segment belongs to an ended one, no session is started. Then notifies the task
    /// that processes the segments.
    async fn start(&self, object: &ObjectName, prefix: &str, at: i64) -> Result<(), FilesError> {
        let id = format!("s3://{}/{}", object.bucket, prefix.trim_end_matches('.'));
        let new = NewStream {
            id: id.clone(),
            url: object.to_string(),
            headers: None,
            origin: ARCHIVE.to_owned(),
            session: None,
            started_at: at,
        };
        self.shared.journal().start_stream(&new).await?;
        match self.segment_notifies().get(&id) {
            Some(new_segment) => new_segment.notify_one(),
            None => self.started.notify_one(),
        }
        Ok(())
    }

    fn segment_notifies(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.new_segment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows streams until `stop` is cancelled, then releases them. The segments that are being decoded are finished,
    /// or aborted if that takes too long; then the next process decodes them again.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let context = KeeperContext {
            kind: SessionKind::Segments,
            catalog: Arc::clone(&self.shared.catalog),
            counters: Arc::clone(&self.shared.counters),
            instance: Arc::clone(&self.instance),
            lease: self.lease,
            capacity: MAX_SESSIONS,
        };
        LeaseKeeper::new(context, self).run(stop).await;
    }
}
