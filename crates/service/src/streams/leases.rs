//! The leases of this process, and the task of each leased stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{MAX_WORKER_DEATHS, Stream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::follow::follow;
use super::orders::Order;
use super::shared::{Shared, channel_of, outside_name, was_followed};

/// After the database was unavailable, this worker does not claim streams for this time. Workers that continued decoding renew
/// their leases first, so that each stream stays with the worker that has its state.
const GRACE: Duration = Duration::from_secs(10);

/// Id of a stream and start of a session, in milliseconds since 1970.
type Session = (String, i64);

/// A stream that this process follows.
struct Held {
    order: watch::Sender<Order>,
    task: AbortHandle,
    /// True if the stream has ended and its last events are being written.
    finishing: bool,
}

/// The streams that this process follows. Dropping it aborts all work on them.
pub(super) struct Leases {
    shared: Arc<Shared>,
    held: HashMap<Session, Held>,
    tasks: JoinSet<Session>,
    /// True if the last call to the database failed. It is logged once per outage.
    away: bool,
    /// Streams are claimed from this time on.
    claims_from: Instant,
}

impl Leases {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let claims_from = Instant::now();
        Self { shared, held: HashMap::new(), tasks: JoinSet::new(), away: false, claims_from }
    }

    /// Returns the number of followed streams, without those that are finishing.
    pub(super) fn held(&self) -> usize {
        self.held.values().filter(|held| !held.finishing).count()
    }

    /// Returns true if the last call to the database failed.
    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    /// Records that the database did not answer in time. Decoding continues and events are buffered until the database answers.
    /// Then the leases are renewed, unless other workers have claimed the streams.
    pub(super) fn unanswered(&mut self) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!("database does not answer, decoding continues, retrying");
        }
    }

    /// Records that the database answered.
    fn answered(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            tracing::info!("database answers again");
            self.claims_from = Instant::now() + GRACE.min(self.shared.settings.lease);
        }
    }

    /// Waits until the task of a stream has ended.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((_, session))) => {
                self.held.remove(&session);
            }
            Some(Err(error)) => {
                if error.is_panic() {
                    tracing::error!("internal error, releasing the lease of a stream");
                }
                self.held.retain(|_, held| held.task.id() != error.id());
            }
            None => std::future::pending().await,
        }
    }

    /// Renews all leases and stops the work on streams that this process does not hold any more.
    pub(super) async fn renew(&mut self) {
        let (owner, lease) = (self.shared.owner().to_owned(), self.shared.settings.lease);
        let ids = match self.shared.journal().renew_leases(&owner, lease).await {
            Ok(ids) => ids,
            Err(error) => return self.failed(&error),
        };
        self.answered();
        let is_lost =
            |(session, held): &(&Session, &Held)| !held.finishing && ids.binary_search(&session.0).is_err();
        let lost: Vec<Session> =
            self.held.iter().filter(is_lost).map(|(session, _)| session.clone()).collect();
        for session in lost {
            self.lose(session).await;
        }
        for id in ids {
            // The stream was claimed by a call whose response was lost, or its task ended without an end in the row. After the
            // release it can be claimed again.
            if !self.held.keys().any(|(held, _)| *held == id) {
                let _ = self.shared.journal().release(&owner, Some(&id)).await;
            }
        }
    }

    /// Handles a lost lease. If the stream has ended, its last events are written; if another worker follows it, that worker
    /// reports them.
    async fn lose(&mut self, session: Session) {
        let row = match self.shared.journal().stream(&session.0).await {
            Ok(row) => row,
            // The next renewal tries again.
            Err(error) => return self.failed(&error),
        };
        let Some(held) = self.held.get_mut(&session) else { return };
        match row {
            // The stream was deleted or has a new session: no more media of this session arrives.
            None => return held.end(Order::Finish),
            Some(row) if row.started_at != session.1 => return held.end(Order::Finish),
            Some(row) if row.ended_at.is_some() && channel_of(&row).is_some() => {
                return held.end(Order::HearOut);
            }
            Some(row) if row.ended_at.is_some() => return held.end(Order::Finish),
            // Another worker holds the stream, or held it and released it. That worker reports the events of the stream.
            Some(_) => {}
        }
        tracing::warn!(stream = session.0, "stream lease lost, aborting the work on the stream");
        self.shared.measures.leases_lost.add(1);
        held.task.abort();
        self.held.remove(&session);
    }

    /// Claims as many streams as the capacity allows.
    pub(super) async fn claim(&mut self) {
        let most =
            self.shared.settings.capacity.saturating_sub(u32::try_from(self.held()).unwrap_or(u32::MAX));
        if most == 0 || Instant::now() < self.claims_from {
            return;
        }
        self.quarantine().await;
        let lease = self.shared.settings.lease;
        match self.shared.journal().claim_streams(self.shared.owner(), most, lease).await {
            Ok(streams) => streams.into_iter().for_each(|stream| self.begin(stream)),
            Err(error) => self.failed(&error),
        }
    }

    /// Marks streams as failed that have killed too many processes.
    async fn quarantine(&self) {
        match self.shared.journal().quarantine_streams().await {
            Ok(streams) => {
                for stream in streams {
                    self.shared.measures.streams_failed.add(1);
                    tracing::error!(
                        stream,
                        deaths = MAX_WORKER_DEATHS,
                        "stream quarantined, processes died while they began to decode it"
                    );
                }
            }
            Err(error) => tracing::debug!(%error, "cannot check for streams to quarantine"),
        }
    }

    /// Starts the task of a claimed stream.
    fn begin(&mut self, stream: Stream) {
        // An earlier session of the stream has ended.
        for (_, held) in self.held.iter_mut().filter(|((id, _), _)| *id == stream.id) {
            held.end(Order::Finish);
        }
        let session = (stream.id.clone(), stream.started_at);
        let taken_over = was_followed(&stream);
        tracing::info!(
            stream = stream.id,
            name = outside_name(&stream),
            origin = stream.origin,
            taken_over,
            "following a stream"
        );
        self.shared.measures.streams_taken_over.add(u64::from(taken_over));
        let (order, orders) = watch::channel(Order::Go);
        let (shared, own) = (Arc::clone(&self.shared), session.clone());
        let task = self.tasks.spawn(async move {
            follow(shared, stream, orders).await;
            own
        });
        self.held.insert(session, Held { order, task, finishing: false });
    }

    /// Leaves every stream: pending events are written and airings stay open. Tasks that take longer than `within` are aborted.
    pub(super) async fn leave(&mut self, within: Duration) {
        for held in self.held.values() {
            held.order.send_replace(if held.finishing { Order::Finish } else { Order::Leave });
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(within, all).await.is_err() {
            let count = self.tasks.len();
            tracing::warn!(count, "streams not left in time, aborting them");
        }
        self.tasks.shutdown().await;
        self.held.clear();
    }

    fn failed(&mut self, error: &refrain_catalog::CatalogError) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(%error, "database unavailable, decoding continues, retrying");
        }
    }
}

impl Held {
    /// Orders the task to finish because the stream has ended.
    fn end(&mut self, order: Order) {
        self.finishing = true;
        self.order.send_replace(order);
    }
}
