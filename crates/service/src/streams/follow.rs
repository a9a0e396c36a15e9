//! Follows one stream from the claim of its lease to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{MAX_DEATHS, Stream, StreamReport, StreamState as RowState};
use refrain_net::Backoff;
use refrain_stream::hls::Start;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::anchor;
use super::buffer::EventBuffer;
use super::guards::{Followed, Unwatch};
use super::orders::{Order, Orders, ordered};
use super::platform::{Next, input_of, what_next};
use super::record::Recorder;
use super::reported::Reported;
use super::shared::{Shared, milliseconds, now, was_followed};
use super::takeover::open_airings;
use super::vitals::Vitals;
use refrain_monitor::{OpenAiring, StreamEnd, StreamSpec, StreamState, StreamStatus};

/// Capacity of the channel from the monitor to the buffer. The buffer reads it without delay.
const EVENTS: usize = 64;

/// Interval at which the state of a stream is checked.
const TICK: Duration = Duration::from_secs(1);

/// Shortest and longest pause before a stream that ended or failed is opened again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// After a stream was followed for this time, the next pause is the shortest one again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// The task of one stream.
struct Follower {
    shared: Arc<Shared>,
    stream: Stream,
    orders: watch::Receiver<Order>,
    recorder: Recorder,
    vitals: Vitals,
    reported: Option<Reported>,
}

/// Follows a stream until it ends or until an order ends the task.
pub(super) async fn follow(shared: Arc<Shared>, stream: Stream, mut orders: watch::Receiver<Order>) {
    let opened = tokio::select! {
        biased;
        () = ordered(&mut orders) => return,
        opened = open_airings(&shared, &stream) => opened,
    };
    let recorder = Recorder::new(Arc::clone(&shared), &stream, &opened);
    let reported = (stream.attempts <= 1).then(|| Reported {
        state: stream.state,
        reason: stream.reason.clone(),
        at: Instant::now(),
    });
    let vitals = Vitals::new(stream.decoder_deaths);
    let session = (stream.id.clone(), stream.started_at);
    let mut follower = Follower { shared: Arc::clone(&shared), stream, orders, recorder, vitals, reported };
    // Removes the status even if the task is aborted.
    let _watched = Unwatch(shared, session);
    follower.run(opened.airings).await;
}

