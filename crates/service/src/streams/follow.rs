//! One stream, from the claim of its lease to its end.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Stream, StreamReport, StreamState as RowState};
use refrain_stream::Backoff;
use refrain_stream::hls::{Complete, EndReason};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, MissedTickBehavior, interval, sleep};

use super::anchor;
use super::platform::{Next, input_of, what_next};
use super::record::Recorder;
use super::shared::{Shared, milliseconds, now};
use super::takeover::open_airings;
use crate::monitor::{OpenAiring, StreamEvent, StreamHandle, StreamSpec, StreamState, StreamStatus};
use crate::wait::at;

/// Events that wait to be written down; then the stream waits, and drops what it cannot keep.
const EVENTS: usize = 64;

/// How often a stream's state is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Pauses before a stream that ended or failed is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// A stream that was live for so long begins with the shortest pause again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// The platform's word that a stream is over comes before the last segments do: they are waited for so long, if the
/// playlist does not end before.
const HEARD_OUT: Duration = Duration::from_secs(15);

/// What a stream's task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Follow it.
    Go,
    /// It is over: what is still to come of it is heard, then its airings end.
    HearOut,
    /// It is over: its airings end.
    Finish,
    /// Others go on with it: its airings stay open.
    Leave,
}

/// Ends the monitor's work when it is dropped, also where a task is aborted.
struct Followed(StreamHandle);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Orders to the end, each told once.
struct Orders {
    given: watch::Receiver<Order>,
    known: Order,
    /// When a stream that is heard out is stopped.
    heard_out: Option<time::Instant>,
}

impl Orders {
    fn new(given: watch::Receiver<Order>) -> Self {
        Self { given, known: Order::Go, heard_out: None }
    }

    /// Passes on what is ordered, as long as this is awaited.
    async fn pass_on(&mut self, handle: &StreamHandle) {
        loop {
            let known = self.known;
            let given = tokio::select! {
                given = self.given.wait_for(|order| *order != known) => given.ok().map(|order| *order),
                () = at(self.heard_out) => {
                    self.heard_out = None;
                    handle.stop();
                    continue;
                }
            };
            match given {
                Some(order) => self.known = order,
                // Without anybody who orders the task is about to be aborted.
                None => pending().await,
            }
            match self.known {
                Order::Go => {}
                Order::HearOut => self.heard_out = Some(time::Instant::now() + HEARD_OUT),
                Order::Finish => handle.stop(),
                Order::Leave => handle.leave(),
            }
        }
    }
}

/// Forgets a status when it is dropped.
struct Unwatch(Arc<Shared>, (String, i64));

impl Drop for Unwatch {
    fn drop(&mut self) {
        self.0.unwatch(&self.1);
    }
}

/// One stream.
struct Follower {
    shared: Arc<Shared>,
    stream: Stream,
    orders: watch::Receiver<Order>,
    recorder: Recorder,
    /// What the row says.
    told: Option<(RowState, Option<String>)>,
}

/// Follows a stream until it is over, or until an order ends that.
pub(super) async fn follow(shared: Arc<Shared>, stream: Stream, mut orders: watch::Receiver<Order>) {
    let opened = tokio::select! {
        biased;
        () = ordered(&mut orders) => return,
        opened = open_airings(&shared, &stream) => opened,
    };
    let recorder = Recorder::new(Arc::clone(&shared), &stream, &opened);
    let told = (stream.attempts <= 1).then(|| (stream.state, stream.reason.clone()));
    let session = (stream.id.clone(), stream.started_at);
    let mut follower = Follower { shared: Arc::clone(&shared), stream, orders, recorder, told };
    // Also where the task is aborted.
    let _watched = Unwatch(shared, session);
    follower.run(opened.airings).await;
}

/// Waits for an order to end.
async fn ordered(orders: &mut watch::Receiver<Order>) {
    // Without anybody who orders the task is about to be aborted.
    if orders.wait_for(|order| *order != Order::Go).await.is_err() {
        pending::<()>().await;
    }
}

