//! Records the detections in a stream together with the deliveries that they cause.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Local};
use refrain_catalog::{
    CatalogError, Detection, DetectionId, DetectionSource, LeaseHolder, NewOutboxMessage, RecordOutcome,
    Stream, Track, TrackId,
};
use refrain_net::Backoff;
use tokio::time::sleep;

use super::reported_detections::ReportedDetections;
use super::shared::{StreamsContext, channel_of, milliseconds, stream_asset_id, was_followed};
use super::song::SongState;
use super::takeover::EarlierDetections;
use crate::delivery::{CurrentSong, DetectionEvent};
use crate::settings::DetectionOrigin;
use refrain_app::audio_file::song_name;
use refrain_app::response::Response;
use refrain_monitor::{EventKind, Reporter, StreamEvent, response};

/// Shortest and longest pause before a write to the database is repeated. Events are buffered meanwhile, so the longest
/// one only delays them after an outage; at half of it, an outage causes twice the log lines per stream.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// If a session has no song in its first seconds, as many as this, a message reports that it begins without one. At
/// half of it, a song at the start that is detected after 6 s is preceded by a false report; at twice, the report comes
/// 10 s later.
const NO_SONG_AFTER_SECONDS: f64 = 10.0;

/// Records the detections in one session of a stream.
pub(super) struct StreamRecorder {
    shared: Arc<StreamsContext>,
    name: String,
    channel: Option<String>,
    /// Start of the session, in milliseconds since 1970. It distinguishes sessions without names.
    started_at: i64,
    /// Time of the session's first sample, seconds since 1970.
    epoch: Option<f64>,
    reporter: Reporter,
    ongoing: HashMap<DetectionId, OngoingDetection>,
    songs: SongState,
    reported: ReportedDetections,
    /// Id of the stream's row.
    stream: String,
    /// True if another worker has taken the stream over.
    is_lost: bool,
}

/// Data of a detection that is kept between its events.
#[derive(Debug, Clone, Copy)]
struct OngoingDetection {
    track: TrackId,
    first_seen: i64,
    last_seen: i64,
}

/// Returns the time of a session's first sample, seconds since 1970, from its row or else from its detections.
fn first_sample(stream: &Stream, opened: &EarlierDetections) -> Option<f64> {
    let of_airing = |one: &Detection| one.start_at as f64 / 1000.0 - one.query_start;
    let known = || opened.detections.iter().chain(&opened.finals).next().map(of_airing);
    stream.epoch.map(|epoch| epoch as f64 / 1000.0).or_else(known)
}

impl StreamRecorder {
    /// Creates the recorder of a session with the airings that earlier workers found in it.
    pub(super) fn new(shared: Arc<StreamsContext>, stream: &Stream, opened: &EarlierDetections) -> Self {
        let ongoing = opened.detections.iter().map(|detection| {
            let Detection { id, track_id: track, first_seen, last_seen, .. } = *detection;
            (id, OngoingDetection { track, first_seen, last_seen })
        });
        let playing = opened.detections.iter().filter_map(|detection| {
            let track = opened.tracks.iter().find(|track| track.number == detection.track)?;
            Some((detection.id, song_name(track).to_owned(), detection.matched_peaks))
        });
        let begins = !was_followed(stream) && opened.detections.is_empty();
        Self {
            name: stream_asset_id(stream).to_owned(),
            channel: channel_of(stream).map(str::to_owned),
            started_at: stream.started_at,
            epoch: first_sample(stream, opened),
            reporter: Reporter::new(Arc::clone(&shared.catalog)),
            ongoing: ongoing.collect(),
            songs: if begins { SongState::default() } else { SongState::resumed(playing.collect()) },
            reported: ReportedDetections::of(opened.finals.clone(), opened.detections.clone()),
            stream: stream.id.clone(),
            is_lost: false,
            shared,
        }
    }

    /// Returns the name of the stream in results.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the time of the session's first sample, seconds since 1970. Sets it to `epoch` if it is unknown.
    pub(super) fn epoch_or(&mut self, epoch: f64) -> f64 {
        *self.epoch.get_or_insert(epoch)
    }

    /// Writes an event that was decided at the time `at`, with retries until the database has stored it. After another worker
    /// has taken the stream over, nothing is written: that worker reports the same airings.
    pub(super) async fn record(&mut self, event: &StreamEvent, at: DateTime<Local>) {
        let mut backoff = Backoff::new(PAUSES);
        if self.is_lost {
            return;
        }
        if self.reported.is_duplicate(event) {
            tracing::debug!(stream = self.name, airing = %event.airing, "airing was reported before, dropping its event");
            return;
        }
        let event = self.in_session(event);
        loop {
            let error = match self.write(&event, at).await {
                Ok(()) => return,
                Err(error) => error,
            };
            if matches!(error, CatalogError::Invalid { .. }) {
                tracing::error!(stream = self.name, airing = %event.airing, %error, "detection cannot be stored, dropping it");
                return;
            }
            tracing::warn!(stream = self.name, airing = %event.airing, %error, "cannot write a detection, retrying");
            sleep(backoff.next()).await;
        }
    }

