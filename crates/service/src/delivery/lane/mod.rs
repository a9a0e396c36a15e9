//! The deliveries to one sink.

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

/// How often the outbox is looked at where nobody says that there is something: for what other processes left behind.
const LOOK: Duration = Duration::from_secs(5);

/// A claim lasts so much longer than a delivery can take: time to tell the database of it.
const CLAIM_MARGIN: Duration = Duration::from_secs(10);

/// Time at the end to give back what is under way.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// How deliveries are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Most that are under way at once.
    pub(super) parallel: usize,
    pub(super) longest_pause: Duration,
    pub(super) give_up: Duration,
    /// Time to finish after a stop.
    pub(super) drain: Duration,
}

/// A delivery that is over, or broke down.
type Ended = Result<(Id, Outcome), JoinError>;

type Outcome = Result<(), Undelivered>;

/// The deliveries to one sink.
pub(super) struct Lane {
    name: String,
    sink: Arc<dyn Sink>,
    catalog: Arc<dyn Catalog>,
    terms: Terms,
    measures: Arc<Measures>,
    under_way: JoinSet<Outcome>,
    claimed: HashMap<Id, Delivery>,
    /// Delivered, but the database does not know yet.
    untold: Vec<i64>,
    circuit: Circuit,
    /// When the outbox is looked at next.
    next_look: Instant,
    /// When messages that failed here are due again.
    dues: BTreeSet<Instant>,
    /// Failures of the database, one after the other.
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

    /// Delivers until `stop`, then finishes; what is left when the time for that is over is given back.
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
                "the database does not answer; what was under way comes again by itself"
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
        // What was recorded last is delivered too.
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

    /// Deliveries that may be begun.
    fn room(&self) -> usize {
        let most = if self.circuit.is_open() { 1 } else { self.terms.parallel };
        most.saturating_sub(self.under_way.len())
    }

    /// Looks into the outbox, and begins what is due; how much that was.
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
                    // There may be more.
                    self.next_look = Instant::now();
                }
                self.database_failures = 0;
                count
            }
            Err(error) => {
                self.database_failed("cannot look into the outbox", &error);
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

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds)
}
