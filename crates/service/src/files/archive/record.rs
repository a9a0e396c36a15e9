//! Creates the recorder of a session of segments, and converts events to the times of the session.

use std::sync::Arc;

use refrain_catalog::{CatalogError, Detection, DetectionSource, Stream};
use refrain_core::matching::Match;

use super::Archive;
use super::order::ArchiveProgress;
use crate::clock::milliseconds;
use crate::sessions::{
    Dedup, EarlierRecords, RecordedSession, Recorder, RecorderContext, RedecodedDetections,
};
use crate::settings::DetectionOrigin;
use refrain_monitor::{OpenAiring, StreamEvent};

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
) -> Result<(Recorder, Vec<OpenAiring>), CatalogError> {
    let epoch = row.epoch.map(|epoch| epoch as f64 / 1000.0);
    let from = epoch.zip(progress).map(|(epoch, progress)| milliseconds(epoch + progress.seconds));
    let (open, redecoded) = earlier_detections(archive, &row.id, from, row.started_at).await?;
    let numbers: Vec<_> = open.iter().map(|detection| detection.track).collect();
    let catalog = &archive.shared.catalog;
    let tracks = if open.is_empty() { Vec::new() } else { catalog.by_numbers(&numbers).await? };
    let base = progress.map_or(0.0, |progress| progress.seconds);
    let airings = open.iter().map(|detection| airing(detection, base)).collect();
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

/// Converts the times of an event to times of the session. The decoder of the event began `base` seconds after the
/// start of the session. `epoch` is the time of the session's first sample in seconds since 1970.
pub(super) fn in_session(mut event: StreamEvent, base: f64, epoch: f64) -> StreamEvent {
    // The field `epoch` is relative to `base` in all events; `query_start` of a continued airing may not be.
    let shift = base + event.epoch - event.detected.query_start;
    event.detected.shift_query(shift);
    event.known_at += shift;
    event.epoch = epoch + event.detected.query_start;
    event.clock_offset = None;
    event
}

/// Returns the stored detections of a stream in two lists: those that began before `from` (milliseconds since 1970) and
/// may continue there, and those that began later. If `from` is `None`, the first list is empty.
async fn earlier_detections(
    archive: &Archive,
    id: &str,
    from: Option<i64>,
    started_at: i64,
) -> Result<(Vec<Detection>, Vec<Detection>), CatalogError> {
    let (journal, detected_in) = (archive.shared.journal(), DetectionSource::Stream(id.to_owned()));
    let since = from.unwrap_or(started_at - MAX_SEGMENT_MS);
    let mut all = journal.detections_between(&detected_in, since, i64::MAX, None, MAX_COMPARED).await?;
    for open in journal.open_detections(&detected_in).await? {
        if all.iter().all(|known| known.id != open.id) {
            all.push(open);
        }
    }
    Ok(all.into_iter().partition(|detection| from.is_some_and(|from| detection.start_at < from)))
}

/// Converts a detection to an airing whose times are relative to `base`, in seconds. The number of aligned landmarks is
/// 0, because it is not stored.
fn airing(detection: &Detection, base: f64) -> OpenAiring {
    let detected = Match {
        track: detection.track,
        query_start: detection.query_start - base,
        query_end: detection.query_end - base,
        reference_start: detection.reference_start,
        speed: detection.speed,
        pitch_cents: detection.pitch_cents,
        false_positive_probability: detection.false_positive_probability,
        aligned_landmarks: 0,
        expected_peaks: detection.expected_peaks,
        matched_peaks: detection.matched_peaks,
        segments: Vec::new(),
    };
    OpenAiring { id: detection.id, detected }
}