impl Follower {
    async fn run(&mut self, mut airings: Vec<OpenAiring>) {
        let mut backoff = Backoff::new(PAUSES);
        let mut start = if was_followed(&self.stream) { Start::CatchUp } else { Start::LiveEdge };
        loop {
            let began = Instant::now();
            let input = input_of(&self.shared, &self.stream);
            let clock_anchor = self.stream.clock_anchor.as_deref().and_then(anchor::read);
            let spec = StreamSpec { id: self.recorder.name().to_owned(), input, start, clock_anchor };
            let end = self.hear(spec, std::mem::take(&mut airings)).await;
            let url = self.stream.url.clone();
            if *self.orders.borrow() != Order::Go {
                return;
            }
            if began.elapsed() > WELL_AFTER {
                backoff.reset();
            }
            if matches!(end, StreamState::DecoderDied(_)) && self.is_quarantined().await {
                let reason = format!("quarantined: its decoder died {MAX_DEATHS} times ({end})");
                return self.finish(RowState::Failed, reason).await;
            }
            let pause = tokio::select! {
                biased;
                () = ordered(&mut self.orders) => return,
                () = std::future::ready(()), if matches!(end, StreamState::DecoderDied(_)) => backoff.next(),
                next = what_next(&self.shared, &mut self.stream, &end) => match next {
                    Next::Over(state, reason) => return self.finish(state, reason).await,
                    Next::Again => backoff.next(),
                },
            };
            let is_at_end = end == StreamState::Ended(StreamEnd::EndList);
            start = if is_at_end && self.stream.url == url { Start::AfterEnd } else { Start::CatchUp };
            tracing::info!(stream = self.stream.id, end = %end, pause_seconds = pause.as_secs_f64(), "stream ended, opening it again");
            self.report(RowState::Stalled, Some(end.to_string())).await;
            tokio::select! {
                biased;
                () = ordered(&mut self.orders) => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Follows the stream once, until its source ends or an order ends it.
    async fn hear(&mut self, spec: StreamSpec, airings: Vec<OpenAiring>) -> StreamState {
        let (tell, events) = mpsc::channel(EVENTS);
        let events = EventBuffer::new(events);
        let handle = self.shared.monitor.resume(spec, airings, tell);
        let followed = Followed(handle);
        let status = followed.0.status();
        self.shared.watch((self.stream.id.clone(), self.stream.started_at), status.clone());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = Orders::new(self.orders.clone());
        let mut changes = status.clone();
        loop {
            tokio::select! {
                biased;
                () = orders.pass_on(&followed.0) => {}
                event = events.next() => {
                    let Some((event, at)) = event else { break };
                    let now = status.borrow().clone();
                    // An order is passed on even while an event is written, which can take as long as the database is
                    // unavailable.
                    tokio::select! {
                        biased;
                        () = async {
                            self.look(&now).await;
                            self.recorder.record(&event, at).await;
                        } => {}
                        () = orders.pass_on(&followed.0) => {}
                    }
                }
                _ = tick.tick() => {
                    let now = status.borrow().clone();
                    tokio::select! {
                        biased;
                        () = self.look(&now) => {}
                        () = orders.pass_on(&followed.0) => {}
                    }
                }
                // Only until the stream is confirmed to work. If the process is killed before, this counts as a death caused by
                // the stream.
                () = changed(&mut changes), if !self.vitals.works() => {
                    let now = status.borrow().clone();
                    tokio::select! {
                        biased;
                        () = self.check_vitals(&now) => {}
                        () = orders.pass_on(&followed.0) => {}
                    }
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

    /// Reports the state of the stream if it has changed.
    async fn look(&mut self, status: &StreamStatus) {
        self.check_vitals(status).await;
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

    /// Clears the deaths that were counted for the stream if there is evidence that the stream did not cause them.
    async fn check_vitals(&mut self, status: &StreamStatus) {
        let Some(health) = self.vitals.news(status) else { return };
        let session = (self.stream.id.as_str(), self.stream.started_at);
        match self.shared.journal().confirm_stream(self.shared.owner(), session, health).await {
            // If another worker holds the stream now, the next renewal notices it.
            Ok(_) => self.vitals.wrote(health),
            Err(error) => {
                tracing::debug!(stream = self.stream.id, %error, "cannot clear the deaths of the stream, retrying");
            }
        }
    }

    /// Counts a death of the decoder. Returns true if the stream has reached the maximum number.
    async fn is_quarantined(&mut self) -> bool {
        self.vitals.decoder_died();
        let session = (self.stream.id.as_str(), self.stream.started_at);
        match self.shared.journal().count_decoder_death(self.shared.owner(), session).await {
            Ok(Some(deaths)) => self.stream.decoder_deaths = deaths,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(stream = self.stream.id, %error, "cannot store the death of the decoder");
                self.stream.decoder_deaths += 1;
            }
        }
        self.stream.decoder_deaths >= MAX_DEATHS
    }

    /// Sets the time of the session's first sample once it is known. Returns true if it was set now. Later workers count from
    /// it too.
    fn has_begun(&mut self, status: &StreamStatus) -> bool {
        let Some((until, _)) = status.heard_until.filter(|_| self.stream.epoch.is_none()) else {
            return false;
        };
        let epoch = self.recorder.begin(until - status.position);
        self.stream.epoch = Some(milliseconds(epoch));
        self.reported = None;
        true
    }

    /// Stores the state of the stream's clock for the next worker. Returns true if the row must be written. While a clock
    /// advances evenly, its state does not change.
    fn has_new_clock(&mut self, status: &StreamStatus) -> bool {
        let Some(now) = status.clock_anchor else { return false };
        let known = self.stream.clock_anchor.as_deref().and_then(anchor::read);
        if known.is_some_and(|known| anchor::is_same_clock(&known, &now)) {
            return false;
        }
        self.stream.clock_anchor = Some(anchor::write(&now));
        self.reported = None;
        true
    }

    /// Writes the state to the row unless the row has it already.
    async fn report(&mut self, state: RowState, reason: Option<String>) {
        if self.reported.as_ref().is_some_and(|known| known.covers(state, reason.as_deref())) {
            return;
        }
        let report = self.report_of(state, reason);
        match self.shared.journal().report_stream(self.shared.owner(), &report, now()).await {
            Ok(true) => {
                let StreamReport { state, reason, .. } = report;
                self.reported = Some(Reported { state, reason, at: Instant::now() });
            }
            // This worker does not hold the stream any more. The next renewal handles that.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(stream = self.stream.id, %error, "cannot write the state of the stream, retrying");
            }
        }
    }

    /// Writes the end of the stream to the row, with retries until the database has stored it.
    async fn finish(&mut self, state: RowState, reason: String) {
        tracing::info!(stream = self.stream.id, state = state.as_str(), reason, "stream ended");
        self.shared.measures.streams_failed.add(u64::from(state == RowState::Failed));
        let report = self.report_of(state, Some(reason));
        let mut backoff = Backoff::new(PAUSES);
        while let Err(error) = self.shared.journal().report_stream(self.shared.owner(), &report, now()).await
        {
            tracing::warn!(stream = self.stream.id, %error, "cannot write the end of the stream, retrying");
            tokio::select! {
                biased;
                () = ordered(&mut self.orders) => return,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    fn report_of(&self, state: RowState, reason: Option<String>) -> StreamReport {
        let Stream { id, started_at, epoch, clock_anchor, .. } = &self.stream;
        StreamReport {
            id: id.clone(),
            started_at: *started_at,
            state,
            reason,
            epoch: *epoch,
            clock_anchor: clock_anchor.clone(),
            progress: None,
        }
    }
}

/// Waits for the next change of a status. Never returns if the stream was dropped.
async fn changed(status: &mut watch::Receiver<StreamStatus>) {
    if status.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
