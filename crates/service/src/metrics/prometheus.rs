//! Metrics in the text format of Prometheus (OpenMetrics 1.0).

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{MetricsSnapshot, dropped, health};
use refrain_catalog::StreamState;
use refrain_monitor::{AlertKind, StreamHealth, StreamStatus};

/// Media type of the result of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Milliseconds in a second.
const MILLISECONDS: f64 = 1000.0;

/// Returns all metrics of a snapshot.
///
/// # Errors
/// Only if memory allocation fails.
pub fn text(metrics_snapshot: &MetricsSnapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("refrain");
    // Each request has its own registry: the metrics of a stream must disappear with the stream, but a permanent
    // registry would keep their labels.
    registry.register_collector(Box::new(metrics_snapshot.clone()));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for MetricsSnapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Writer(&mut encoder);
        to.gauge("ready", "1 if the process is ready, see /readyz", f64::from(u8::from(self.ready)))?;
        to.gauge(
            "index_tracks",
            "Tracks in the index that the process searches",
            self.counters.index_tracks.get() as f64,
        )?;
        self.encode_streams(&mut to)?;
        self.encode_counts(&mut to)?;
        if let Some(outbox) = self.outbox {
            to.gauge("outbox_waiting_messages", "Outbox messages that wait for delivery", outbox.due as f64)?;
            to.gauge(
                "outbox_dead_messages",
                "Outbox messages whose delivery failed permanently",
                outbox.dead as f64,
            )?;
            to.gauge("outbox_oldest_seconds", "Age of the oldest waiting message", outbox.oldest_seconds)?;
        }
        self.encode_each_stream(&mut to)
    }
}

impl MetricsSnapshot {
    fn encode_streams(&self, to: &mut Writer<'_, '_>) -> fmt::Result {
        let counters = &self.counters;
        to.gauge("streams", "Streams that this process follows", self.streams.len() as f64)?;
        to.streams_by_state(&self.streams)?;
        to.gauge("streams_capacity", "Maximum number of streams of this process", f64::from(self.capacity))?;
        to.gauge(
            "streams_utilization_ratio",
            "Share of the capacity that is in use",
            self.utilization() / 100.0,
        )?;
        let waiting = counters.streams_waiting.get() as f64;
        to.gauge("streams_waiting", "Streams of the whole service that no process follows", waiting)?;
        to.counter(
            "streams_taken_over",
            "Streams taken over from another process",
            counters.streams_taken_over.get(),
        )?;
        to.counter("streams_failed", "Streams that failed permanently", counters.streams_failed.get())?;
        to.counter("leases_lost", "Stream leases that were lost", counters.leases_lost.get())
    }

    fn encode_counts(&self, to: &mut Writer<'_, '_>) -> fmt::Result {
        let counters = &self.counters;
        to.counter("matches", "Airings that were detected", counters.airings.get())?;
        to.counter("queue_messages_handled", "Queue messages handled", counters.messages_handled.get())?;
        to.counter(
            "queue_messages_buried",
            "Queue messages moved to the dead-letter queue",
            counters.messages_dead_lettered.get(),
        )?;
        to.counter(
            "queue_messages_failed",
            "Queue messages that failed and are retried",
            counters.messages_failed.get(),
        )?;
        to.counter("files_checked", "Files and segments checked", counters.files_checked.get())?;
        to.counter("files_indexed", "Files indexed", counters.files_indexed.get())?;
        to.counter(
            "files_failed",
            "Files whose check or indexing failed permanently",
            counters.files_failed.get(),
        )?;
        let seconds = counters.file_milliseconds.get() as f64 / MILLISECONDS;
        to.counter("files_audio_seconds", "Audio in checked files", seconds)?;
        to.counter("deliveries", "Outbox messages delivered", counters.delivered.get())?;
        to.counter(
            "delivery_failures",
            "Deliveries that failed and are retried",
            counters.delivery_failures.get(),
        )?;
        to.counter(
            "deliveries_dead",
            "Deliveries by this process that failed permanently",
            counters.deliveries_dead.get(),
        )
    }

