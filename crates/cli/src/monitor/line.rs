//! Formats events and the status of a stream as text lines, for the status line and as log entries.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Local};
use refrain_catalog::{Detection, DetectionId, Track};
use refrain_monitor::{EventKind, HealthAlert, StreamStatus};
use refrain_stream::GapReason;

use crate::identify::song;
use crate::output::{OutputStyle, clean, clock, confidence};

/// The songs that are playing, by the id of their airing. The status line shows them.
#[derive(Debug, Default)]
pub(super) struct PlayingSongs(Mutex<BTreeMap<DetectionId, String>>);

impl PlayingSongs {
    /// Adds the song of a start or update event, or removes the song of a final event.
    pub(super) fn update(&self, detection: &Detection, track: &Track) {
        let mut playing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match detection.kind {
            // Songs are stored by airing, because one track can have two airings at the same time.
            EventKind::Final => playing.remove(&detection.id),
            EventKind::Start | EventKind::Update => playing.insert(detection.id, name(track)),
        };
    }

    /// Returns the text of the status line for the stream `id`.
    pub(super) fn text(&self, id: &str, status: &StreamStatus) -> String {
        let playing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let songs = match playing.values().map(String::as_str).collect::<Vec<_>>().join(" + ") {
            none if none.is_empty() => "no song detected".to_owned(),
            songs => songs,
        };
        let lag = status.lag().map(|lag| format!(", lag {lag:.1} s")).unwrap_or_default();
        let level = status.decoder.level.map(|level| format!(", {level:.0} dBFS")).unwrap_or_default();
        let (detected, seconds) = (clock(status.position), status.decoder.missing_seconds());
        let missing = if seconds > 0.0 { format!(", {seconds:.0} s missing") } else { String::new() };
        let reason = status.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        // Titles are untrusted and can contain control characters.
        clean(&format!("{id}: {}{reason}, {detected}{lag}{level}{missing} | {songs}", status.state.name()))
    }
}

fn name(track: &Track) -> String {
    match &track.metadata.artist {
        Some(artist) => format!("{} – {artist}", song(track)),
        None => song(track),
    }
}

/// Returns a line of text about an event, which is printed on standard output.
pub(crate) fn event(detection: &Detection, track: &Track, style: OutputStyle) -> String {
    let detected = &detection.detected;
    let what = match detection.kind {
        EventKind::Start => "starts",
        EventKind::Update => "plays ",
        EventKind::Final => "played",
    };
    let position = match detection.kind {
        EventKind::Final => {
            format!(
                "{} from {} on",
                clock(detected.query_end - detected.query_start),
                clock(detected.reference_start)
            )
        }
        _ => format!("at {}", clock(detected.reference_start)),
    };
    let confidence_text = confidence(detected.false_positive_probability);
    let song = style.bold(&clean(&name(track)));
    format!(
        "{}  {what}  {song}  {}",
        time_of_day(detection.epoch()),
        style.dim(&format!("{position}, {confidence_text}"))
    )
}

/// Returns a line of text about an alert, which is printed on standard output.
pub(super) fn alert(alert: &HealthAlert, style: OutputStyle) -> String {
    let what = if alert.is_start { "alert " } else { "normal" };
    let kind = style.bold(alert.kind.name());
    let detail = if alert.is_start {
        alert.reading.reason.clone()
    } else {
        format!("after {}", clock(alert.at - alert.since))
    };
    format!("{}  {what}  {kind}  {}", time_of_day(alert.at), style.dim(&detail))
}

/// Writes the start or the end of an alert of the stream `id` to the log.
pub(super) fn log_alert(id: &str, alert: &HealthAlert) {
    tracing::warn!(
        stream = id,
        event = alert.event(),
        kind = alert.kind.name(),
        since_epoch_seconds = alert.since,
        value = alert.reading.value,
        threshold = alert.reading.threshold,
        reason = alert.reading.reason,
        "alert about the audio of the stream"
    );
}

/// Formats seconds since 1970 as the local time of day, or as `?` if they are out of range.
fn time_of_day(epoch: f64) -> String {
    let time = DateTime::from_timestamp_millis((epoch * 1000.0).round() as i64);
    time.map_or_else(|| "?".to_owned(), |time| time.with_timezone(&Local).format("%H:%M:%S").to_string())
}

/// Writes an event of the stream `id` to the log.
pub(super) fn log_event(id: &str, detection: &Detection, track: &Track) {
    tracing::info!(
        stream = id,
        event = detection.kind.as_str(),
        airing = %detection.id,
        song = name(track),
        epoch_seconds = detection.epoch(),
        seconds = detection.detected.query_end - detection.detected.query_start,
        false_positive_probability = detection.detected.false_positive_probability,
        "event of a detected song"
    );
}

/// Writes the state and the counters of a stream to the log.
pub(super) fn log(id: &str, status: &StreamStatus) {
    let (decoder, source) = (&status.decoder, &status.source);
    let gaps = decoder.gaps.total();
    let dropped = decoder.gaps.of(GapReason::Dropped);
    tracing::info!(
        stream = id,
        state = %status.state,
        // The text of a final state contains its reason.
        reason = status.reason.as_ref().filter(|_| !status.state.is_end()),
        position_seconds = status.position,
        lag_seconds = status.lag(),
        level_dbfs = decoder.level,
        playing = status.airings.len(),
        segments = decoder.segments,
        unreadable_segments = decoder.unreadable_segments,
        bytes = source.bytes,
        retries = source.retries,
        gaps = gaps.count,
        gap_seconds = gaps.seconds,
        missing_seconds = decoder.missing_seconds(),
        dropped_seconds = dropped.seconds,
        decode_errors = decoder.decode_errors,
        silence_seconds = decoder.silence_seconds,
        index_errors = status.index_errors,
        "stream status"
    );
}
