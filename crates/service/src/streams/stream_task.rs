//! Follows one stream from the claim of its lease to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Detection, MAX_DEATHS, Stream, StreamReport, StreamState as RowState};
use refrain_net::Backoff;
use refrain_stream::hls::Start;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::anchor;
use super::buffer::EventBuffer;
use super::guards::{LeaveOnDrop, UnwatchOnDrop};
use super::health::HealthTracker;
use super::orders::OrderForwarder;
use super::platform::{EndAction, end_action, input_of};
use super::record::{new_recorder, record, record_progress};
use super::row_report::LastReport;
use super::shared::{StreamsContext, was_followed};
use super::takeover::open_airings;
use crate::clock::milliseconds;
use crate::sessions::{EndReason, Recorder, TaskOrder, end_ordered};
use refrain_monitor::{StreamEnd, StreamPhase, StreamSpec, StreamStatus};

/// Capacity of the channel from the monitor to the buffer. The buffer receives events without delay, so the value has
/// no measurable effect.
const EVENT_CHANNEL_CAPACITY: usize = 64;

/// Interval at which the state of a stream is checked and written to its row if it has changed. At half this value,
/// hundreds of streams wake twice as often; at twice this value, the row is 2 s late.
const STATUS_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum and maximum pause before a stream that ended or failed is opened again. At half the maximum, a dead station
/// gets twice the requests; at twice the maximum, a fixed stream that is back is followed up to 10 minutes late.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// After a stream was followed for this time, the next pause is the shortest one again. With a much shorter time, a
/// stream that fails soon after each start is reopened every 2 s.
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(60);

/// The task of one stream.
struct StreamFollower {
    shared: Arc<StreamsContext>,
    stream: Stream,
    orders: watch::Receiver<TaskOrder>,
    recorder: Recorder,
    health: HealthTracker,
    last_report: Option<LastReport>,
}

/// Follows a stream until it ends or until an order ends the task.
pub(super) async fn follow(
    shared: Arc<StreamsContext>,
    stream: Stream,
    mut orders: watch::Receiver<TaskOrder>,
) {
    let opened = tokio::select! {
        biased;
        () = end_ordered(&mut orders) => return,
        opened = open_airings(&shared, &stream) => opened,
    };
    let recorder = new_recorder(&shared, &stream, &opened);
    let last_report = (stream.attempts <= 1).then(|| LastReport {
        state: stream.state,
        reason: stream.reason.clone(),
        at: Instant::now(),
    });
    let health = HealthTracker::new(stream.decoder_deaths);
    let mut follower =
        StreamFollower { shared: Arc::clone(&shared), stream, orders, recorder, health, last_report };
    // Removes the status even if the task is aborted.
    let _watched = UnwatchOnDrop(shared, follower.stream.key());
    follower.run(opened.detections.into_iter().map(|open| open.detection).collect()).await;
}

