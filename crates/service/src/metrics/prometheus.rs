//! The text that Prometheus reads (OpenMetrics 1.0).

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Reading, dropped};
use crate::monitor::StreamStatus;

/// What [`text`] is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Milliseconds in a second.
const MILLISECONDS: f64 = 1000.0;

/// All metrics of a reading.
///
/// # Errors
/// Only where no memory is left.
pub fn text(reading: &Reading) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("refrain");
    registry.register_collector(Box::new(reading.clone()));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Writer(&mut encoder);
        to.gauge("ready", "Whether the process is ready, as /readyz says", f64::from(u8::from(self.ready)))?;
        to.gauge(
            "index_tracks",
            "Tracks in the index that the process searches",
            self.measures.index_tracks.get() as f64,
        )?;
        self.encode_streams(&mut to)?;
        self.encode_counts(&mut to)?;
        if let Some(outbox) = self.outbox {
            to.gauge("outbox_waiting_messages", "Messages of the outbox that wait", outbox.due as f64)?;
            to.gauge("outbox_dead_messages", "Messages that were given up", outbox.dead as f64)?;
            to.gauge("outbox_oldest_seconds", "Age of the oldest that waits", outbox.oldest_seconds)?;
        }
        self.encode_each_stream(&mut to)
    }
}

impl Reading {
    fn encode_streams(&self, to: &mut Writer<'_, '_>) -> fmt::Result {
        let measures = &self.measures;
        to.gauge("streams", "Streams that this process follows", self.streams.len() as f64)?;
        to.gauge("streams_capacity", "Streams that it takes at most", f64::from(self.capacity))?;
        to.gauge("streams_utilization_ratio", "Share of these", self.utilization() / 100.0)?;
        let waiting = measures.streams_waiting.get() as f64;
        to.gauge("streams_waiting", "Streams of the whole service that nobody follows", waiting)?;
        to.counter("streams_taken_over", "Streams taken over", measures.streams_taken_over.get())?;
        to.counter("streams_failed", "Streams that failed for good", measures.streams_failed.get())?;
        to.counter("leases_lost", "Leases that were lost", measures.leases_lost.get())
    }

    fn encode_counts(&self, to: &mut Writer<'_, '_>) -> fmt::Result {
        let measures = &self.measures;
        to.counter("matches", "Airings that were found", measures.airings.get())?;
        to.counter("queue_messages_handled", "Messages of queues handled", measures.messages_handled.get())?;
        to.counter("queue_messages_buried", "Those put to the dead letters", measures.messages_buried.get())?;
        to.counter("queue_messages_failed", "Those that come again", measures.messages_failed.get())?;
        to.counter("files_checked", "Files and segments checked", measures.files_checked.get())?;
        to.counter("files_indexed", "Files learned", measures.files_indexed.get())?;
        to.counter("files_failed", "Files that could not be", measures.files_failed.get())?;
        let seconds = measures.file_milliseconds.get() as f64 / MILLISECONDS;
        to.counter("files_audio_seconds", "Sound in checked files", seconds)?;
        to.counter("deliveries", "Messages delivered", measures.delivered.get())?;
        to.counter("delivery_failures", "Deliveries that are tried again", measures.delivery_failures.get())?;
        to.counter("deliveries_dead", "Deliveries given up by this process", measures.deliveries_dead.get())
    }

    fn encode_each_stream(&self, to: &mut Writer<'_, '_>) -> fmt::Result {
        let streams = &self.streams;
        to.states(streams)?;
        to.each("stream_lag_seconds", "From the last sound heard to now", GAUGE, streams, StreamStatus::lag)?;
        to.each("stream_queued_seconds", "Sound that waits", GAUGE, streams, |s| Some(s.queued_seconds))?;
        to.each("stream_heard_seconds", "Stream time heard", COUNTER, streams, |s| Some(s.position))?;
        to.each("stream_audio_seconds", "Sound heard", COUNTER, streams, |s| Some(s.ear.seconds))?;
        let silence = |s: &StreamStatus| Some(s.ear.silence_seconds);
        to.each("stream_silence_seconds", "Sound below -60 dBFS", COUNTER, streams, silence)?;
        let missing = |s: &StreamStatus| Some(s.ear.gaps.total().seconds);
        to.each("stream_missing_seconds", "Sound that never came", COUNTER, streams, missing)?;
        let late = |s: &StreamStatus| Some(dropped(s));
        to.each("stream_dropped_seconds", "Sound left out for slowness", COUNTER, streams, late)?;
        let bytes = |s: &StreamStatus| Some(s.source.bytes as f64);
        to.each("stream_received_bytes", "Media received", COUNTER, streams, bytes)?;
        let errors = |s: &StreamStatus| Some(s.ear.decode_errors as f64);
        to.each("stream_decode_errors", "Frames that could not be decoded", COUNTER, streams, errors)?;
        let retries = |s: &StreamStatus| Some(s.source.retries as f64);
        to.each("stream_network_retries", "Requests that were repeated", COUNTER, streams, retries)?;
        let airings = |s: &StreamStatus| Some(s.airings.len() as f64);
        to.each("stream_songs", "Songs that play", GAUGE, streams, airings)
    }
}

const GAUGE: MetricType = MetricType::Gauge;
const COUNTER: MetricType = MetricType::Counter;

/// Writes metrics one after the other.
struct Writer<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Writer<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, GAUGE)?)
    }

    fn counter<N: EncodeCounterValue>(&mut self, name: &str, help: &str, value: N) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, COUNTER)?)
    }

    /// A value of each stream that has one.
    fn each(
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

    /// The state of each stream: 1 beside the one that it is in.
    fn states(&mut self, streams: &[(String, StreamStatus)]) -> fmt::Result {
        let mut metric = self.0.encode_descriptor("stream_state", "1 beside its state", None, GAUGE)?;
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
