//! The leases of a keeper, and the task of each leased session.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{MAX_WORKER_DEATHS, SessionKey, Stream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::host::{KeeperContext, SessionHost, SessionKind};
use super::order::TaskOrder;

/// After an outage of the database, this worker does not claim streams for this time. Workers that continued decoding
/// renew their leases first, so that each stream stays with the worker that has its state. All workers notice the end
/// of the outage within the interval of renewals, some 3 s. At half this value, a worker that is slow to notice it
/// loses its streams; at twice this value, streams of a worker that died in the outage wait 10 s longer.
const CLAIM_GRACE: Duration = Duration::from_secs(10);

/// A session that this process follows.
struct LeasedSession {
    order: watch::Sender<TaskOrder>,
    task: AbortHandle,
    /// True if the session has ended and its last events are being written.
    finishing: bool,
}

/// The sessions that this process follows. Dropping this value aborts all work on them.
pub(super) struct Leases {
    context: Arc<KeeperContext>,
    host: Arc<dyn SessionHost>,
    leased: HashMap<SessionKey, LeasedSession>,
    tasks: JoinSet<()>,
    /// True if the last call to the database failed. An outage is logged once.
    is_database_down: bool,
    /// Time before which no streams are claimed.
    claims_from: Instant,
}

impl Leases {
    pub(super) fn new(context: Arc<KeeperContext>, host: Arc<dyn SessionHost>) -> Self {
        let (leased, tasks, claims_from) = (HashMap::new(), JoinSet::new(), Instant::now());
        Self { context, host, leased, tasks, is_database_down: false, claims_from }
    }

    /// Returns the number of followed sessions, without those that are finishing.
    pub(super) fn leased(&self) -> usize {
        self.leased.values().filter(|leased| !leased.finishing).count()
    }

    /// Returns true if the last call to the database failed.
    pub(super) fn database_is_down(&self) -> bool {
        self.is_database_down
    }

    /// Records that the database did not answer in time. Decoding continues and events are buffered until the database
    /// answers. Then the leases are renewed, unless other workers have claimed the streams.
    pub(super) fn database_timed_out(&mut self) {
        if !std::mem::replace(&mut self.is_database_down, true) {
            tracing::warn!(kind = ?self.context.kind, "no answer of the database to the renewal of leases, decoding continues, retrying");
        }
    }

    /// Records that the database answered.
    fn database_answered(&mut self) {
        if std::mem::replace(&mut self.is_database_down, false) {
            tracing::info!(kind = ?self.context.kind, "leases renewed, the database is available again");
            self.claims_from = Instant::now() + CLAIM_GRACE.min(self.context.lease);
        }
    }