    fn encode_each_stream(&self, to: &mut Writer<'_, '_>) -> fmt::Result {
        let streams = &self.streams;
        to.states(streams)?;
        let changes = |s: &StreamStatus| Some(s.state_changes as f64);
        to.each("stream_state_changes", "Changes of the state of the stream", COUNTER, streams, changes)?;
        to.each(
            "stream_lag_seconds",
            "Time from the last processed audio to now",
            GAUGE,
            streams,
            StreamStatus::lag,
        )?;
        to.each("stream_queued_seconds", "Audio that waits for processing", GAUGE, streams, |s| {
            Some(s.queued_seconds)
        })?;
        to.each("stream_heard_seconds", "Stream time processed, gaps included", COUNTER, streams, |s| {
            Some(s.position)
        })?;
        to.each("stream_audio_seconds", "Audio processed", COUNTER, streams, |s| Some(s.decoder.seconds))?;
        let silence = |s: &StreamStatus| Some(s.decoder.silence_seconds);
        to.each("stream_silence_seconds", "Audio below -60 dBFS", COUNTER, streams, silence)?;
        let missing = |s: &StreamStatus| Some(s.decoder.missing_seconds());
        to.each("stream_missing_seconds", "Audio missing from the source", COUNTER, streams, missing)?;
        let late = |s: &StreamStatus| Some(dropped(s));
        to.each(
            "stream_dropped_seconds",
            "Audio dropped because it was late or processing too slow",
            COUNTER,
            streams,
            late,
        )?;
        let bytes = |s: &StreamStatus| Some(s.source.bytes as f64);
        to.each("stream_received_bytes", "Media received", COUNTER, streams, bytes)?;
        let errors = |s: &StreamStatus| Some(s.decoder.decode_errors as f64);
        to.each("stream_decode_errors", "Frames that could not be decoded", COUNTER, streams, errors)?;
        let retries = |s: &StreamStatus| Some(s.source.retries as f64);
        to.each("stream_network_retries", "Requests that were repeated", COUNTER, streams, retries)?;
        let airings = |s: &StreamStatus| Some(s.airings.len() as f64);
        to.each("stream_songs", "Songs that are playing", GAUGE, streams, airings)?;
        health::encode(to, streams)
    }
}

pub(super) const GAUGE: MetricType = MetricType::Gauge;
pub(super) const COUNTER: MetricType = MetricType::Counter;

/// Writes metrics, one after the other.
pub(super) struct Writer<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Writer<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, GAUGE)?)
    }

    fn counter<N: EncodeCounterValue>(&mut self, name: &str, help: &str, value: N) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, COUNTER)?)
    }

    /// Writes a metric that has one value per stream. A stream without a value (`None`) is left out.
    pub(super) fn each(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        streams: &[(String, StreamStatus)],
        value: impl Fn(&StreamStatus) -> Option<f64>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        for (id, status) in streams {
            if let Some(value) = value(status) {
                write_as(kind, value, metric.encode_family(&[("stream", id.as_str())])?)?;
            }
        }
        Ok(())
    }

    /// Writes a metric that has one value per stream and kind of alert.
    pub(super) fn each_alert(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        streams: &[(String, StreamStatus)],
        value: impl Fn(&StreamHealth, AlertKind) -> f64,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        for (id, status) in streams {
            let Some(health) = &status.health else { continue };
            for alert in AlertKind::ALL {
                let labels = [("stream", id.as_str()), ("kind", alert.name())];
                write_as(kind, value(health, alert), metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    /// Writes the number of streams in each state.
    fn streams_by_state(&mut self, streams: &[(String, StreamStatus)]) -> fmt::Result {
        let help = "Streams that this process follows, by state";
        let mut metric = self.0.encode_descriptor("streams_by_state", help, None, GAUGE)?;
        for name in StreamState::ALL.map(StreamState::as_str) {
            let count = streams.iter().filter(|(_, status)| status.state.name() == name).count();
            ConstGauge::new(count as u64).encode(metric.encode_family(&[("state", name)])?)?;
        }
        Ok(())
    }

    /// Writes the state of each stream: a sample with the value 1 and the current state as a label.
    fn states(&mut self, streams: &[(String, StreamStatus)]) -> fmt::Result {
        let mut metric =
            self.0.encode_descriptor("stream_state", "1 for the current state of the stream", None, GAUGE)?;
        for (id, status) in streams {
            let labels = [("stream", id.as_str()), ("state", status.state.name())];
            ConstGauge::new(1u64).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn write_as(kind: MetricType, value: f64, to: MetricEncoder<'_>) -> fmt::Result {
    match kind {
        MetricType::Counter => ConstCounter::new(value).encode(to),
        _ => ConstGauge::new(value).encode(to),
    }
}
