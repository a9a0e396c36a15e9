//! Claims, deliveries and retries of the messages to one sink.

mod settle;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use refrain_catalog::{Catalog, Delivery};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::pace::{Circuit, milliseconds};
use super::sinks::{Message, Sink, Undelivered};
use crate::measure::Measures;
use crate::wait::at;

/// Interval at which the outbox is polled if no notification arrives, for messages that other processes left behind.
const LOOK: Duration = Duration::from_secs(5);

/// Time that a claim lasts beyond the longest delivery, for recording the outcome in the database.
const CLAIM_MARGIN: Duration = Duration::from_secs(10);

/// Part of the drain time that is reserved for releasing the claims of unfinished deliveries.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Limits for the deliveries to a sink.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Maximum number of concurrent deliveries.
    pub(super) parallel: usize,
    pub(super) longest_pause: Duration,
    pub(super) give_up: Duration,
    /// Time to finish after a stop.
    pub(super) drain: Duration,
}

/// The end of a delivery task: its outcome, or the error of a task that panicked.
type Ended = Result<(Id, Outcome), JoinError>;

type Outcome = Result<(), Undelivered>;

/// Claims and delivers the messages of one sink.
pub(super) struct Lane {
    name: String,
    sink: Arc<dyn Sink>,
    catalog: Arc<dyn Catalog>,
    terms: Terms,
    measures: Arc<Measures>,
    under_way: JoinSet<Outcome>,
    claimed: HashMap<Id, Delivery>,
    /// Messages that were delivered, which is not yet recorded in the database.
    untold: Vec<i64>,
    circuit: Circuit,
    /// Time of the next poll of the outbox.
    next_look: Instant,
    /// Times at which messages that failed in this process are due again.
    dues: BTreeSet<Instant>,
    /// Consecutive failures of the database.
    database_failures: u32,
}

impl Lane {
    pub(super) fn new(
        name: String,
        sink: Arc<dyn Sink>,
        catalog: Arc<dyn Catalog>,
        terms: Terms,
        measures: Arc<Measures>,
    ) -> Self {
        Self {
            name,
            sink,
            catalog,
            terms,
            measures,
            under_way: JoinSet::new(),
            claimed: HashMap::new(),
            untold: Vec::new(),
            circuit: Circuit::default(),
            next_look: Instant::now(),
            dues: BTreeSet::new(),
            database_failures: 0,
        }
    }

    /// Delivers until `stop` is cancelled, then finishes. Claims that are left at the end of the drain time are released.
    pub(super) async fn run(mut self, news: watch::Receiver<()>, stop: CancellationToken) {
        let time = self.terms.drain.saturating_sub(GIVE_BACK);
        let over = async {
            stop.cancelled().await;
            sleep(time).await;
        };
        tokio::select! {
            () = self.work(news, &stop) => {}
            () = over => {}
        }
        if timeout(GIVE_BACK, self.give_back()).await.is_err() {
            tracing::warn!(
                sink = self.name,
                "database unavailable; in-flight deliveries are retried after their claim expires"
            );
        }
    }

    async fn work(&mut self, mut news: watch::Receiver<()>, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if self.room() > 0 && self.next_look <= Instant::now() {
                self.claim().await;
            }
            let look = (self.room() > 0).then_some(self.next_look);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.under_way.join_next_with_id() => self.settle(ended).await,
                Ok(()) = news.changed(), if !self.circuit.is_open() => self.next_look = Instant::now(),
                () = at(look) => {}
            }
        }
        // Messages that were recorded just before the stop are delivered, too.
        let mut more = true;
        loop {
            let room = self.room();
            if more && room > 0 {
                more = self.claim().await == room && !self.circuit.is_open();
            }
            match self.under_way.join_next_with_id().await {
                Some(ended) => self.settle(ended).await,
                None if more => {}
                None => break,
            }
        }
    }

    /// Returns the number of deliveries that may be started.
    fn room(&self) -> usize {
        let most = if self.circuit.is_open() { 1 } else { self.terms.parallel };
        most.saturating_sub(self.under_way.len())
    }

    /// Claims due messages of the outbox and starts their deliveries. Returns their number.
    async fn claim(&mut self) -> usize {
        if !self.tell().await {
            return 0;
        }
        let room = self.room();
        let claim = self.sink.patience() + CLAIM_MARGIN;
        let most = u32::try_from(room).unwrap_or(u32::MAX);
        self.dues = self.dues.split_off(&Instant::now());
        let regular = Instant::now() + LOOK;
        self.next_look = self.dues.first().map_or(regular, |due| regular.min(*due));
        match self.catalog.journal().claim_deliveries(&self.name, most, claim).await {
            Ok(claimed) => {
                let count = claimed.len();
                claimed.into_iter().for_each(|delivery| self.begin(delivery));
                if count == room && !self.circuit.is_open() {
                    // All claims were used, so more messages may be due.
                    self.next_look = Instant::now();
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

    fn begin(&mut self, delivery: Delivery) {
        let sink = self.sink.clone();
        let patience = sink.patience();
        let message = Message::of(&delivery);
        let task = self.under_way.spawn(async move {
            match timeout(patience, sink.deliver(message?)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Undelivered::Again(format!("not done within {:.0} s", patience.as_secs_f64()))),
            }
        });
        self.claimed.insert(task.id(), delivery);
    }
}

/// Returns the current time in milliseconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds)
}