    /// Waits until the task of a session has ended. Returns the id of its stream; `None` if another session of the
    /// stream is followed, or if the session was removed before. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Option<String> {
        let task = match self.tasks.join_next_with_id().await {
            Some(Ok((task, ()))) => task,
            Some(Err(error)) => {
                if error.is_panic() {
                    let task = error.id();
                    let leased = self.leased.iter().find(|(_, leased)| leased.task.id() == task);
                    let stream = leased.map(|(session, _)| session.id.as_str());
                    tracing::error!(
                        stream,
                        %error,
                        "task of a stream panicked (a bug in refrain), releasing its lease so that the stream can be claimed; please report this with the log"
                    );
                }
                error.id()
            }
            None => std::future::pending().await,
        };
        // The session is found by its task, because this process may have claimed the same session again.
        let session = self.leased.iter().find(|(_, leased)| leased.task.id() == task)?.0.clone();
        self.leased.remove(&session);
        self.leased.keys().all(|other| other.id != session.id).then_some(session.id)
    }

    /// Renews all leases and stops the work on streams that this process does not hold any more.
    pub(super) async fn renew(&mut self) {
        let (owner, lease) = (self.context.owner().to_owned(), self.context.lease);
        let ids = match self.context.journal().renew_leases(&owner, lease).await {
            Ok(ids) => ids,
            Err(error) => return self.failed(&error),
        };
        self.database_answered();
        let is_lost = |(session, leased): &(&SessionKey, &LeasedSession)| {
            !leased.finishing && ids.binary_search(&session.id).is_err()
        };
        let lost: Vec<SessionKey> =
            self.leased.iter().filter(is_lost).map(|(session, _)| session.clone()).collect();
        for session in lost {
            self.handle_lost_lease(session).await;
        }
        for id in ids {
            // The stream was claimed by a call whose response was lost, or its task ended without an end in the row.
            // After the release, the stream can be claimed again.
            if !self.leased.keys().any(|leased| leased.id == id) {
                let _ = self.context.journal().release(&owner, Some(&id)).await;
            }
        }
    }

    /// Handles a lost lease. If the stream has ended, its last events are written. If another worker follows it, the
    /// task is aborted, because that worker reports the events.
    async fn handle_lost_lease(&mut self, session: SessionKey) {
        let row = match self.context.journal().stream(&session.id).await {
            Ok(row) => row,
            // The next renewal tries again.
            Err(error) => return self.failed(&error),
        };
        let Some(leased) = self.leased.get_mut(&session) else { return };
        match row {
            // The stream was deleted or has a new session: no more media of this session arrives.
            None => return leased.end(TaskOrder::Finish),
            Some(row) if row.started_at != session.started_at => return leased.end(TaskOrder::Finish),
            Some(row) if row.ended_at.is_some() => return leased.end(self.host.order_after_end(&row)),
            // Another worker holds the stream, or held it and released it. That worker reports the events of the
            // stream.
            Some(_) => {}
        }
        tracing::warn!(stream = session.id, "stream lease lost, aborting the work on the stream");
        self.context.counters.leases_lost.add(1);
        leased.task.abort();
        self.leased.remove(&session);
    }

    /// Claims as many streams as the capacity allows.
    pub(super) async fn claim(&mut self) {
        let free_capacity =
            self.context.capacity.saturating_sub(u32::try_from(self.leased()).unwrap_or(u32::MAX));
        if free_capacity == 0 || Instant::now() < self.claims_from {
            return;
        }
        if self.context.kind == SessionKind::Live {
            self.quarantine().await;
        }
        match self.context.claim(free_capacity).await {
            Ok(streams) => streams.into_iter().for_each(|stream| self.start_task(stream)),
            Err(error) => self.failed(&error),
        }
    }

    /// Marks live streams as failed that have killed [`MAX_WORKER_DEATHS`] processes.
    async fn quarantine(&self) {
        match self.context.journal().quarantine_streams().await {
            Ok(streams) => {
                for stream in streams {
                    self.context.counters.streams_failed.add(1);
                    tracing::error!(
                        stream,
                        deaths = MAX_WORKER_DEATHS,
                        "stream quarantined, processes died while they began to decode it; `refrain streams add` starts it again"
                    );
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot check for streams to quarantine, retrying at the next claim");
            }
        }
    }

    /// Starts the task of a claimed stream.
    fn start_task(&mut self, stream: Stream) {
        // An earlier session of the stream has ended.
        for (_, leased) in self.leased.iter_mut().filter(|(session, _)| session.id == stream.id) {
            leased.end(TaskOrder::Finish);
        }
        let session = stream.key();
        let (order, orders) = watch::channel(TaskOrder::Follow);
        let task = self.tasks.spawn(Arc::clone(&self.host).follow(stream, orders));
        self.leased.insert(session, LeasedSession { order, task, finishing: false });
    }

    /// Leaves every stream: pending events are written and airings stay open. Tasks that take longer than `limit` are
    /// aborted.
    pub(super) async fn release_all(&mut self, limit: Duration) {
        for leased in self.leased.values() {
            leased.order.send_replace(if leased.finishing { TaskOrder::Finish } else { TaskOrder::HandOver });
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(limit, all).await.is_err() {
            let is_running = |(_, leased): &(&SessionKey, &LeasedSession)| !leased.task.is_finished();
            let streams: Vec<&str> =
                self.leased.iter().filter(is_running).map(|(session, _)| session.id.as_str()).collect();
            tracing::warn!(?streams, "tasks of streams did not end in time, aborting them");
        }
        self.tasks.shutdown().await;
        self.leased.clear();
    }

    fn failed(&mut self, error: &refrain_catalog::CatalogError) {
        if !std::mem::replace(&mut self.is_database_down, true) {
            tracing::warn!(kind = ?self.context.kind, %error, "cannot use the database, decoding continues, retrying");
        }
    }
}

impl LeasedSession {
    /// Sends the task the order `order`, which ends it because the stream has ended.
    fn end(&mut self, order: TaskOrder) {
        self.finishing = true;
        self.order.send_replace(order);
    }
}
