//! Follows one live stream from the claim of its lease to its end.

mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use refrain_catalog::{Detection, MAX_DEATHS, Stream, StreamState as RowState};
use refrain_net::Backoff;
use refrain_stream::hls::Start;
use tokio::sync::watch;
use tokio::time::sleep;

use self::report::row_state;
use super::ORIGIN_FIXED;
use super::anchor;
use super::headers::request_headers;
use super::health::HealthTracker;
use super::opened::{OpenedStream, StreamSignal};
use super::platform::{EndAction, end_action, input_of};
use super::row_report::LastReport;
use super::shared::{StreamsContext, stream_asset_id, was_followed};
use crate::sessions::{EndReason, SessionBatch, SessionSource, TaskOrder, end_ordered, read_alerts};
use crate::settings::FixedStream;
use refrain_monitor::{ReportedAlerts, StreamEnd, StreamPhase, StreamSpec, StreamStatus};

/// Minimum and maximum pause before a stream that ended or failed is opened again. At half the maximum, a dead station
/// gets twice the requests; at twice the maximum, a fixed stream that is back is followed up to 10 minutes late.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// After a stream was followed for this time, the next pause is the shortest one again. With a much shorter time, a
/// stream that fails soon after each start is reopened every 2 s.
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(60);

/// The source of a session of a live stream.
pub(super) struct LiveSource {
    shared: Arc<StreamsContext>,
    /// The row of the stream, with the changes that were reported since.
    stream: Stream,
    orders: watch::Receiver<TaskOrder>,
    /// Time of the session's first sample, seconds since 1970; `None` if it is not known yet.
    epoch: Option<f64>,
    /// Open airings with which the stream is opened.
    airings: Vec<Detection>,
    /// Alerts about the audio that were reported, after which the stream is continued.
    alerts: ReportedAlerts,
    start: Start,
    opened: Option<OpenedStream>,
    backoff: Backoff,
    /// Pause before the stream is opened.
    pause: Duration,
    health: HealthTracker,
    last_report: Option<LastReport>,
    has_ended: bool,
}

#[async_trait]
impl SessionSource for LiveSource {
    async fn next(&mut self) -> Option<SessionBatch> {
        while !self.has_ended {
            let Some(opened) = &mut self.opened else {
                self.open().await;
                continue;
            };
            let signal = opened.next(!self.health.is_confirmed()).await;
            let (status, age) = (opened.status(), opened.age());
            if matches!(signal, StreamSignal::Changed) {
                // This applies until the stream is confirmed to work. If the process is killed before, this counts as a
                // death caused by the stream.
                self.confirm_health(&status).await;
                continue;
            }
            let alerts = opened.take_alerts();
            alerts.iter().for_each(|alert| self.alerts.apply(alert));
            let batch = match signal {
                StreamSignal::Event((event, at)) => {
                    let batch = self.changes(status).await;
                    SessionBatch { detections: vec![(self.in_session(event), at)], ..batch }
                }
                StreamSignal::Check | StreamSignal::Changed => self.changes(status).await,
                StreamSignal::Closed => self.closed(status, age).await,
            };
            return Some(SessionBatch { alerts, ..batch });
        }
        None
    }
}

impl Drop for LiveSource {
    fn drop(&mut self) {
        // The status is removed even if the task is aborted.
        self.shared.unwatch(&self.stream.key());
    }
}

impl LiveSource {
    /// Creates the source of a claimed stream. `epoch` is the time of the session's first sample, if it is known.
    /// `airings` are the open airings of the session.
    pub(super) fn new(
        shared: Arc<StreamsContext>,
        stream: Stream,
        epoch: Option<f64>,
        airings: Vec<Detection>,
        orders: watch::Receiver<TaskOrder>,
    ) -> Self {
        let last_report = (stream.attempts <= 1).then(|| LastReport {
            state: stream.state,
            reason: stream.reason.clone(),
            at: Instant::now(),
        });
        Self {
            health: HealthTracker::new(stream.decoder_deaths),
            // A stream that was followed before continues at the oldest segment that is still listed. A new one starts
            // at the live edge, as a player would.
            start: if was_followed(&stream) { Start::CatchUp } else { Start::LiveEdge },
            opened: None,
            backoff: Backoff::new(PAUSES),
            pause: Duration::ZERO,
            has_ended: false,
            alerts: read_alerts(stream.alerts.as_deref()),
            shared,
            stream,
            orders,
            epoch,
            airings,
            last_report,
        }
    }

