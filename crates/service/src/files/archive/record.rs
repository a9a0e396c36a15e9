//! Stores the detections of a session together with the messages to be delivered.

use std::collections::HashMap;
use std::sync::Arc;

use refrain_catalog::{
    CatalogError, Detection, DetectionId, DetectionSource, LeaseHolder, NewOutboxMessage, RecordOutcome,
    Track, TrackId,
};
use refrain_core::matching::Match;

use super::Archive;
use super::order::ArchiveProgress;
use crate::delivery::{CurrentSong, DetectionEvent};
use crate::settings::DetectionOrigin;
use crate::streams::SongState;
use refrain_app::audio_file::song_name;
use refrain_app::response::Response;
use refrain_monitor::{EventKind, OpenAiring, Reporter, StreamEvent, response};

/// Seconds without a song after which it is reported that the stream begins without one.
const NO_SONG_AFTER_SECONDS: f64 = 10.0;

/// Two detections of one track whose starts differ by less than this are the same airing, in seconds.
const SAME_START_SECONDS: f64 = 3.0;

/// Maximum time between the start of a session without a stored position and the time when its first segment was written,
/// in milliseconds.
const MAX_SEGMENT_MS: i64 = 3_600_000;

/// Maximum number of stored detections that are compared with those of a segment that is decoded again.
const MAX_COMPARED: u32 = 1_000;

/// Stores the detections of one session of a stream.
pub(super) struct ArchiveRecorder {
    archive: Arc<Archive>,
    /// Id of the stream.
    id: String,
    /// Name of the stream.
    name: String,
    /// Time when the session began, in milliseconds since 1970. It distinguishes sessions.
    started_at: i64,
    /// Time of its first sample, in seconds since 1970.
    epoch: Option<f64>,
    reporter: Reporter,
    ongoing: HashMap<DetectionId, OngoingArchiveDetection>,
    songs: SongState,
    /// Earlier detections in audio that is decoded again.
    redecoded: Vec<Detection>,
    /// Airings that were detected again, with their original ids.
    original_ids: HashMap<DetectionId, DetectionId>,
}

#[derive(Debug, Clone, Copy)]
struct OngoingArchiveDetection {
    track: TrackId,
    first_seen: i64,
    last_seen: i64,
}

impl OngoingArchiveDetection {
    fn of(detection: &Detection) -> Self {
        let Detection { track_id: track, first_seen, last_seen, .. } = *detection;
        Self { track, first_seen, last_seen }
    }
}

impl ArchiveRecorder {
    /// Creates a recorder for a session that began at `started_at` and was processed up to `progress`. Also returns the airings
    /// that continue, with times relative to that position.
    pub(super) async fn new(
        archive: &Arc<Archive>,
        (id, name): (&str, &str),
        (started_at, epoch): (i64, Option<f64>),
        progress: Option<&ArchiveProgress>,
    ) -> Result<(Self, Vec<OpenAiring>), CatalogError> {
        let from = epoch.zip(progress).map(|(epoch, progress)| milliseconds(epoch + progress.seconds));
        let (open, redecoded) = earlier_detections(archive, id, from, started_at).await?;
        let numbers: Vec<_> = open.iter().map(|detection| detection.track).collect();
        let tracks =
            if open.is_empty() { Vec::new() } else { archive.shared.catalog.by_numbers(&numbers).await? };
        let playing = open.iter().filter_map(|detection| {
            let track = tracks.iter().find(|track| track.number == detection.track)?;
            Some((detection.id, song_name(track).to_owned(), detection.matched_peaks))
        });
        let songs =
            if progress.is_some() { SongState::resumed(playing.collect()) } else { SongState::default() };
        let base = progress.map_or(0.0, |progress| progress.seconds);
        let airings = open.iter().map(|detection| airing(detection, base)).collect();
        let this = Self {
            archive: Arc::clone(archive),
            id: id.to_owned(),
            name: name.to_owned(),
            started_at,
            epoch,
            reporter: Reporter::new(Arc::clone(&archive.shared.catalog)),
            ongoing: open
                .iter()
                .map(|detection| (detection.id, OngoingArchiveDetection::of(detection)))
                .collect(),
            songs,
            redecoded,
            original_ids: HashMap::new(),
        };
        Ok((this, airings))
    }

