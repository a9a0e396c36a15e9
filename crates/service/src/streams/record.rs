//! Creates the recorder of a session of a live stream.

use std::sync::Arc;

use refrain_catalog::{StoredDetection, Stream};

use super::shared::{StreamsContext, channel_of, stream_asset_id, was_followed};
use super::takeover::EarlierDetections;
use crate::sessions::{
    EarlierRecords, RecordedSession, Recorder, RecorderContext, ReportedDetections, read_alerts,
};
use crate::settings::DetectionOrigin;

/// Returns the time of a session's first sample, seconds since 1970, from its row or else from its detections; `None`
/// if it has neither.
pub(super) fn first_sample(stream: &Stream, opened: &EarlierDetections) -> Option<f64> {
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
    };
    let detections = |all: &[StoredDetection]| all.iter().map(|one| one.detection.clone()).collect();
    let reported = ReportedDetections::of(detections(&opened.finals), detections(&opened.detections));
    let earlier = EarlierRecords {
        open: &opened.detections,
        tracks: &opened.tracks,
        begins: !was_followed(stream) && opened.detections.is_empty(),
        reported: Some(reported),
    };
    let alerts = read_alerts(stream.alerts.as_deref());
    Recorder::new(context, session, earlier).with_alerts(alerts, shared.settings.alerts)
}
