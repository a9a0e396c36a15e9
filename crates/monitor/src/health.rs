//! Health of the audio of one stream: its snapshot, its open alerts, and the queue of alerts for the consumer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, SecondsFormat};
use refrain_core::audio::SAMPLE_RATE;
use refrain_core::audio::health::{
    AlertEvent, AlertKind, AlertReading, HealthAnalyzer, HealthSnapshot, HealthThresholds,
};
use refrain_stream::{HealthBlock, StreamClock};
use serde::{Deserialize, Serialize};

use super::lock::lock;

/// Maximum number of alerts of a stream that wait for their consumer, 1 MB. When it is full, the oldest one is dropped
/// and counted. A consumer takes them every second, in which a recording gives at most some hundred. At half this
/// value, a recording that is decoded much faster than it plays can lose alerts; at twice this value, a stream without
/// consumer takes 2 MB.
const MAX_QUEUED_ALERTS: usize = 4_096;

/// Length of a measured block in seconds.
const BLOCK_SECONDS: f64 = 0.1;

/// Maximum duration of audio, in seconds, that is skipped because its alerts were reported. Playlists list less than an
/// hour of audio as a rule. Without a limit, dates that jump back by a year would turn off the alerts for a year. At
/// half this value, alerts of a long playlist can be reported twice after a take-over; at twice this value, dates that
/// jump back turn off the alerts for two hours.
const MAX_SKIPPED_SECONDS: f64 = 3_600.0;

/// An alert of a stream: its start or its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthAlert {
    /// Kind of the alert.
    pub kind: AlertKind,
    /// True for the start, and false for the end.
    pub is_start: bool,
    /// Time of the first audio with the fault, seconds since 1970; the same for the start and the end of an alert.
    pub since: f64,
    /// Time of the audio at which the alert started or ended, seconds since 1970.
    pub at: f64,
    /// Value, threshold and reason.
    pub reading: AlertReading,
}

/// An open alert of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveAlert {
    /// Kind of the alert.
    pub kind: AlertKind,
    /// Time of the first audio with the fault, seconds since 1970.
    pub since: f64,
    /// Value, threshold and reason at the start.
    pub reading: AlertReading,
}

/// The alerts of a stream that were reported, from which another worker continues.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportedAlerts {
    /// Time of the audio at the last start or end of an alert, seconds since 1970; `None` if there was none. Alerts in
    /// earlier audio were reported.
    pub until: Option<f64>,
    /// Open alerts, in the order in which they started.
    pub open: Vec<ActiveAlert>,
}

impl ReportedAlerts {
    /// Applies the start or the end of an alert.
    pub fn apply(&mut self, alert: &HealthAlert) {
        self.until = Some(alert.at);
        self.open.retain(|open| open.kind != alert.kind);
        if alert.is_start {
            let HealthAlert { kind, since, reading, .. } = alert.clone();
            self.open.push(ActiveAlert { kind, since, reading });
        }
    }
}

impl HealthAlert {
    /// Returns the type of the event: `alert.start` or `alert.end`.
    #[must_use]
    pub fn event(&self) -> &'static str {
        if self.is_start { "alert.start" } else { "alert.end" }
    }

    /// Returns the event as JSON, for the stream with the name `stream`:
    ///
    /// ```json
    /// {"event": "alert.start", "stream": "st-1", "kind": "silence", "since": "2026-11-21T10:57:55.200Z",
    ///  "at": "2026-11-21T10:58:05.200Z", "value": -120.0, "threshold": -60.0, "unit": "dBFS", "reason": "no audio …"}
    /// ```
    #[must_use]
    pub fn to_json(&self, stream: &str) -> String {
        let message = AlertMessage {
            event: self.event(),
            stream,
            kind: self.kind,
            since: rfc3339(self.since),
            at: rfc3339(self.at),
            value: rounded(self.reading.value),
            threshold: self.reading.threshold,
            unit: self.kind.unit(),
            reason: &self.reading.reason,
        };
        // Strings and finite numbers can always be serialized.
        serde_json::to_string(&message).unwrap_or_default()
    }
}

/// An event of an alert, as it is delivered.
#[derive(Serialize)]
struct AlertMessage<'a> {
    event: &'a str,
    stream: &'a str,
    kind: AlertKind,
    since: String,
    at: String,
    value: f64,
    threshold: f64,
    unit: &'a str,
    reason: &'a str,
}

/// Rounds a value to a thousandth, so that messages contain no digits without meaning.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Formats seconds since 1970 as a time of RFC 3339 in UTC with milliseconds. Times out of range become 1970.
#[must_use]
pub fn rfc3339(epoch: f64) -> String {
    let time = DateTime::from_timestamp_millis((epoch * 1_000.0).round() as i64).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Health of the audio of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamHealth {
    /// Loudness and other measures.
    pub snapshot: HealthSnapshot,
    /// Open alerts, in the order in which they started.
    pub alerts: Vec<ActiveAlert>,
}

/// Alerts of a stream on their way to the consumer. Clones share one queue.
#[derive(Debug, Clone, Default)]
pub struct AlertQueue(Arc<Mutex<QueuedAlerts>>);

#[derive(Debug, Default)]
struct QueuedAlerts {
    alerts: VecDeque<HealthAlert>,
    dropped: u64,
}

impl AlertQueue {
    /// Returns the alerts since the last call, in their order.
    #[must_use]
    pub fn take(&self) -> Vec<HealthAlert> {
        lock(&self.0).alerts.drain(..).collect()
    }

    /// Returns the number of alerts that were dropped because the consumer did not take them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        lock(&self.0).dropped
    }

    fn push(&self, alert: HealthAlert) {
        let mut queue = lock(&self.0);
        if queue.alerts.len() >= MAX_QUEUED_ALERTS {
            queue.alerts.pop_front();
            queue.dropped += 1;
        }
        queue.alerts.push_back(alert);
    }
}

