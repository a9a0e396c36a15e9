//! Leases, and a task for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::Stream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::follow::{Order, follow};
use super::shared::{Shared, channel_of, outside_name, was_followed};

/// A session of a stream.
type Session = (String, i64);

/// A stream that is followed here.
struct Held {
    order: watch::Sender<Order>,
    task: AbortHandle,
    /// The lease lasts at least so long, whatever the database's clock says.
    until: Instant,
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
}

impl Leases {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, held: HashMap::new(), tasks: JoinSet::new(), away: false }
    }

    /// Number of streams that are followed.
    pub(super) fn held(&self) -> usize {
        self.held.values().filter(|held| !held.finishing).count()
    }

    /// Whether the database did not answer the last time.
    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    /// How long until the first lease may run out: no call may take longer.
    pub(super) fn shortest(&self) -> Duration {
        let going = self.held.values().filter(|held| !held.finishing);
        let until = going.map(|held| held.until.saturating_duration_since(Instant::now())).min();
        until.unwrap_or(self.shared.settings.lease)
    }

    /// The database did not answer in time.
    pub(super) fn unanswered(&mut self) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!("the database does not answer; trying again");
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

    /// Stops work on streams whose lease may have run out, without a word: somebody else tells of them now.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let measures = &self.shared.measures;
        self.held.retain(|(id, _), held| {
            let over = held.until <= now && !held.finishing;
            if over {
                tracing::warn!(stream = id, "the lease could not be renewed in time; the stream is left");
                measures.leases_lost.add(1);
                held.task.abort();
            }
            !over
        });
    }

    /// Renews all leases, and stops work on streams that are no longer ours.
    pub(super) async fn renew(&mut self) {
        let (name, lease) = (self.shared.name.clone(), self.shared.settings.lease);
        let until = Instant::now() + lease;
        let ids = match self.shared.journal().renew_leases(&name, lease).await {
            Ok(ids) => ids,
            Err(error) => return self.failed(&error),
        };
        self.away = false;
        let mut lost = Vec::new();
        for (session, held) in &mut self.held {
            if ids.binary_search(&session.0).is_ok() {
                held.until = until;
            } else if !held.finishing {
                lost.push(session.clone());
            }
        }
        for session in lost {
            self.lose(session).await;
        }
        for id in ids {
            // Claimed by a call whose answer was lost, or given up by our own clock: whoever claims it next gets it whole.
            if !self.held.keys().any(|(held, _)| *held == id) {
                let _ = self.shared.journal().release(&name, Some(&id)).await;
            }
        }
    }

    /// A lease is gone: the stream is over, and its last events are told; or another follows it, and tells them.
    async fn lose(&mut self, session: Session) {
        let row = self.shared.journal().stream(&session.0).await;
        let Some(held) = self.held.get_mut(&session) else { return };
        let is_taken =
            |row: &Stream| row.started_at == session.1 && row.ended_at.is_none() && row.lease_owner.is_some();
        // A channel that sends another session has nothing more of this one.
        let is_over = |row: &Stream| row.started_at == session.1 && row.ended_at.is_some();
        match row {
            Ok(Some(row)) if is_over(&row) && channel_of(&row).is_some() => return held.end(Order::HearOut),
            Ok(row) if row.as_ref().is_none_or(|row| !is_taken(row)) => return held.end(Order::Finish),
            _ => {}
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
        if most == 0 {
            return;
        }
        let lease = self.shared.settings.lease;
        let until = Instant::now() + lease;
        match self.shared.journal().claim_streams(&self.shared.name, most, lease).await {
            Ok(streams) => {
                self.away = false;
                streams.into_iter().for_each(|stream| self.begin(stream, until));
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Begins to follow a stream.
    fn begin(&mut self, stream: Stream, until: Instant) {
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
        self.held.insert(session, Held { order, task, until, finishing: false });
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
            tracing::warn!(%error, "the database is away; trying again");
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