    /// Reports that the stream begins without a song after [`NO_SONG_AFTER_SECONDS`] seconds of it were processed without one.
    pub(super) async fn record_progress(&mut self, seconds: f64) {
        if seconds < NO_SONG_AFTER_SECONDS || self.is_lost || !self.songs.is_unreported() {
            return;
        }
        let empty_response =
            serde_json::to_string(&Response::new(&self.name, Vec::new())).unwrap_or_default();
        let detection_event = DetectionEvent {
            from: DetectionOrigin::Live,
            stream_id: &self.name,
            channel: self.channel.as_deref(),
            detection: None,
            event: "change",
            number: u64::try_from(self.started_at).unwrap_or_default(),
            at: self.shared.clock.local(),
            response: &empty_response,
            song: Some(CurrentSong { song: None, score: 0, begins: true }),
        };
        let deliveries = self.shared.planner.deliveries(&detection_event);
        if !deliveries.is_empty()
            && let Err(error) = self.shared.journal().enqueue(&deliveries, self.shared.now()).await
        {
            tracing::warn!(stream = self.name, %error, "cannot write a message to the outbox, retrying");
            return;
        }
        self.shared.planner.wake_dispatcher();
        self.songs.set_reported();
    }

    /// Returns the event with times since the first sample of the session, because the stream time of each worker starts at 0.
    fn in_session(&mut self, event: &StreamEvent) -> StreamEvent {
        let origin = event.epoch - event.detected.query_start;
        let shift = origin - *self.epoch.get_or_insert(origin);
        let mut event = event.clone();
        event.detected.shift_query(shift);
        event.known_at += shift;
        event
    }

    async fn write(&mut self, event: &StreamEvent, at: DateTime<Local>) -> Result<(), CatalogError> {
        let track = self.reporter.track(event).await?;
        let Some(ongoing) = self.ongoing(event, track.as_ref()) else {
            tracing::warn!(stream = self.name, airing = %event.airing, "the track was removed while it played, dropping the detection");
            return Ok(());
        };
        let detection = self.detection(event, ongoing);
        let (songs, deliveries) = match &track {
            Some(track) => self.plan_messages(event, track, at),
            None => (self.songs.clone(), Vec::new()),
        };
        let holder =
            LeaseHolder { stream: &self.stream, started_at: self.started_at, owner: self.shared.owner() };
        match self
            .shared
            .journal()
            .record_with_lease(holder, &detection, &deliveries, self.shared.now())
            .await?
        {
            RecordOutcome::Stored if deliveries.is_empty() => {}
            RecordOutcome::Stored => self.shared.planner.wake_dispatcher(),
            RecordOutcome::Outdated => {
                tracing::debug!(stream = self.name, airing = %event.airing, "a newer state of the detection is stored already");
            }
            RecordOutcome::LeaseLost => {
                tracing::warn!(stream = self.name, "stream is held by another worker, dropping its events");
                self.is_lost = true;
                return Ok(());
            }
        }
        self.songs = songs;
        self.ongoing.insert(event.airing, ongoing);
        match event.kind {
            EventKind::Start => self.shared.counters.airings.add(1),
            EventKind::Final => {
                self.ongoing.remove(&event.airing);
                self.reported.add_final(detection);
            }
            EventKind::Update => {}
        }
        Ok(())
    }

    fn ongoing(&self, event: &StreamEvent, track: Option<&Track>) -> Option<OngoingDetection> {
        let now = self.shared.now();
        match self.ongoing.get(&event.airing) {
            // The clock of the worker that wrote it last may be ahead of this one's.
            Some(known) => Some(OngoingDetection { last_seen: now.max(known.last_seen + 1), ..*known }),
            None => track.map(|track| OngoingDetection { track: track.id, first_seen: now, last_seen: now }),
        }
    }

    fn detection(&self, event: &StreamEvent, ongoing: OngoingDetection) -> Detection {
        let detected = &event.detected;
        let length = (detected.query_end - detected.query_start).max(0.0);
        let start_at = milliseconds(event.epoch);
        Detection {
            id: event.airing,
            detected_in: DetectionSource::Stream(self.name.clone()),
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
            channel: self.channel.clone(),
        }
    }

    /// Returns the deliveries that an event causes, and the songs after it.
    fn plan_messages(
        &self,
        event: &StreamEvent,
        track: &Track,
        at: DateTime<Local>,
    ) -> (SongState, Vec<NewOutboxMessage>) {
        let songs = self.songs.clone();
        let mut songs = songs.after(event.kind, event.airing, song_name(track), event.detected.matched_peaks);
        let wanted = self.shared.settings.events.contains(&event.kind);
        let song = songs.change();
        if !wanted && song.is_none() {
            return (songs, Vec::new());
        }
        // It consists of numbers and texts, which can always be serialized.
        let json = serde_json::to_string(&response(event, &self.name, track)).unwrap_or_default();
        let is_update = event.kind == EventKind::Update || !wanted;
        let number =
            if is_update { u64::try_from(milliseconds(event.known_at)).unwrap_or_default() } else { 0 };
        let deliveries = self.shared.planner.deliveries(&DetectionEvent {
            from: DetectionOrigin::Live,
            stream_id: &self.name,
            channel: self.channel.as_deref(),
            detection: Some(event.airing),
            event: if wanted { event.kind.as_str() } else { "change" },
            number,
            at,
            response: &json,
            song,
        });
        songs.set_reported();
        (songs, deliveries)
    }
}
