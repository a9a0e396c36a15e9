//! Stores the detections of a session together with the messages to be delivered.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::Local;
use refrain_catalog::{CatalogError, Detection, DetectionId, HeardIn, NewDelivery, Track, TrackId};
use refrain_core::matching::Match;

use super::Archive;
use super::order::Progress;
use crate::delivery::{News, SongNow};
use crate::settings::From;
use crate::streams::Songs;
use refrain_app::audio_file::song_name;
use refrain_app::response::Response;
use refrain_monitor::{EventKind, OpenAiring, Reporter, StreamEvent, response};

/// Seconds without a song after which it is reported that the stream begins without one.
const BEGINNING: f64 = 10.0;

/// Two detections of one track whose starts differ by less than this are the same airing, in seconds.
const SAME_START: f64 = 3.0;

/// Maximum time between the start of a session without a stored position and the time when its first segment was written,
/// in milliseconds.
const LONGEST_SEGMENT: i64 = 3_600_000;

/// Maximum number of stored detections that are compared with those of a segment that is decoded again.
const PAGE: u32 = 1_000;

/// Stores the detections of one session of a stream.
pub(super) struct Recorder {
    archive: Arc<Archive>,
    /// Id of the stream.
    id: String,
    /// Name of the stream.
    name: String,
    /// Time when the session began, in milliseconds since 1970. It distinguishes sessions.
    began: i64,
    /// Time of its first sample, in seconds since 1970.
    epoch: Option<f64>,
    reporter: Reporter,
    kept: HashMap<DetectionId, Kept>,
    songs: Songs,
    /// Earlier detections in audio that is decoded again.
    redone: Vec<Detection>,
    /// Airings that were detected again, with their original ids.
    same: HashMap<DetectionId, DetectionId>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    track: TrackId,
    first_seen: i64,
    last_seen: i64,
}

impl Kept {
    fn of(detection: &Detection) -> Self {
        let Detection { track_id: track, first_seen, last_seen, .. } = *detection;
        Self { track, first_seen, last_seen }
    }
}

