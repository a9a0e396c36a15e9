//! Streams whose audio is in objects: the segments that archive outputs of MediaLive write.
//!
//! An event only says that a stream may have a new segment. A stream is a row of the journal with the origin `archive`. The
//! process that holds its lease lists its segments and decodes them in the order of their counter, independent of the order
//! in which they arrived and of the process that received the events. The position is stored in the row after each segment.
//! After a take-over, the new process continues there, and airings that it detects again keep their identity.

mod decoder;
mod follow;
mod listing;
mod order;
mod record;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use refrain_catalog::{ARCHIVE, NewStream, SessionKey, Stream, StreamReport};
use refrain_core::matching::live::LiveSettings;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::error::FilesError;
use super::segment::SegmentName;
use super::shared::FilesContext;
use crate::cloud::ObjectName;
use crate::sessions::{EndCode, EndReason};
use follow::ArchiveFollower;
use listing::SegmentLocation;
use refrain_monitor::EventKind;

/// Lease duration. A session whose lease has expired can be claimed by another process. It is renewed every [`TICK`],
/// so two renewals in a row can fail. At half of it, one failed renewal loses the lease; at twice, the streams of a
/// killed process are idle for 30 s.
const LEASE: Duration = Duration::from_secs(15);

/// Interval at which leases are renewed and streams claimed. An event about a stream causes a claim at once. At half of
/// it, idle processes send twice the queries; at twice, a single failed renewal can lose a lease.
const TICK: Duration = Duration::from_secs(4);

/// Maximum number of sessions per process. Each keeps a spectrogram and the state of its airings in memory, and is idle
/// most of the time. At half of it, a service of many streams needs more processes; at twice, memory grows while the
/// threads of the pool stay the same.
const MAX_SESSIONS: usize = 64;