    /// Opens the stream after the pause, unless an order ends the task.
    async fn open(&mut self) {
        tokio::select! {
            biased;
            () = end_ordered(&mut self.orders) => {
                self.has_ended = true;
                return;
            }
            () = sleep(self.pause) => {}
        }
        let input = input_of(&self.shared, &self.stream);
        let clock_anchor = self.stream.clock_anchor.as_deref().and_then(anchor::read);
        let id = stream_asset_id(&self.stream).to_owned();
        let (headers, fixed) = (request_headers(&self.stream), self.fixed());
        let spec = StreamSpec {
            id,
            input,
            start: self.start,
            clock_anchor,
            headers,
            preferences: fixed.as_ref().map(|fixed| fixed.preferences.clone()).unwrap_or_default(),
            health: fixed.and_then(|fixed| fixed.health),
            alerts: self.alerts.clone(),
        };
        let airings = std::mem::take(&mut self.airings);
        let (key, orders) = (self.stream.key(), self.orders.clone());
        self.opened = Some(OpenedStream::new(&self.shared, key, spec, airings, orders));
    }

    /// Returns the stream in the settings, with its audio preferences and thresholds; `None` if the stream is not from
    /// the settings.
    fn fixed(&self) -> Option<FixedStream> {
        let is_fixed = self.stream.origin == ORIGIN_FIXED;
        let fixed = self.shared.fixed.borrow();
        fixed.iter().find(|fixed| is_fixed && fixed.id == self.stream.id).cloned()
    }

    /// Returns the changes of the state, without events.
    async fn changes(&mut self, status: StreamStatus) -> SessionBatch {
        self.confirm_health(&status).await;
        self.update_epoch(&status);
        self.update_clock_anchor(&status);
        let Some(state) = row_state(&status.state) else { return SessionBatch::default() };
        let report = self.changed_report(state, status.reason);
        SessionBatch { seconds: status.position, report, ..SessionBatch::default() }
    }

    /// Handles the end of the source, which was opened for the time `age`: the session ends, or the stream is opened
    /// again.
    async fn closed(&mut self, last: StreamStatus, age: Duration) -> SessionBatch {
        self.opened = None;
        let has_changes = self.update_epoch(&last) | self.update_clock_anchor(&last);
        let order = *self.orders.borrow();
        if order != TaskOrder::Follow {
            self.has_ended = true;
            let is_written = order == TaskOrder::HandOver && has_changes;
            // Audio can be decoded before the state was written for the first time.
            if self.stream.state == RowState::Starting && last.has_audio() {
                self.stream.state = RowState::Live;
            }
            let (state, reason) = (self.stream.state, self.stream.reason.clone());
            let report = is_written.then(|| self.report_of(state, reason));
            return SessionBatch { report, ..SessionBatch::default() };
        }
        if age > BACKOFF_RESET_AFTER {
            self.backoff.reset();
        }
        let (end, url) = (last.state, self.stream.url.clone());
        let action = self.action_after(&end).await;
        self.has_ended = !matches!(action, Some(EndAction::Reopen));
        let report = match action {
            // An order ends the task.
            None => None,
            Some(EndAction::End(reason)) => {
                Some(self.report_of(reason.state(), Some(reason.text().into_owned())))
            }
            Some(EndAction::Reopen) => {
                self.pause = self.backoff.next();
                let is_at_end = end == StreamPhase::Ended(StreamEnd::EndList);
                self.start =
                    if is_at_end && self.stream.url == url { Start::AfterEnd } else { Start::CatchUp };
                tracing::info!(stream = self.stream.id, end = %end, pause_seconds = self.pause.as_secs_f64(), "stream ended, opening it again");
                let is_failure = !matches!(end, StreamPhase::Ended(_));
                let state = if is_failure { RowState::Retrying } else { RowState::Stalled };
                self.changed_report(state, Some(end.to_string()))
            }
        };
        SessionBatch { report, ..SessionBatch::default() }
    }

    /// Returns the action after the source has ended; `None` if an order ends the task.
    async fn action_after(&mut self, end: &StreamPhase) -> Option<EndAction> {
        if matches!(end, StreamPhase::DecoderDied(_)) {
            let is_quarantined = self.is_quarantined().await;
            let quarantined = || EndAction::End(EndReason::quarantined(end));
            return Some(if is_quarantined { quarantined() } else { EndAction::Reopen });
        }
        tokio::select! {
            biased;
            () = end_ordered(&mut self.orders) => None,
            action = end_action(&self.shared, &mut self.stream, end) => Some(action),
        }
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

    /// Converts a detection to times since the first sample of the session: the stream time of each worker starts at 0.
    fn in_session(&mut self, mut detection: Detection) -> Detection {
        detection.set_origin(*self.epoch.get_or_insert(detection.origin));
        detection
    }
}
