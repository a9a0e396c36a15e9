//! Creates the recorder of a session of segments, and converts detections to the times of the session.

use std::sync::Arc;

use refrain_catalog::{CatalogError, Detection, DetectionSource, StoredDetection, Stream};

use super::Archive;
use super::order::ArchiveProgress;
use crate::clock::milliseconds;
use crate::sessions::{
    Dedup, EarlierRecords, RecordedSession, Recorder, RecorderContext, RedecodedDetections,
};
use crate::settings::DetectionOrigin;

/// Maximum length of a segment, in milliseconds: the audio of a session begins at most this time before its first
/// segment was written. If no position of a session is stored, its earlier detections are loaded from this time on.
const MAX_SEGMENT_MS: i64 = 3_600_000;

/// Maximum number of stored detections that are compared with those of a segment that is decoded again.
const MAX_COMPARED: u32 = 1_000;

/// Creates the recorder of a session that was processed up to `progress`; `None`: not processed yet. Also returns the
/// airings that continue, with times relative to that position.
pub(super) async fn new_recorder(
    archive: &Archive,
    row: &Stream,
    name: &str,
    progress: Option<&ArchiveProgress>,
) -> Result<(Recorder, Vec<Detection>), CatalogError> {
    let epoch = row.epoch.map(|epoch| epoch as f64 / 1000.0);
    let from = epoch.zip(progress).map(|(epoch, progress)| milliseconds(epoch + progress.seconds));
    let (open, redecoded) = earlier_detections(archive, &row.id, from, row.started_at).await?;
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
        epoch,
    };
    let earlier = EarlierRecords {
        open: &open,
        tracks: &tracks,
        begins: progress.is_none(),
        dedup: Dedup::Redecoded(RedecodedDetections::of(redecoded)),
    };
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

/// Returns the stored detections of a stream in two lists: those that began before `from` (milliseconds since 1970) and
/// may continue there, and those that began later. If `from` is `None`, the first list is empty.
async fn earlier_detections(
    archive: &Archive,
    id: &str,
    from: Option<i64>,
    started_at: i64,
) -> Result<(Vec<StoredDetection>, Vec<StoredDetection>), CatalogError> {
    let (journal, detected_in) = (archive.shared.journal(), DetectionSource::Stream(id.to_owned()));
    let since = from.unwrap_or(started_at - MAX_SEGMENT_MS);
    let mut all = journal.detections_between(&detected_in, since, i64::MAX, None, MAX_COMPARED).await?;
    for open in journal.open_detections(&detected_in).await? {
        if all.iter().all(|known| known.detection.id != open.detection.id) {
            all.push(open);
        }
    }
    Ok(all.into_iter().partition(|stored| from.is_some_and(|from| stored.detection.start_at() < from)))
}

/// Returns an open detection of the session for a decoder whose first sample is `base` seconds after the start of the
/// session. This is the inverse of [`in_session`].
fn from_position(detection: &Detection, base: f64) -> Detection {
    Detection { origin: -base, ..detection.clone() }
}
