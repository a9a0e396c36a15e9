//! Records the detections in a live stream, with retries. Decoding does not wait for the database: events are buffered.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Local};
use refrain_catalog::{Detection, StoredDetection, Stream};
use refrain_net::Backoff;
use tokio::time::sleep;

use super::shared::{StreamsContext, channel_of, stream_asset_id, was_followed};
use super::takeover::EarlierDetections;
use crate::sessions::{
    Dedup, EarlierRecords, RecordedSession, Recorder, RecorderContext, ReportedDetections,
};
use crate::settings::DetectionOrigin;

/// Minimum and maximum pause before a write to the database is repeated. Events are buffered during an outage, and are
/// written at most the maximum pause after its end. At half of it, an outage causes twice the log lines per stream.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Returns the time of a session's first sample, seconds since 1970, from its row or else from its detections; `None`
/// if it has neither.
fn first_sample(stream: &Stream, opened: &EarlierDetections) -> Option<f64> {
    let of_airing = |one: &StoredDetection| one.detection.origin;
    let known = || opened.detections.iter().chain(&opened.finals).next().map(of_airing);
    stream.epoch.map(|epoch| epoch as f64 / 1000.0).or_else(known)
}

/// Creates the recorder of a session with the airings that earlier workers found in it.
pub(super) fn new_recorder(
    shared: &Arc<StreamsContext>,
    stream: &Stream,
    opened: &EarlierDetections,
) -> Recorder {
    let context = RecorderContext {
        catalog: Arc::clone(&shared.catalog),
        planner: shared.planner.clone(),
        counters: Arc::clone(&shared.counters),
        clock: Arc::clone(&shared.clock),
        events: shared.settings.events.clone(),
        owner: shared.owner().to_owned(),
    };
    let session = RecordedSession {
        key: stream.key(),
        name: stream_asset_id(stream).to_owned(),
        detected_in: stream_asset_id(stream).to_owned(),
        channel: channel_of(stream).map(str::to_owned),
        origin: DetectionOrigin::Live,
        epoch: first_sample(stream, opened),
    };
    let detections = |all: &[StoredDetection]| all.iter().map(|one| one.detection.clone()).collect();
    let reported = ReportedDetections::of(detections(&opened.finals), detections(&opened.detections));
    let earlier = EarlierRecords {
        open: &opened.detections,
        tracks: &opened.tracks,
        begins: !was_followed(stream) && opened.detections.is_empty(),
        dedup: Dedup::Reported(reported),
    };
    Recorder::new(context, session, earlier)
}

/// Writes a detection that was decided at the time `at`, with retries until the database has stored it.
pub(super) async fn record(recorder: &mut Recorder, detection: Detection, at: DateTime<Local>) {
    let mut backoff = Backoff::new(PAUSES);
    let detection = in_session(recorder, detection);
    // After another worker has taken over the stream, the recorder stores nothing: that worker reports the same
    // airings.
    while let Err(error) = recorder.record(detection.clone(), at).await {
        tracing::warn!(stream = recorder.name(), airing = %detection.id, %error, "cannot write a detection, retrying");
        sleep(backoff.next()).await;
    }
}

/// Reports that the stream begins without a song, if its first `seconds` seconds contain none. After an error, the next
/// call tries again.
pub(super) async fn record_progress(recorder: &mut Recorder, seconds: f64) {
    if let Err(error) = recorder.record_progress(seconds).await {
        tracing::warn!(stream = recorder.name(), %error, "cannot write a message to the outbox, retrying");
    }
}

/// Converts a detection to times since the first sample of the session: the stream time of each worker starts at 0.
fn in_session(recorder: &mut Recorder, mut detection: Detection) -> Detection {
    let origin = recorder.epoch_or(detection.origin);
    detection.set_origin(origin);
    detection
}
