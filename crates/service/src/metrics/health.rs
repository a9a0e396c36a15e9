//! Metrics of the health of the audio of each stream.

use std::fmt;

use refrain_monitor::{HealthSnapshot, StreamStatus};

use super::prometheus::{COUNTER, GAUGE, Writer};

/// Writes the metrics of all streams whose health is measured.
pub(super) fn encode(to: &mut Writer<'_, '_>, streams: &[(String, StreamStatus)]) -> fmt::Result {
    let of = |value: fn(&HealthSnapshot) -> Option<f64>| {
        move |status: &StreamStatus| status.health.as_ref().and_then(|health| value(&health.snapshot))
    };
    let momentary = of(|snapshot| snapshot.momentary_lufs);
    to.each("stream_momentary_lufs", "Loudness of the last 400 ms (EBU R 128)", GAUGE, streams, momentary)?;
    let integrated = of(|snapshot| snapshot.integrated_lufs);
    to.each("stream_integrated_lufs", "Loudness of all audio (EBU R 128)", GAUGE, streams, integrated)?;
    let peak = of(|snapshot| Some(snapshot.peak_dbfs));
    to.each("stream_peak_dbfs", "Highest sample of the last 3 s", GAUGE, streams, peak)?;
    let clipped = of(|snapshot| Some(snapshot.clipped_samples as f64));
    to.each("stream_clipped_samples", "Samples cut at full scale", COUNTER, streams, clipped)?;
    let changes = of(|snapshot| Some(snapshot.format_changes as f64));
    to.each(
        "stream_format_changes",
        "Changes of the sample rate or the number of channels",
        COUNTER,
        streams,
        changes,
    )?;
    to.each_alert(
        "stream_alert",
        "1 while an alert about the audio is open",
        GAUGE,
        streams,
        |health, kind| f64::from(u8::from(health.alerts.iter().any(|alert| alert.kind == kind))),
    )?;
    to.each_alert("stream_alerts", "Alerts about the audio that started", COUNTER, streams, |health, kind| {
        health.snapshot.alerts_started.get(kind as usize).copied().unwrap_or_default() as f64
    })
}
