//! Claims, deliveries and retries of the messages to one sink.

mod settle;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, OutboxMessage};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::retry::Circuit;
use super::sinks::{DeliveryError, Sink, SinkMessage};
use crate::counters::Counters;
use crate::wait::at;

/// Interval at which the outbox is polled if no notification arrives. A poll also finds the messages of processes that
/// were killed, and costs one query per sink. At half this value, idle processes query twice as often; at twice this
/// value, the messages of a killed process wait up to 10 s more.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Time between the timeout of a delivery and the end of its claim, in which the outcome is recorded in the database.
/// If recording takes longer, another process delivers the message a second time. At half this value, a slow commit
/// causes such duplicates earlier; at twice this value, messages of a killed process are delivered 10 s later.
const CLAIM_MARGIN: Duration = Duration::from_secs(10);

/// Time at the end of the drain time that is reserved for releasing the claims of unfinished deliveries, with one short
/// write per claim. At half this value, a slow database does not release all claims, and their messages wait until the
/// claims expire. At twice this value, deliveries have 2 s less to finish.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Limits for the deliveries to a sink.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeliveryPolicy {
    /// Maximum number of concurrent deliveries.
    pub(super) parallel: usize,
    /// Maximum pause between two attempts at a message.
    pub(super) max_pause: Duration,
    /// Age after which an undelivered message is marked as dead.
    pub(super) give_up: Duration,
    /// Time to finish after a stop.
    pub(super) drain: Duration,
}

/// Result of a task that delivers a message: the id of the task and the outcome, or the error of a task that panicked
/// or was aborted.
type FinishedDelivery = Result<(Id, DeliveryResult), JoinError>;

type DeliveryResult = Result<(), DeliveryError>;

/// Claims and delivers the messages of one sink.
pub(super) struct SinkWorker {
    name: String,
    sink: Arc<dyn Sink>,
    catalog: Arc<dyn Catalog>,
    policy: DeliveryPolicy,
    counters: Arc<Counters>,
    in_flight: JoinSet<DeliveryResult>,
    claimed: HashMap<Id, OutboxMessage>,
    /// Ids of messages that were delivered, but are not yet recorded as delivered in the database.
    unrecorded: Vec<i64>,
    circuit: Circuit,
    /// Time of the next poll of the outbox.
    next_poll: Instant,
    /// Times at which messages that failed in this process are due again.
    retry_times: BTreeSet<Instant>,
    /// Consecutive failures of the database.
    database_failures: u32,
}

impl SinkWorker {
    pub(super) fn new(
        name: String,
        sink: Arc<dyn Sink>,
        catalog: Arc<dyn Catalog>,
        policy: DeliveryPolicy,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            name,
            sink,
            catalog,
            policy,
            counters,
            in_flight: JoinSet::new(),
            claimed: HashMap::new(),
            unrecorded: Vec::new(),
            circuit: Circuit::default(),
            next_poll: Instant::now(),
            retry_times: BTreeSet::new(),
            database_failures: 0,
        }
    }

    /// Delivers messages until `stop` is cancelled, then finishes. Claims of messages that are not delivered at the end
    /// of the drain time are released.
    pub(super) async fn run(mut self, wakeups: watch::Receiver<()>, stop: CancellationToken) {
        // The time for the release is taken from the drain time, because a claim that is not released delays its
        // message by the whole duration of the claim.
        let time = self.policy.drain.saturating_sub(RELEASE_TIMEOUT);
        let over = async {
            stop.cancelled().await;
            sleep(time).await;
        };
        tokio::select! {
            () = self.work(wakeups, &stop) => {}
            () = over => {}
        }
        // The database may hang during a shutdown. The claims then expire without a release, so the process does not
        // wait for it.
        if timeout(RELEASE_TIMEOUT, self.release_claims()).await.is_err() {
            tracing::warn!(
                sink = self.name,
                timeout_seconds = RELEASE_TIMEOUT.as_secs(),
                "claims of unfinished deliveries not released within the timeout; other processes retry these \
                 deliveries after the claims expire"
            );
        }
    }

    async fn work(&mut self, mut wakeups: watch::Receiver<()>, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if self.free_slots() > 0 && self.next_poll <= Instant::now() {
                self.claim().await;
            }
            let poll_at = (self.free_slots() > 0).then_some(self.next_poll);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.in_flight.join_next_with_id() => self.settle(ended).await,
                // While the sink is down, new messages must not wake the worker: the pause between two probes would be
                // as short as the time between two messages.
                Ok(()) = wakeups.changed(), if !self.circuit.is_open() => self.next_poll = Instant::now(),
                // Without a free slot, no message can be claimed, so the worker waits for the end of a delivery and not
                // for a poll.
                () = at(poll_at) => {}
            }
        }
        // Messages that were recorded just before the stop are delivered, too.
        // After the stop, the loop continues only while claims fill all free slots. A claim that returns fewer messages
        // has emptied the outbox.
        let mut more = true;
        loop {
            let free_slots = self.free_slots();
            if more && free_slots > 0 {
                more = self.claim().await == free_slots && !self.circuit.is_open();
            }
            match self.in_flight.join_next_with_id().await {
                Some(ended) => self.settle(ended).await,
                None if more => {}
                None => break,
            }
        }
    }

    /// Returns the number of deliveries that may be started.
    fn free_slots(&self) -> usize {
        // While the sink is down, only one message at a time is delivered to it. The attempts of the other messages are
        // limited and must not be used up.
        let max = if self.circuit.is_open() { 1 } else { self.policy.parallel };
        max.saturating_sub(self.in_flight.len())
    }

    /// Claims due messages of the outbox and starts their deliveries. Returns their number; 0 also if the database
    /// fails.
    async fn claim(&mut self) -> usize {
        // Successful deliveries are recorded first. If that fails, the database is down, and a claim could return
        // messages that are already delivered.
        if !self.record_delivered().await {
            return 0;
        }
        let free_slots = self.free_slots();
        // A claim must outlast the delivery. A shorter one would let another process deliver the message while this one
        // is still sending it.
        let claim = self.sink.delivery_timeout() + CLAIM_MARGIN;
        let max = u32::try_from(free_slots).unwrap_or(u32::MAX);
        // This claim covers all retries that are due now. If their times were kept, the next poll would be due at once,
        // without an end.
        self.retry_times = self.retry_times.split_off(&Instant::now());
        let latest = Instant::now() + POLL_INTERVAL;
        self.next_poll = self.retry_times.first().map_or(latest, |due| latest.min(*due));
        match self.catalog.journal().claim_deliveries(&self.name, max, claim).await {
            Ok(claimed) => {
                let count = claimed.len();
                claimed.into_iter().for_each(|delivery| self.start_delivery(delivery));
                if count == free_slots && !self.circuit.is_open() {
                    // All free slots were filled, so more messages may be due.
                    self.next_poll = Instant::now();
                }
                self.database_failures = 0;
                count
            }
            Err(error) => {
                self.database_failed("cannot claim messages", &error);
                0
            }
        }
    }

    fn start_delivery(&mut self, delivery: OutboxMessage) {
        let sink = self.sink.clone();
        let delivery_timeout = sink.delivery_timeout();
        let message = SinkMessage::of(&delivery);
        let task = self.in_flight.spawn(async move {
            match timeout(delivery_timeout, sink.deliver(message?)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(DeliveryError::Transient(format!(
                    "the sink did not accept the message within {:.0} s",
                    delivery_timeout.as_secs_f64()
                ))),
            }
        });
        // The message is found by the id of its task, because a task that panicked returns no value but still has its
        // id.
        self.claimed.insert(task.id(), delivery);
    }
}