impl StreamFollower {
    async fn run(&mut self, mut airings: Vec<Detection>) {
        let mut backoff = Backoff::new(PAUSES);
        // A stream that was followed before continues at the oldest segment that is still listed. A new one starts at
        // the live edge, as a player would.
        let mut start = if was_followed(&self.stream) { Start::CatchUp } else { Start::LiveEdge };
        loop {
            let started = Instant::now();
            let input = input_of(&self.shared, &self.stream);
            let clock_anchor = self.stream.clock_anchor.as_deref().and_then(anchor::read);
            let spec = StreamSpec { id: self.recorder.name().to_owned(), input, start, clock_anchor };
            let end = self.follow_once(spec, std::mem::take(&mut airings)).await;
            let url = self.stream.url.clone();
            if *self.orders.borrow() != TaskOrder::Follow {
                return;
            }
            if started.elapsed() > BACKOFF_RESET_AFTER {
                backoff.reset();
            }
            if matches!(end, StreamPhase::DecoderDied(_)) && self.is_quarantined().await {
                return self.finish(EndReason::quarantined(&end)).await;
            }
            let pause = tokio::select! {
                biased;
                () = end_ordered(&mut self.orders) => return,
                () = std::future::ready(()), if matches!(end, StreamPhase::DecoderDied(_)) => backoff.next(),
                next = end_action(&self.shared, &mut self.stream, &end) => match next {
                    EndAction::End(reason) => return self.finish(reason).await,
                    EndAction::Reopen => backoff.next(),
                },
            };
            let is_at_end = end == StreamPhase::Ended(StreamEnd::EndList);
            start = if is_at_end && self.stream.url == url { Start::AfterEnd } else { Start::CatchUp };
            tracing::info!(stream = self.stream.id, end = %end, pause_seconds = pause.as_secs_f64(), "stream ended, opening it again");
            self.report(RowState::Stalled, Some(end.to_string())).await;
            tokio::select! {
                biased;
                () = end_ordered(&mut self.orders) => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Follows the stream once, until its source ends or an order ends it.
    async fn follow_once(&mut self, spec: StreamSpec, airings: Vec<Detection>) -> StreamPhase {
        let (event_sender, events) = mpsc::channel(EVENT_CHANNEL_CAPACITY);
        let events = EventBuffer::new(events, Arc::clone(&self.shared.clock));
        let handle = self.shared.monitor.resume(spec, airings, event_sender);
        let followed = LeaveOnDrop(handle);
        let status = followed.0.status();
        self.shared.watch(self.stream.key(), status.clone());
        let mut tick = interval(STATUS_CHECK_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = OrderForwarder::new(self.orders.clone());
        let mut changes = status.clone();
        loop {
            tokio::select! {
                biased;
                () = orders.forward(&followed.0) => {}
                event = events.next() => {
                    let Some((event, at)) = event else { break };
                    let now = status.borrow().clone();
                    // An order is passed on even while an event is written, which can take as long as the database is
                    // unavailable.
                    tokio::select! {
                        biased;
                        () = async {
                            self.report_changes(&now).await;
                            record(&mut self.recorder, event, at).await;
                        } => {}
                        () = orders.forward(&followed.0) => {}
                    }
                }
                _ = tick.tick() => {
                    let now = status.borrow().clone();
                    tokio::select! {
                        biased;
                        () = self.report_changes(&now) => {}
                        () = orders.forward(&followed.0) => {}
                    }
                }
                // This applies until the stream is confirmed to work. If the process is killed before, this counts as a
                // death caused by the stream.
                () = changed(&mut changes), if !self.health.is_confirmed() => {
                    let now = status.borrow().clone();
                    tokio::select! {
                        biased;
                        () = self.confirm_health(&now) => {}
                        () = orders.forward(&followed.0) => {}
                    }
                }
            }
        }
        let last = status.borrow().clone();
        let has_changes = self.update_epoch(&last) | self.update_clock_anchor(&last);
        if *self.orders.borrow() == TaskOrder::HandOver && has_changes {
            self.report(RowState::Live, None).await;
        }
        last.state
    }

    /// Reports the state of the stream if it has changed.
    async fn report_changes(&mut self, status: &StreamStatus) {
        self.confirm_health(status).await;
        self.update_epoch(status);
        self.update_clock_anchor(status);
        let (state, reason) = match &status.state {
            StreamPhase::Live => (RowState::Live, None),
            StreamPhase::Stalled => (RowState::Stalled, status.source.last_error.clone()),
            _ => return,
        };
        self.report(state, reason).await;
        record_progress(&mut self.recorder, status.position).await;
    }

    /// Clears the deaths that were counted for the stream if there is evidence that the stream did not cause them.
    async fn confirm_health(&mut self, status: &StreamStatus) {
        let Some(health) = self.health.pending(status) else { return };
        let session = (self.stream.id.as_str(), self.stream.started_at);
        match self.shared.journal().confirm_stream(self.shared.owner(), session, health).await {
            // If another worker holds the stream now, the next renewal notices it.
            Ok(_) => self.health.set_written(health),
            Err(error) => {
                tracing::debug!(stream = self.stream.id, %error, "cannot reset the stream's death count, retrying");
            }
        }
    }

    /// Counts a death of the decoder. Returns true if the stream has reached the maximum number of deaths.
    async fn is_quarantined(&mut self) -> bool {
        self.health.decoder_died();
        let session = (self.stream.id.as_str(), self.stream.started_at);
        match self.shared.journal().count_decoder_death(self.shared.owner(), session).await {
            Ok(Some(deaths)) => self.stream.decoder_deaths = deaths,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(stream = self.stream.id, %error, "cannot store the death of the decoder, counting it in this process only");
                self.stream.decoder_deaths += 1;
            }
        }
        self.stream.decoder_deaths >= MAX_DEATHS
    }

    /// Sets the time of the session's first sample once it is known. Returns true if it was set now. Later workers use
    /// the same time.
    fn update_epoch(&mut self, status: &StreamStatus) -> bool {
        let Some((until, _)) = status.processed_until.filter(|_| self.stream.epoch.is_none()) else {
            return false;
        };
        let epoch = self.recorder.epoch_or(until - status.position);
        self.stream.epoch = Some(milliseconds(epoch));
        self.last_report = None;
        true
    }

    /// Stores the state of the stream's clock for the next worker. Returns true if the row must be written. The state
    /// does not change while the clock advances evenly.
    fn update_clock_anchor(&mut self, status: &StreamStatus) -> bool {
        let Some(now) = status.clock_anchor else { return false };
        let known = self.stream.clock_anchor.as_deref().and_then(anchor::read);
        if known.is_some_and(|known| anchor::is_same_clock(&known, &now)) {
            return false;
        }
        self.stream.clock_anchor = Some(anchor::write(&now));
        self.last_report = None;
        true
    }

    /// Writes the state to the row unless the row has it already.
    async fn report(&mut self, state: RowState, reason: Option<String>) {
        if self.last_report.as_ref().is_some_and(|known| known.covers(state, reason.as_deref())) {
            return;
        }
        let report = self.report_of(state, reason);
        match self.shared.journal().report_stream(self.shared.owner(), &report, self.shared.now()).await {
            Ok(true) => {
                let StreamReport { state, reason, .. } = report;
                self.last_report = Some(LastReport { state, reason, at: Instant::now() });
            }
            // This worker does not hold the stream any more. The next renewal handles that.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(stream = self.stream.id, %error, "cannot write the state of the stream, retrying");
            }
        }
    }

    /// Writes the end of the stream to the row, with retries until the database has stored it.
    async fn finish(&mut self, reason: EndReason) {
        let (state, reason) = (reason.state(), reason.text().into_owned());
        tracing::info!(stream = self.stream.id, state = state.as_str(), reason, "stream ended");
        self.shared.counters.streams_failed.add(u64::from(state == RowState::Failed));
        let report = self.report_of(state, Some(reason));
        let mut backoff = Backoff::new(PAUSES);
        while let Err(error) =
            self.shared.journal().report_stream(self.shared.owner(), &report, self.shared.now()).await
        {
            tracing::warn!(stream = self.stream.id, %error, "cannot write the end of the stream, retrying");
            tokio::select! {
                biased;
                () = end_ordered(&mut self.orders) => return,
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
