//! The embedded metric format of CloudWatch: log lines that CloudWatch converts to metrics.
//!
//! Specification: "Embedded metric format" in the Amazon CloudWatch user guide.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{MetricsSnapshot, dropped};
use crate::settings::EmfSettings;
use refrain_monitor::StreamStatus;

/// Maximum number of metrics per line: the limit of the specification. CloudWatch rejects a line with more.
const MAX_METRICS_PER_LINE: usize = 100;

/// Name, unit and value of a metric.
type Metric = (&'static str, &'static str, f64);

/// Converts snapshots of the metrics to log lines. For a value that only increases, a line contains the increase since
/// the previous snapshot.
#[derive(Debug)]
pub struct Emf {
    settings: EmfSettings,
    before: CounterValues,
    streams: HashMap<String, StreamSeconds>,
}

/// Values of counters in a snapshot. The next snapshot is compared with them.
#[derive(Debug, Default, Clone, Copy)]
struct CounterValues {
    matches: u64,
    stream_failures: u64,
    files: u64,
    file_failures: u64,
}

/// Values of a stream that only increase, in seconds.
#[derive(Debug, Default, Clone, Copy)]
struct StreamSeconds {
    silence: f64,
    dropped: f64,
}

impl Emf {
    /// Creates the converter with these settings.
    #[must_use]
    pub fn new(settings: EmfSettings) -> Self {
        Self { settings, before: CounterValues::default(), streams: HashMap::new() }
    }

    /// Returns the log lines of a snapshot; `now` is in milliseconds since 1970.
    pub fn lines(&mut self, metrics_snapshot: &MetricsSnapshot, now: i64) -> Vec<String> {
        let increase = self.increase(metrics_snapshot);
        let silence = increase.iter().fold(0.0, |sum, (_, stream_seconds)| sum + stream_seconds.silence);
        let late = increase.iter().fold(0.0, |sum, (_, stream_seconds)| sum + stream_seconds.dropped);
        let mut lines = vec![self.line(now, None, &self.process(metrics_snapshot, silence, late))];
        // The line above contains the increase since the old values, so they are replaced after it is made.
        self.count(metrics_snapshot);
        if self.settings.per_channel {
            for ((id, status), (_, stream_seconds)) in metrics_snapshot.streams.iter().zip(&increase) {
                lines.push(self.line(now, Some(id), &of_stream(status, *stream_seconds)));
            }
        }
        lines
    }

    fn process(&self, metrics_snapshot: &MetricsSnapshot, silence: f64, late: f64) -> Vec<Metric> {
        let (now, before) = (counts(metrics_snapshot), self.before);
        // The largest lag, because an alarm has to notice the one stream that is late.
        let lag = metrics_snapshot.streams.iter().filter_map(|(_, status)| status.lag()).fold(None, max_lag);
        let mut metrics = vec![
            ("Ready", "Count", f64::from(u8::from(metrics_snapshot.ready))),
            ("StreamsHeld", "Count", metrics_snapshot.streams.len() as f64),
            ("StreamUtilization", "Percent", metrics_snapshot.utilization()),
            ("StreamsWaiting", "Count", metrics_snapshot.counters.streams_waiting.get() as f64),
            ("Matches", "Count", increase(now.matches, before.matches)),
            ("StreamFailures", "Count", increase(now.stream_failures, before.stream_failures)),
            ("SilenceSeconds", "Seconds", silence),
            ("AudioDroppedSeconds", "Seconds", late),
            ("FilesDone", "Count", increase(now.files, before.files)),
            ("FileFailures", "Count", increase(now.file_failures, before.file_failures)),
        ];
        metrics.extend(lag.map(|lag| ("StreamLagSeconds", "Seconds", lag)));
        if let Some(outbox) = metrics_snapshot.outbox {
            metrics.extend([
                ("DeliveriesDue", "Count", outbox.due as f64),
                ("DeliveryAgeSeconds", "Seconds", outbox.oldest_seconds),
                ("DeliveriesDead", "Count", outbox.dead as f64),
            ]);
        }
        metrics
    }

    /// Returns the increase of each stream's values since the previous snapshot. If a stream has restarted, its values
    /// are themselves the increase.
    fn increase(&self, metrics_snapshot: &MetricsSnapshot) -> Vec<(String, StreamSeconds)> {
        // The values of a restarted stream start at zero again. A negative increase would be wrong in every sum.
        let since = |now: f64, before: f64| if now >= before { now - before } else { now };
        let of = |(id, status): &(String, StreamStatus)| {
            let before = self.streams.get(id).copied().unwrap_or_default();
            let now = stream_seconds(status);
            let increase = StreamSeconds {
                silence: since(now.silence, before.silence),
                dropped: since(now.dropped, before.dropped),
            };
            (id.clone(), increase)
        };
        metrics_snapshot.streams.iter().map(of).collect()
    }

    fn count(&mut self, metrics_snapshot: &MetricsSnapshot) {
        self.before = counts(metrics_snapshot);
        self.streams = metrics_snapshot
            .streams
            .iter()
            .map(|(id, status)| (id.clone(), stream_seconds(status)))
            .collect();
    }

    fn line(&self, now: i64, channel: Option<&str>, metrics: &[Metric]) -> String {
        let metrics = metrics.get(..MAX_METRICS_PER_LINE).unwrap_or(metrics);
        let mut dimensions = vec!["Service"];
        let mut line = Map::from_iter([("Service".to_owned(), json!(self.settings.service))]);
        if let Some(channel) = channel {
            dimensions.push("Channel");
            line.insert("Channel".to_owned(), json!(channel));
        }
        let named: Vec<Value> =
            metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let directive =
            json!({"Namespace": self.settings.namespace, "Dimensions": [dimensions], "Metrics": named});
        line.insert("_aws".to_owned(), json!({"Timestamp": now, "CloudWatchMetrics": [directive]}));
        line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
        Value::Object(line).to_string()
    }
}

fn of_stream(status: &StreamStatus, stream_seconds: StreamSeconds) -> Vec<Metric> {
    let mut metrics = vec![
        ("SilenceSeconds", "Seconds", stream_seconds.silence),
        ("AudioDroppedSeconds", "Seconds", stream_seconds.dropped),
        ("SongsPlaying", "Count", status.airings.len() as f64),
    ];
    metrics.extend(status.lag().map(|lag| ("StreamLagSeconds", "Seconds", lag)));
    metrics
}

fn stream_seconds(status: &StreamStatus) -> StreamSeconds {
    StreamSeconds { silence: status.decoder.silence_seconds, dropped: dropped(status) }
}

fn counts(metrics_snapshot: &MetricsSnapshot) -> CounterValues {
    let counters = &metrics_snapshot.counters;
    CounterValues {
        matches: counters.airings.get(),
        stream_failures: counters.streams_failed.get(),
        files: counters.files_checked.get() + counters.files_indexed.get(),
        file_failures: counters.files_failed.get(),
    }
}

fn increase(now: u64, before: u64) -> f64 {
    now.saturating_sub(before) as f64
}

fn max_lag(max_lag: Option<f64>, lag: f64) -> Option<f64> {
    Some(max_lag.map_or(lag, |max_lag| max_lag.max(lag)))
}
