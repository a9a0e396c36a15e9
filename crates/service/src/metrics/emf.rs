//! The embedded metric format of CloudWatch: log lines that CloudWatch converts to metrics.
//!
//! Specification: "Embedded metric format" in the Amazon CloudWatch user guide.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Reading, dropped};
use crate::settings::EmfSettings;
use refrain_monitor::StreamStatus;

/// Maximum number of metrics per line.
const MOST: usize = 100;

/// Name, unit and value of a metric.
type Metric = (&'static str, &'static str, f64);

/// Converts readings to lines. For a value that only increases, a line contains the increase since the previous line.
#[derive(Debug)]
pub struct Emf {
    settings: EmfSettings,
    before: Counts,
    streams: HashMap<String, Heard>,
}

/// Counters at the time of a reading.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    matches: u64,
    stream_failures: u64,
    files: u64,
    file_failures: u64,
}

/// Values of a stream that only increase, in seconds.
#[derive(Debug, Default, Clone, Copy)]
struct Heard {
    silence: f64,
    dropped: f64,
}

impl Emf {
    /// Creates the converter with these settings.
    #[must_use]
    pub fn new(settings: EmfSettings) -> Self {
        Self { settings, before: Counts::default(), streams: HashMap::new() }
    }

    /// Returns the lines of a reading; `now` is in milliseconds since 1970.
    pub fn lines(&mut self, reading: &Reading, now: i64) -> Vec<String> {
        let grown = self.grown(reading);
        let silence = grown.iter().fold(0.0, |sum, (_, heard)| sum + heard.silence);
        let late = grown.iter().fold(0.0, |sum, (_, heard)| sum + heard.dropped);
        let mut lines = vec![self.line(now, None, &self.process(reading, silence, late))];
        self.count(reading);
        if self.settings.per_channel {
            for ((id, status), (_, heard)) in reading.streams.iter().zip(&grown) {
                lines.push(self.line(now, Some(id), &of_stream(status, *heard)));
            }
        }
        lines
    }

    fn process(&self, reading: &Reading, silence: f64, late: f64) -> Vec<Metric> {
        let (now, before) = (counts(reading), self.before);
        let lag = reading.streams.iter().filter_map(|(_, status)| status.lag()).fold(None, longest);
        let mut metrics = vec![
            ("Ready", "Count", f64::from(u8::from(reading.ready))),
            ("StreamsHeld", "Count", reading.streams.len() as f64),
            ("StreamUtilization", "Percent", reading.utilization()),
            ("StreamsWaiting", "Count", reading.measures.streams_waiting.get() as f64),
            ("Matches", "Count", grown(now.matches, before.matches)),
            ("StreamFailures", "Count", grown(now.stream_failures, before.stream_failures)),
            ("SilenceSeconds", "Seconds", silence),
            ("AudioDroppedSeconds", "Seconds", late),
            ("FilesDone", "Count", grown(now.files, before.files)),
            ("FileFailures", "Count", grown(now.file_failures, before.file_failures)),
        ];
        metrics.extend(lag.map(|lag| ("StreamLagSeconds", "Seconds", lag)));
        if let Some(outbox) = reading.outbox {
            metrics.extend([
                ("DeliveriesDue", "Count", outbox.due as f64),
                ("DeliveryAgeSeconds", "Seconds", outbox.oldest_seconds),
                ("DeliveriesDead", "Count", outbox.dead as f64),
            ]);
        }
        metrics
    }

    /// Returns the increase of each stream's values since the previous reading. For a restarted stream this is its value.
    fn grown(&self, reading: &Reading) -> Vec<(String, Heard)> {
        let since = |now: f64, before: f64| if now >= before { now - before } else { now };
        let of = |(id, status): &(String, StreamStatus)| {
            let before = self.streams.get(id).copied().unwrap_or_default();
            let now = heard(status);
            let grown = Heard {
                silence: since(now.silence, before.silence),
                dropped: since(now.dropped, before.dropped),
            };
            (id.clone(), grown)
        };
        reading.streams.iter().map(of).collect()
    }

    fn count(&mut self, reading: &Reading) {
        self.before = counts(reading);
        self.streams = reading.streams.iter().map(|(id, status)| (id.clone(), heard(status))).collect();
    }

    fn line(&self, now: i64, channel: Option<&str>, metrics: &[Metric]) -> String {
        let metrics = metrics.get(..MOST).unwrap_or(metrics);
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

fn of_stream(status: &StreamStatus, heard: Heard) -> Vec<Metric> {
    let mut metrics = vec![
        ("SilenceSeconds", "Seconds", heard.silence),
        ("AudioDroppedSeconds", "Seconds", heard.dropped),
        ("SongsPlaying", "Count", status.airings.len() as f64),
    ];
    metrics.extend(status.lag().map(|lag| ("StreamLagSeconds", "Seconds", lag)));
    metrics
}

fn heard(status: &StreamStatus) -> Heard {
    Heard { silence: status.ear.silence_seconds, dropped: dropped(status) }
}

fn counts(reading: &Reading) -> Counts {
    let measures = &reading.measures;
    Counts {
        matches: measures.airings.get(),
        stream_failures: measures.streams_failed.get(),
        files: measures.files_checked.get() + measures.files_indexed.get(),
        file_failures: measures.files_failed.get(),
    }
}

fn grown(now: u64, before: u64) -> f64 {
    now.saturating_sub(before) as f64
}

fn longest(longest: Option<f64>, lag: f64) -> Option<f64> {
    Some(longest.map_or(lag, |longest| longest.max(lag)))
}