/// Analyzes the measured blocks of one stream.
pub(super) struct HealthMonitor {
    analyzer: HealthAnalyzer,
    reported: ReportedAlerts,
    /// Time up to which an earlier worker reported the alerts, seconds since 1970; `None` after this time was reached.
    skipped_until: Option<f64>,
    /// Seconds of audio that were skipped.
    skipped: f64,
    queue: AlertQueue,
    /// Working memory.
    pub(super) blocks: Vec<HealthBlock>,
    events: Vec<AlertEvent>,
}

impl HealthMonitor {
    /// Creates a monitor that continues after the alerts that an earlier worker reported. Its alerts are added to
    /// `queue`.
    pub(super) fn new(thresholds: HealthThresholds, reported: ReportedAlerts, queue: AlertQueue) -> Self {
        let open = reported.open.iter().map(|alert| (alert.kind, alert.reading.clone()));
        let analyzer = HealthAnalyzer::new(thresholds).with_open_alerts(open);
        let (skipped_until, skipped) = (reported.until, 0.0);
        Self { analyzer, reported, skipped_until, skipped, queue, blocks: Vec::new(), events: Vec::new() }
    }

    /// Analyzes the blocks that were received.
    pub(super) fn analyze(&mut self, clock: &StreamClock) {
        let mut blocks = std::mem::take(&mut self.blocks);
        for block in blocks.drain(..) {
            if !self.was_reported(&block, clock) {
                self.analyzer.push(&block, &mut self.events);
            }
        }
        // The vector is put back to keep its memory.
        self.blocks = blocks;
        self.report(clock);
    }

    /// Returns true if an earlier worker reported the alerts in a block. A worker that continues a stream decodes its
    /// last segments again.
    fn was_reported(&mut self, block: &HealthBlock, clock: &StreamClock) -> bool {
        let Some(until) = self.skipped_until else { return false };
        let time = clock.epoch(block.position as f64 / f64::from(SAMPLE_RATE));
        let was_reported = time.is_some_and(|time| time <= until) && self.skipped < MAX_SKIPPED_SECONDS;
        if was_reported {
            self.skipped += BLOCK_SECONDS;
        } else {
            self.skipped_until = None;
        }
        was_reported
    }

    /// Ends all alerts, because the stream has ended.
    pub(super) fn finish(&mut self, clock: &StreamClock) {
        self.analyze(clock);
        self.analyzer.finish(&mut self.events);
        self.report(clock);
    }

    /// Returns the current health.
    pub(super) fn health(&self) -> StreamHealth {
        StreamHealth { snapshot: self.analyzer.snapshot().clone(), alerts: self.reported.open.clone() }
    }

    fn report(&mut self, clock: &StreamClock) {
        let time = |position: u64| clock.epoch(position as f64 / f64::from(SAMPLE_RATE)).unwrap_or_default();
        for AlertEvent { kind, is_start, since, at, reading } in self.events.drain(..) {
            let at = time(at);
            // The start is kept as a time, so that a later correction of the clock does not change it.
            let open = self.reported.open.iter().find(|alert| alert.kind == kind && !is_start);
            let since = open.map_or_else(|| since.map_or(at, time), |alert| alert.since);
            let alert = HealthAlert { kind, is_start, since, at, reading };
            self.reported.apply(&alert);
            self.queue.push(alert);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(kind: AlertKind, is_start: bool) -> HealthAlert {
        let reading = AlertReading { value: -91.234_56, threshold: -60.0, reason: "no audio".to_owned() };
        HealthAlert { kind, is_start, since: 1_700_000_000.25, at: 1_700_000_010.25, reading }
    }

    #[test]
    fn alert_is_serialized_with_its_times_and_unit() {
        assert_eq!(
            alert(AlertKind::Silence, true).to_json("st-1"),
            r#"{"event":"alert.start","stream":"st-1","kind":"silence","since":"2023-11-14T22:13:20.250Z","#
                .to_owned()
                + r#""at":"2023-11-14T22:13:30.250Z","value":-91.235,"threshold":-60.0,"unit":"dBFS","reason":"no audio"}"#
        );
    }

    #[test]
    fn open_alerts_follow_starts_and_ends() {
        let mut reported = ReportedAlerts::default();
        for (kind, is_start) in
            [(AlertKind::Silence, true), (AlertKind::Quiet, true), (AlertKind::Silence, false)]
        {
            reported.apply(&alert(kind, is_start));
        }
        assert_eq!(reported.open.iter().map(|alert| alert.kind).collect::<Vec<_>>(), [AlertKind::Quiet]);
        assert_eq!(reported.until, Some(1_700_000_010.25));
    }

    #[test]
    fn full_queue_drops_the_oldest_alert() {
        let queue = AlertQueue::default();
        for n in 0..=MAX_QUEUED_ALERTS {
            queue.push(HealthAlert { at: n as f64, ..alert(AlertKind::Silence, n % 2 == 0) });
        }
        assert_eq!(queue.dropped(), 1);
        assert_eq!(queue.take().first().map(|alert| alert.at), Some(1.0));
        assert!(queue.take().is_empty());
    }
}