    /// Returns the time of the first sample of the session in milliseconds since 1970, if known.
    pub(super) fn epoch(&self) -> Option<i64> {
        self.epoch.map(milliseconds)
    }

    /// Sets the time of the first sample of the session, in seconds since 1970, unless it is known.
    pub(super) fn begins(&mut self, epoch: f64) {
        self.epoch.get_or_insert(epoch);
    }

    /// Stores an event whose times are relative to `base` seconds after the start of the session. Returns false and stores
    /// nothing if another process holds the lease.
    pub(super) async fn record(&mut self, event: StreamEvent, base: f64) -> Result<bool, CatalogError> {
        let event = self.in_session(event, base);
        let Some(track) = self.reporter.track(&event).await? else {
            tracing::warn!(stream = self.name, airing = %event.airing, "track was removed while it played");
            return Ok(true);
        };
        let ongoing = self.ongoing(&event, &track);
        let detection = self.detection(&event, ongoing);
        let songs = self.songs.clone().after(
            event.kind,
            event.airing,
            song_name(&track),
            event.detected.matched_peaks,
        );
        let (songs, deliveries) = self.plan_messages(&event, &track, songs);
        match self.store(&detection, &deliveries).await {
            Ok(RecordOutcome::LeaseLost) => return Ok(false),
            Ok(RecordOutcome::Stored | RecordOutcome::Outdated) => {}
            Err(error @ CatalogError::Invalid { .. }) => {
                tracing::error!(stream = self.name, airing = %event.airing, %error, "detection cannot be stored, dropping it");
                return Ok(true);
            }
            Err(error) => return Err(error),
        }
        self.songs = songs;
        self.ongoing.insert(event.airing, ongoing);
        match event.kind {
            EventKind::Start => self.archive.shared.counters.airings.add(1),
            EventKind::Final => drop(self.ongoing.remove(&event.airing)),
            EventKind::Update => {}
        }
        Ok(true)
    }

    /// Stores a detection with its messages, unless another process holds the lease.
    async fn store(
        &self,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
    ) -> Result<RecordOutcome, CatalogError> {
        let (shared, owner) = (&self.archive.shared, self.archive.owner());
        let holder = LeaseHolder { stream: &self.id, started_at: self.started_at, owner };
        let now = shared.clock.now();
        let outcome = shared.journal().record_with_lease(holder, detection, deliveries, now).await?;
        if outcome == RecordOutcome::Stored && !deliveries.is_empty() {
            shared.planner.wake_dispatcher();
        }
        Ok(outcome)
    }

    /// Reports that the stream begins without a song, once [`NO_SONG_AFTER_SECONDS`] seconds were processed.
    pub(super) async fn record_progress(&mut self, seconds: f64) -> Result<(), CatalogError> {
        if seconds < NO_SONG_AFTER_SECONDS || !self.songs.is_unreported() {
            return Ok(());
        }
        let nothing = to_json(&Response::new(&self.name, Vec::new()));
        let song = CurrentSong { song: None, score: 0, begins: true };
        let detection_event = DetectionEvent { song: Some(song), ..self.base_event("change", &nothing) };
        let deliveries = self.archive.shared.planner.deliveries(&detection_event);
        if !deliveries.is_empty() {
            self.archive.shared.journal().enqueue(&deliveries, self.archive.shared.clock.now()).await?;
            self.archive.shared.planner.wake_dispatcher();
        }
        self.songs.set_reported();
        Ok(())
    }