impl Follower {
    async fn run(&mut self, mut airings: Vec<OpenAiring>) {
        let mut backoff = Backoff::new(PAUSES);
        let mut complete = Complete::Whole;
        loop {
            let began = Instant::now();
            let input = input_of(&self.shared, &self.stream);
            let clock_anchor = self.stream.clock_anchor.as_deref().and_then(anchor::read);
            let spec = StreamSpec { id: self.recorder.name().to_owned(), input, complete, clock_anchor };
            let end = self.hear(spec, std::mem::take(&mut airings)).await;
            let url = self.stream.url.clone();
            if *self.orders.borrow() != Order::Go {
                return;
            }
            if began.elapsed() > WELL_AFTER {
                backoff.reset();
            }
            let pause = tokio::select! {
                biased;
                () = ordered(&mut self.orders) => return,
                next = what_next(&self.shared, &mut self.stream, &end) => match next {
                    Next::Over(state, reason) => return self.finish(state, reason).await,
                    Next::Again => backoff.next(),
                },
            };
            let is_at_end = matches!(&end, StreamState::Ended(why) if *why == EndReason::EndList.to_string());
            complete = if is_at_end && self.stream.url == url { Complete::Nothing } else { Complete::Whole };
            tracing::info!(stream = self.stream.id, end = %end, pause_seconds = pause.as_secs_f64(), "the stream is tried again");
            self.report(RowState::Stalled, Some(end.to_string())).await;
            tokio::select! {
                biased;
                () = ordered(&mut self.orders) => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Follows the stream once, until it says that it is over or an order ends it.
    async fn hear(&mut self, spec: StreamSpec, airings: Vec<OpenAiring>) -> StreamState {
        let (tell, mut events) = mpsc::channel(EVENTS);
        let handle = self.shared.monitor.resume(spec, airings, tell);
        let followed = Followed(handle);
        let status = followed.0.status();
        self.shared.watch((self.stream.id.clone(), self.stream.started_at), status.clone());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = Orders::new(self.orders.clone());
        loop {
            tokio::select! {
                biased;
                () = orders.pass_on(&followed.0) => {}
                event = events.recv() => match event {
                    Some(event) => {
                        let now = status.borrow().clone();
                        self.look(&now).await;
                        self.record(&event, &followed.0, &mut orders).await;
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    let status = status.borrow().clone();
                    self.look(&status).await;
                }
            }
        }
        let last = status.borrow().clone();
        let is_news = self.has_begun(&last) | self.has_new_clock(&last);
        if *self.orders.borrow() == Order::Leave && is_news {
            self.report(RowState::Live, None).await;
        }
        last.state
    }

    /// Writes an event down, however long that takes; an order is passed on meanwhile.
    async fn record(&mut self, event: &StreamEvent, handle: &StreamHandle, orders: &mut Orders) {
        tokio::select! {
            biased;
            () = self.recorder.record(event) => {}
            () = orders.pass_on(handle) => {}
        }
    }

    /// Tells how the stream is, if that has changed.
    async fn look(&mut self, status: &StreamStatus) {
        self.has_begun(status);
        self.has_new_clock(status);
        let (state, reason) = match &status.state {
            StreamState::Live => (RowState::Live, None),
            StreamState::Stalled => (RowState::Stalled, status.source.last_error.clone()),
            _ => return,
        };
        self.report(state, reason).await;
        self.recorder.heard(status.position).await;
    }

    /// Learns when the first sample of the session was; whether that is news. Whoever goes on counts from it too.
    fn has_begun(&mut self, status: &StreamStatus) -> bool {
        let Some((until, _)) = status.heard_until.filter(|_| self.stream.epoch.is_none()) else {
            return false;
        };
        let epoch = self.recorder.begin(until - status.position);
        self.stream.epoch = Some(milliseconds(epoch));
        self.told = None;
        true
    }

    /// Notes where the clock of the stream stands, for the next worker. Returns true if the row has to be written: a clock that
    /// goes on evenly stays where it was.
    fn has_new_clock(&mut self, status: &StreamStatus) -> bool {
        let Some(now) = status.clock_anchor else { return false };
        let known = self.stream.clock_anchor.as_deref().and_then(anchor::read);
        if known.is_some_and(|known| anchor::is_same_clock(&known, &now)) {
            return false;
        }
        self.stream.clock_anchor = Some(anchor::write(&now));
        self.told = None;
        true
    }

    /// Writes the state into the row, unless it says so already.
    async fn report(&mut self, state: RowState, reason: Option<String>) {
        if self.told.as_ref().is_some_and(|(told, _)| *told == state) {
            return;
        }
        let report = self.reported(state, reason);
        match self.shared.journal().report_stream(&self.shared.name, &report, now()).await {
            Ok(true) => self.told = Some((report.state, report.reason)),
            // The next renewal says why.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(stream = self.stream.id, %error, "cannot write the stream's state; trying again");
            }
        }
    }

    /// The stream is over: says so until the database has it.
    async fn finish(&mut self, state: RowState, reason: String) {
        tracing::info!(stream = self.stream.id, state = state.as_str(), reason, "the stream is over");
        self.shared.measures.streams_failed.add(u64::from(state == RowState::Failed));
        let report = self.reported(state, Some(reason));
        let mut backoff = Backoff::new(PAUSES);
        while let Err(error) = self.shared.journal().report_stream(&self.shared.name, &report, now()).await {
            tracing::warn!(stream = self.stream.id, %error, "cannot write the stream's end; trying again");
            tokio::select! {
                biased;
                () = ordered(&mut self.orders) => return,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    fn reported(&self, state: RowState, reason: Option<String>) -> StreamReport {
        let Stream { id, started_at, epoch, clock_anchor, .. } = &self.stream;
        StreamReport {
            id: id.clone(),
            started_at: *started_at,
            state,
            reason,
            epoch: *epoch,
            clock_anchor: clock_anchor.clone(),
        }
    }
}
