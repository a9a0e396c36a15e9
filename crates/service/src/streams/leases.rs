//! Leases, and a task for each.

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

/// After the database was away, other workers' streams are not claimed for this time: workers that went on decoding renew
/// their leases first, so that each stream stays with the worker that has its sound.
const GRACE: Duration = Duration::from_secs(10);

/// A session of a stream.
type Session = (String, i64);

/// A stream that is followed here.
struct Held {
    order: watch::Sender<Order>,
    task: AbortHandle,
    /// Whether it is over, and its last events are being told.
    finishing: bool,
}

/// The streams that are followed here. Dropping it ends all work on them at once.
pub(super) struct Leases {
    shared: Arc<Shared>,
    held: HashMap<Session, Held>,
    tasks: JoinSet<Session>,
    /// Whether the database was away the last time: told once.
    away: bool,
    /// No stream is claimed before this time.
    claims_from: Instant,
}

impl Leases {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let claims_from = Instant::now();
        Self { shared, held: HashMap::new(), tasks: JoinSet::new(), away: false, claims_from }
    }

    /// Number of streams that are followed.
    pub(super) fn held(&self) -> usize {
        self.held.values().filter(|held| !held.finishing).count()
    }

    /// Whether the database did not answer the last time.
    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    /// The database did not answer in time. Streams are decoded on, and their events are kept until it answers: then their
    /// leases are renewed, or another worker has taken them.
    pub(super) fn unanswered(&mut self) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!("database does not answer, decoding goes on, trying again");
        }
    }

    /// The database answered.
    fn answered(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            tracing::info!("database answers again");
            self.claims_from = Instant::now() + GRACE.min(self.shared.settings.lease);
        }
    }

    /// Waits until work on a stream is over.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((_, session))) => {
                self.held.remove(&session);
            }
            Some(Err(error)) => {
                if error.is_panic() {
                    tracing::error!("internal error; a stream is given back");
                }
                self.held.retain(|_, held| held.task.id() != error.id());
            }
            None => std::future::pending().await,
        }
    }

    /// Renews all leases, and stops work on streams that are no longer ours.
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
            // Claimed by a call whose answer was lost, or given up by our own clock: whoever claims it next gets it whole.
            if !self.held.keys().any(|(held, _)| *held == id) {
                let _ = self.shared.journal().release(&owner, Some(&id)).await;
            }
        }
    }

    /// A lease is gone: the stream is over, and its last events are told; or another follows it, and tells them.
    async fn lose(&mut self, session: Session) {
        let row = match self.shared.journal().stream(&session.0).await {
            Ok(row) => row,
            // The next renewal asks again.
            Err(error) => return self.failed(&error),
        };
        let Some(held) = self.held.get_mut(&session) else { return };
        match row {
            // Another session, or none: nothing more comes of this one.
            None => return held.end(Order::Finish),
            Some(row) if row.started_at != session.1 => return held.end(Order::Finish),
            Some(row) if row.ended_at.is_some() && channel_of(&row).is_some() => {
                return held.end(Order::HearOut);
            }
            Some(row) if row.ended_at.is_some() => return held.end(Order::Finish),
            // Another worker has it, or had it and released it: it reports what happens in the stream.
            Some(_) => {}
        }
        tracing::warn!(stream = session.0, "another process follows the stream now");
        self.shared.measures.leases_lost.add(1);
        held.task.abort();
        self.held.remove(&session);
    }

    /// Takes as many streams as there is room for.
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

    /// Fails streams that have killed too many processes.
    async fn quarantine(&self) {
        match self.shared.journal().quarantine_streams().await {
            Ok(streams) => {
                for stream in streams {
                    self.shared.measures.streams_failed.add(1);
                    tracing::error!(
                        stream,
                        deaths = MAX_WORKER_DEATHS,
                        "stream is quarantined, processes died while they began to decode it"
                    );
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for streams to quarantine"),
        }
    }

    /// Begins to follow a stream.
    fn begin(&mut self, stream: Stream) {
        // An earlier session of it is over.
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

    /// Leaves every stream: what was heard is written down, airings stay open.
    pub(super) async fn leave(&mut self, within: Duration) {
        for held in self.held.values() {
            held.order.send_replace(if held.finishing { Order::Finish } else { Order::Leave });
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(within, all).await.is_err() {
            let count = self.tasks.len();
            tracing::warn!(count, "streams could not be left in time");
        }
        self.tasks.shutdown().await;
        self.held.clear();
    }

    fn failed(&mut self, error: &refrain_catalog::CatalogError) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(%error, "database is away, decoding goes on, trying again");
        }
    }
}

impl Held {
    /// The stream is over.
    fn end(&mut self, order: Order) {
        self.finishing = true;
        self.order.send_replace(order);
    }
}