/// Pause before a session that failed is retried. The lease is held during the pause, so no other process takes over
/// the same failure at once. At half of it, an unavailable bucket causes twice the log lines; at twice, a session
/// continues up to 10 s late.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The streams of segments that this process follows.
pub(super) struct Archive {
    shared: Arc<FilesContext>,
    live: LiveSettings,
    events: Vec<EventKind>,
    /// Owner name in leases. It differs from that of live streams, whose leases are renewed separately.
    owner: String,
    /// Notified when a stream may have started.
    started: Notify,
    /// Notified when a stream has a new segment, by the id of the stream.
    new_segment: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Archive {
    pub(super) fn new(
        shared: Arc<FilesContext>,
        owner: &str,
        live: LiveSettings,
        events: Vec<EventKind>,
    ) -> Self {
        let (started, new_segment) = (Notify::new(), Mutex::default());
        Self { shared, live, events, owner: owner.to_owned(), started, new_segment }
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

    /// Starts a session with this segment, unless the stream has a session, or the segment belongs to one that has ended.
    async fn start(&self, object: &ObjectName, prefix: &str, at: i64) -> Result<(), FilesError> {
        let id = format!("s3://{}/{}", object.bucket, prefix.trim_end_matches('.'));
        let new = NewStream {
            id: id.clone(),
            url: object.to_string(),
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

    /// Follows streams until `stop` is cancelled, then releases them. A segment whose position is not stored yet is decoded
    /// again by the next process.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut sessions =
            LeasedSessions { archive: Arc::clone(&self), tasks: JoinSet::new(), sessions: HashMap::new() };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sessions.ended() => self.started.notify_one(),
                _ = tick.tick() => {
                    sessions.renew().await;
                    sessions.claim().await;
                }
                () = self.started.notified() => sessions.claim().await,
            }
        }
        sessions.tasks.shutdown().await;
        if let Err(error) = self.shared.journal().release(&self.owner, None).await {
            tracing::warn!(%error, "cannot release streams of segments, their leases will expire");
        }
    }
}

/// The sessions that this process follows.
struct LeasedSessions {
    archive: Arc<Archive>,
    tasks: JoinSet<SessionKey>,
    sessions: HashMap<SessionKey, AbortHandle>,
}

impl LeasedSessions {
    /// Waits until the task of a session ends.
    async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((_, session))) => self.forget(&session).await,
            Some(Err(error)) => {
                if error.is_panic() {
                    tracing::error!("internal error, releasing a stream of segments");
                }
                let of_task = |(_, handle): &(&SessionKey, &AbortHandle)| handle.id() == error.id();
                let session = self.sessions.iter().find(of_task).map(|(session, _)| session.clone());
                if let Some(session) = session {
                    self.forget(&session).await;
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Removes a session, and releases its lease if the session has not ended.
    async fn forget(&mut self, session: &SessionKey) {
        let was_followed = self.sessions.remove(session).is_some();
        // The lease and the notification of a later session of the stream have the same id.
        if was_followed && self.sessions.keys().all(|other| other.id != session.id) {
            self.archive.segment_notifies().remove(&session.id);
            let _ = self.archive.shared.journal().release(&self.archive.owner, Some(&session.id)).await;
        }
    }

    async fn renew(&mut self) {
        if self.sessions.is_empty() {
            return;
        }
        let journal = self.archive.shared.journal();
        let ids = match journal.renew_leases(&self.archive.owner, LEASE).await {
            Ok(ids) => ids,
            // Each session detects a lost lease itself when it stores its position.
            Err(error) => return tracing::warn!(%error, "cannot renew the leases of streams of segments"),
        };
        let archive = &self.archive;
        self.sessions.retain(|session, task| {
            let ours = ids.binary_search(&session.id).is_ok();
            if !ours && !task.is_finished() {
                tracing::debug!(stream = session.id, "session has ended or another process holds its lease");
                task.abort();
                archive.segment_notifies().remove(&session.id);
            }
            ours || task.is_finished()
        });
    }

    async fn claim(&mut self) {
        let free_capacity =
            u32::try_from(MAX_SESSIONS.saturating_sub(self.sessions.len())).unwrap_or_default();
        if free_capacity == 0 {
            return;
        }
        let archive = Arc::clone(&self.archive);
        match archive.shared.journal().claim_archives(&archive.owner, free_capacity, LEASE).await {
            Ok(rows) => rows.into_iter().for_each(|row| self.start_session(row)),
            Err(error) => tracing::warn!(%error, "cannot claim streams of segments"),
        }
    }

    fn start_session(&mut self, row: Stream) {
        for (_, earlier) in self.sessions.iter().filter(|(session, _)| session.id == row.id) {
            earlier.abort();
        }
        let (session, new_segment) = (row.key(), Arc::new(Notify::new()));
        self.archive.segment_notifies().insert(row.id.clone(), Arc::clone(&new_segment));
        let (archive, key) = (Arc::clone(&self.archive), session.clone());
        let task = self.tasks.spawn(async move {
            follow(&archive, row, new_segment).await;
            key
        });
        self.sessions.insert(session, task);
    }
}

/// Follows a session. After an error it pauses; then the lease is released, so that the session can be claimed again.
async fn follow(archive: &Arc<Archive>, row: Stream, new_segment: Arc<Notify>) {
    let Some(location) = SegmentLocation::of(&row.url, &archive.shared) else {
        return refuse(archive, &row).await;
    };
    tracing::info!(stream = row.id, name = location.name, "following a stream of segments");
    let id = row.id.clone();
    let followed = match ArchiveFollower::new(archive, row, location, new_segment).await {
        Ok(follower) => follower.run().await,
        Err(error) => Err(error),
    };
    if let Err(error) = followed {
        tracing::warn!(stream = id, %error, "stream of segments failed, retrying");
        sleep(RETRY_PAUSE).await;
    }
}

/// Ends a session that no segment can belong to, because the folder or the name modifier of the settings has changed.
async fn refuse(archive: &Archive, row: &Stream) {
    let reason = EndReason::of(EndCode::OutsideFolder);
    tracing::error!(stream = row.id, why = %reason.text(), "stream of segments failed permanently");
    let report = StreamReport {
        id: row.id.clone(),
        started_at: row.started_at,
        state: reason.state(),
        reason: Some(reason.text().into_owned()),
        epoch: row.epoch,
        clock_anchor: None,
        progress: None,
    };
    let now = archive.shared.clock.now();
    if let Err(error) = archive.shared.journal().report_stream(&archive.owner, &report, now).await {
        tracing::warn!(stream = row.id, %error, "cannot store the state of the stream");
    }
}
