//! Creates the recorder of a session of segments, and converts detections to the times of the session.

use std::sync::Arc;

use refrain_catalog::{CatalogError, Detection, DetectionSource, Stream};

use super::Archive;
use super::progress::ArchiveProgress;
use crate::sessions::{EarlierRecords, RecordedSession, Recorder, RecorderContext};
use crate::settings::DetectionOrigin;

/// Creates the recorder of a session that was processed up to `progress`; `None`: not processed yet. Also returns the
/// airings that continue, with times relative to that position.
pub(super) async fn new_recorder(
    archive: &Archive,
    row: &Stream,
    name: &str,
    progress: Option<&ArchiveProgress>,
) -> Result<(Recorder, Vec<Detection>), CatalogError> {
    // Detections are stored together with the position, so a session without a position has none.
    let open = match progress {
        Some(_) => {
            let detected_in = DetectionSource::Stream(row.id.clone());
            archive.shared.journal().open_detections(&detected_in).await?
        }
        None => Vec::new(),
    };
    let numbers: Vec<_> = open.iter().map(|open| open.detection.detected.track).collect();
    let catalog = &archive.shared.catalog;
    let tracks = if open.is_empty() { Vec::new() } else { catalog.by_numbers(&numbers).await? };
    let base = progress.map_or(0.0, |progress| progress.seconds);
    let airings = open.iter().map(|open| from_position(&open.detection, base)).collect();
    let context = RecorderContext {
        catalog: Arc::clone(catalog),
        planner: archive.shared.planner.clone(),
        counters: Arc::clone(&archive.shared.counters),
        clock: Arc::clone(&archive.shared.clock),
        events: archive.events.clone(),
        owner: archive.owner().to_owned(),
    };
    let session = RecordedSession {
        key: row.key(),
        name: name.to_owned(),
        detected_in: row.id.clone(),
        channel: None,
        origin: DetectionOrigin::Archive,
    };
    let earlier = EarlierRecords { open: &open, tracks: &tracks, begins: progress.is_none(), reported: None };
    Ok((Recorder::new(context, session, earlier), airings))
}

/// Converts a detection to times of the session. The decoder of the detection began `base` seconds after the start of
/// the session. `epoch` is the time of the session's first sample in seconds since 1970.
pub(super) fn in_session(mut detection: Detection, base: f64, epoch: f64) -> Detection {
    // The clock of the decoder starts at 0, because segments are decoded long after they were sent.
    detection.origin += base + epoch;
    detection.set_origin(epoch);
    detection.clock_offset = None;
    detection
}

/// Converts an open detection of the session to times of a decoder whose first sample is `base` seconds after the start
/// of the session: the start of the session becomes the decoder's time `-base`. Reverses the conversion of times by
/// [`in_session`].
fn from_position(detection: &Detection, base: f64) -> Detection {
    Detection { origin: -base, ..detection.clone() }
}