impl Recorder {
    /// Creates a recorder for a session that began at `began` and was processed up to `progress`. Also returns the airings
    /// that continue, with times relative to that position.
    pub(super) async fn new(
        archive: &Arc<Archive>,
        (id, name): (&str, &str),
        (began, epoch): (i64, Option<f64>),
        progress: Option<&Progress>,
    ) -> Result<(Self, Vec<OpenAiring>), CatalogError> {
        let from = epoch.zip(progress).map(|(epoch, progress)| milliseconds(epoch + progress.seconds));
        let (open, redone) = known(archive, id, from, began).await?;
        let numbers: Vec<_> = open.iter().map(|detection| detection.track).collect();
        let tracks =
            if open.is_empty() { Vec::new() } else { archive.shared.catalog.by_numbers(&numbers).await? };
        let playing = open.iter().filter_map(|detection| {
            let track = tracks.iter().find(|track| track.number == detection.track)?;
            Some((detection.id, song_name(track).to_owned(), detection.matched_peaks))
        });
        let songs = if progress.is_some() { Songs::continued(playing.collect()) } else { Songs::default() };
        let base = progress.map_or(0.0, |progress| progress.seconds);
        let airings = open.iter().map(|detection| airing(detection, base)).collect();
        let this = Self {
            archive: Arc::clone(archive),
            id: id.to_owned(),
            name: name.to_owned(),
            began,
            epoch,
            reporter: Reporter::new(Arc::clone(&archive.shared.catalog)),
            kept: open.iter().map(|detection| (detection.id, Kept::of(detection))).collect(),
            songs,
            redone,
            same: HashMap::new(),
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

    /// Stores an event whose times are relative to `base` seconds after the start of the session.
    pub(super) async fn record(&mut self, event: StreamEvent, base: f64) -> Result<(), CatalogError> {
        let event = self.in_session(event, base);
        let Some(track) = self.reporter.track(&event).await? else {
            tracing::warn!(stream = self.name, airing = %event.airing, "track was removed while it played");
            return Ok(());
        };
        let kept = self.kept(&event, &track);
        let detection = self.detection(&event, kept);
        let songs =
            self.songs.clone().after(event.kind, event.airing, song_name(&track), event.heard.matched_peaks);
        let (songs, deliveries) = self.news(&event, &track, songs);
        match self.archive.shared.journal().record(&detection, &deliveries, now()).await {
            Err(error @ CatalogError::Invalid { .. }) => {
                tracing::error!(stream = self.name, airing = %event.airing, %error, "cannot store detection");
            }
            done => drop(done?),
        }
        self.archive.shared.planner.recorded();
        self.songs = songs;
        self.kept.insert(event.airing, kept);
        match event.kind {
            EventKind::Start => self.archive.shared.measures.airings.add(1),
            EventKind::Final => drop(self.kept.remove(&event.airing)),
            EventKind::Update => {}
        }
        Ok(())
    }

    /// Reports that the stream begins without a song, once [`BEGINNING`] seconds were processed.
    pub(super) async fn heard(&mut self, seconds: f64) -> Result<(), CatalogError> {
        if seconds < BEGINNING || !self.songs.are_untold() {
            return Ok(());
        }
        let nothing = to_json(&Response::new(&self.name, Vec::new()));
        let song = SongNow { song: None, score: 0, begins: true };
        let news = News { song: Some(song), ..self.told("change", &nothing) };
        let deliveries = self.archive.shared.planner.deliveries(&news);
        if !deliveries.is_empty() {
            self.archive.shared.journal().enqueue(&deliveries, now()).await?;
            self.archive.shared.planner.recorded();
        }
        self.songs.told();
        Ok(())
    }

    /// Returns the event with times of the session, and with the original id of its airing.
    fn in_session(&mut self, mut event: StreamEvent, base: f64) -> StreamEvent {
        // `epoch` is relative to `base` for all events; `query_start` of a continued airing may not be.
        let shift = base + event.epoch - event.heard.query_start;
        event.heard.query_start += shift;
        event.heard.query_end += shift;
        event.known_at += shift;
        event.epoch = self.epoch.unwrap_or_default() + event.heard.query_start;
        event.clock_offset = None;
        if event.kind == EventKind::Start {
            let is_it = |known: &Detection| {
                let apart = known.start_at as f64 / 1000.0 - event.epoch;
                known.track == event.heard.track && apart.abs() < SAME_START
            };
            if let Some(at) = self.redone.iter().position(is_it) {
                let known = self.redone.swap_remove(at);
                self.kept.insert(known.id, Kept::of(&known));
                self.same.insert(event.airing, known.id);
            }
        }
        event.airing = self.same.get(&event.airing).copied().unwrap_or(event.airing);
        event
    }

    fn kept(&self, event: &StreamEvent, track: &Track) -> Kept {
        let now = now();
        match self.kept.get(&event.airing) {
            // The clock of the previous process may have been ahead of ours.
            Some(known) => Kept { last_seen: now.max(known.last_seen + 1), ..*known },
            None => Kept { track: track.id, first_seen: now, last_seen: now },
        }
    }

    fn detection(&self, event: &StreamEvent, kept: Kept) -> Detection {
        let heard = &event.heard;
        let length = (heard.query_end - heard.query_start).max(0.0);
        let start_at = milliseconds(event.epoch);
        Detection {
            id: event.airing,
            heard_in: HeardIn::Stream(self.id.clone()),
            track: heard.track,
            track_id: kept.track,
            query_start: heard.query_start,
            query_end: heard.query_start + length,
            start_at,
            end_at: start_at + milliseconds(length),
            reference_start: heard.reference_start,
            speed: heard.speed,
            pitch_cents: heard.pitch_cents,
            false_positive_probability: heard.false_positive_probability,
            matched_peaks: heard.matched_peaks,
            expected_peaks: heard.expected_peaks,
            first_seen: kept.first_seen,
            last_seen: kept.last_seen,
            is_final: event.kind == EventKind::Final,
            channel: None,
        }
    }

    /// Returns the songs after an event, and the messages to be delivered for it.
    fn news(&self, event: &StreamEvent, track: &Track, mut songs: Songs) -> (Songs, Vec<NewDelivery>) {
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
        let news = News { detection: Some(event.airing), number, song, ..self.told(kind, &json) };
        let deliveries = self.archive.shared.planner.deliveries(&news);
        songs.told();
        (songs, deliveries)
    }

    fn told<'a>(&'a self, event: &'a str, response: &'a str) -> News<'a> {
        News {
            from: From::Archive,
            stream_id: &self.name,
            channel: None,
            detection: None,
            event,
            number: u64::try_from(self.began).unwrap_or_default(),
            at: Local::now(),
            response,
            song: None,
        }
    }
}

/// Returns the earlier detections: those that began before `from` and may continue there, and those that began later.
async fn known(
    archive: &Archive,
    id: &str,
    from: Option<i64>,
    began: i64,
) -> Result<(Vec<Detection>, Vec<Detection>), CatalogError> {
    let (journal, heard_in) = (archive.shared.journal(), HeardIn::Stream(id.to_owned()));
    let since = from.unwrap_or(began - LONGEST_SEGMENT);
    let mut all = journal.detections_of(&heard_in, since, i64::MAX, None, PAGE).await?;
    for open in journal.open_detections(&heard_in).await? {
        if all.iter().all(|known| known.id != open.id) {
            all.push(open);
        }
    }
    Ok(all.into_iter().partition(|detection| from.is_some_and(|from| detection.start_at < from)))
}

/// Converts a detection to an airing that continues at `base`. The number of aligned landmarks is not stored.
fn airing(detection: &Detection, base: f64) -> OpenAiring {
    let heard = Match {
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
    OpenAiring { id: detection.id, heard }
}

/// Serializes a response. This cannot fail, because a response consists of numbers and strings.
fn to_json(response: &Response<'_>) -> String {
    serde_json::to_string(response).unwrap_or_default()
}

/// Returns the current time in milliseconds since 1970.
fn now() -> i64 {
    Local::now().timestamp_millis()
}

/// Converts seconds to milliseconds.
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64 // `as` saturates, and makes 0 of NaN
}