    /// Returns the event with times of the session, and with the original id of its airing.
    fn in_session(&mut self, mut event: StreamEvent, base: f64) -> StreamEvent {
        // `epoch` is relative to `base` for all events; `query_start` of a continued airing may not be.
        let shift = base + event.epoch - event.detected.query_start;
        event.detected.query_start += shift;
        event.detected.query_end += shift;
        event.known_at += shift;
        event.epoch = self.epoch.unwrap_or_default() + event.detected.query_start;
        event.clock_offset = None;
        if event.kind == EventKind::Start {
            let is_same_airing = |known: &Detection| {
                let apart = known.start_at as f64 / 1000.0 - event.epoch;
                known.track == event.detected.track && apart.abs() < SAME_START_SECONDS
            };
            if let Some(at) = self.redecoded.iter().position(is_same_airing) {
                let known = self.redecoded.swap_remove(at);
                self.ongoing.insert(known.id, OngoingArchiveDetection::of(&known));
                self.original_ids.insert(event.airing, known.id);
            }
        }
        event.airing = self.original_ids.get(&event.airing).copied().unwrap_or(event.airing);
        event
    }

    fn ongoing(&self, event: &StreamEvent, track: &Track) -> OngoingArchiveDetection {
        let now = self.archive.shared.clock.now();
        match self.ongoing.get(&event.airing) {
            // The clock of the previous process may have been ahead of ours.
            Some(known) => OngoingArchiveDetection { last_seen: now.max(known.last_seen + 1), ..*known },
            None => OngoingArchiveDetection { track: track.id, first_seen: now, last_seen: now },
        }
    }

    fn detection(&self, event: &StreamEvent, ongoing: OngoingArchiveDetection) -> Detection {
        let detected = &event.detected;
        let length = (detected.query_end - detected.query_start).max(0.0);
        let start_at = milliseconds(event.epoch);
        Detection {
            id: event.airing,
            detected_in: DetectionSource::Stream(self.id.clone()),
            track: detected.track,
            track_id: ongoing.track,
            query_start: detected.query_start,
            query_end: detected.query_start + length,
            start_at,
            end_at: start_at + milliseconds(length),
            reference_start: detected.reference_start,
            speed: detected.speed,
            pitch_cents: detected.pitch_cents,
            false_positive_probability: detected.false_positive_probability,
            matched_peaks: detected.matched_peaks,
            expected_peaks: detected.expected_peaks,
            first_seen: ongoing.first_seen,
            last_seen: ongoing.last_seen,
            is_final: event.kind == EventKind::Final,
            channel: None,
        }
    }

    /// Returns the songs after an event, and the messages to be delivered for it.
    fn plan_messages(
        &self,
        event: &StreamEvent,
        track: &Track,
        mut songs: SongState,
    ) -> (SongState, Vec<NewOutboxMessage>) {
        let wanted = self.archive.events.contains(&event.kind);
        let song = songs.change();
        if !wanted && song.is_none() {
            return (songs, Vec::new());
        }
        let json = to_json(&response(event, &self.name, track));
        let is_update = event.kind == EventKind::Update || !wanted;
        let number =
            if is_update { u64::try_from(milliseconds(event.known_at)).unwrap_or_default() } else { 0 };
        let kind = if wanted { event.kind.as_str() } else { "change" };
        let detection_event =
            DetectionEvent { detection: Some(event.airing), number, song, ..self.base_event(kind, &json) };
        let deliveries = self.archive.shared.planner.deliveries(&detection_event);
        songs.set_reported();
        (songs, deliveries)
    }

    fn base_event<'a>(&'a self, event: &'a str, response: &'a str) -> DetectionEvent<'a> {
        DetectionEvent {
            from: DetectionOrigin::Archive,
            stream_id: &self.name,
            channel: None,
            detection: None,
            event,
            number: u64::try_from(self.started_at).unwrap_or_default(),
            at: self.archive.shared.clock.local(),
            response,
            song: None,
        }
    }
}

/// Returns the earlier detections: those that began before `from` and may continue there, and those that began later.
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

/// Converts a detection to an airing that continues at `base`. The number of aligned landmarks is not stored.
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

/// Serializes a response. This cannot fail, because a response consists of numbers and strings.
fn to_json(response: &Response<'_>) -> String {
    serde_json::to_string(response).unwrap_or_default()
}

/// Converts seconds to milliseconds.
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64 // `as` saturates, and makes 0 of NaN
}
