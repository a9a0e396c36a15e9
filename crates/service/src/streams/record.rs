//! Records the detections in a stream together with the deliveries that they cause.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Local};
use refrain_catalog::{
    CatalogError, Detection, DetectionId, HeardIn, Holder, NewDelivery, Recorded, Stream, Track, TrackId,
};
use refrain_net::Backoff;
use tokio::time::sleep;

use super::shared::{Shared, channel_of, milliseconds, now, outside_name, was_followed};
use super::song::Songs;
use super::takeover::Opened;
use super::told::Told;
use crate::delivery::{News, SongNow};
use crate::settings::From;
use refrain_app::audio_file::song_name;
use refrain_app::response::Response;
use refrain_monitor::{EventKind, Reporter, StreamEvent, response};

/// Shortest and longest pause before a write to the database is repeated.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// If a session has no song in its first seconds, as many as this, a message reports that it begins without one.
const BEGINNING: f64 = 10.0;

/// Records the detections in one session of a stream.
pub(super) struct Recorder {
    shared: Arc<Shared>,
    name: String,
    channel: Option<String>,
    /// Start of the session, in milliseconds since 1970. It distinguishes sessions without names.
    started_at: i64,
    /// Time of the session's first sample, seconds since 1970.
    epoch: Option<f64>,
    reporter: Reporter,
    kept: HashMap<DetectionId, Kept>,
    songs: Songs,
    told: Told,
    /// Id of the stream's row.
    stream: String,
    /// True if another worker has taken the stream over.
    is_lost: bool,
}

/// Data of a detection that is kept between its events.
#[derive(Debug, Clone, Copy)]
struct Kept {
    track: TrackId,
    first_seen: i64,
    last_seen: i64,
}

/// Returns the time of a session's first sample, seconds since 1970, from its row or else from its detections.
fn first_sample(stream: &Stream, opened: &Opened) -> Option<f64> {
    let of_airing = |one: &Detection| one.start_at as f64 / 1000.0 - one.query_start;
    let known = || opened.detections.iter().chain(&opened.finals).next().map(of_airing);
    stream.epoch.map(|epoch| epoch as f64 / 1000.0).or_else(known)
}

impl Recorder {
    /// Creates the recorder of a session with the airings that earlier workers found in it.
    pub(super) fn new(shared: Arc<Shared>, stream: &Stream, opened: &Opened) -> Self {
        let kept = opened.detections.iter().map(|detection| {
            let Detection { id, track_id: track, first_seen, last_seen, .. } = *detection;
            (id, Kept { track, first_seen, last_seen })
        });
        let playing = opened.detections.iter().filter_map(|detection| {
            let track = opened.tracks.iter().find(|track| track.number == detection.track)?;
            Some((detection.id, song_name(track).to_owned(), detection.matched_peaks))
        });
        let begins = !was_followed(stream) && opened.detections.is_empty();
        Self {
            name: outside_name(stream).to_owned(),
            channel: channel_of(stream).map(str::to_owned),
            started_at: stream.started_at,
            epoch: first_sample(stream, opened),
            reporter: Reporter::new(Arc::clone(&shared.catalog)),
            kept: kept.collect(),
            songs: if begins { Songs::default() } else { Songs::continued(playing.collect()) },
            told: Told::of(opened.finals.clone(), opened.detections.clone()),
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
    pub(super) fn begin(&mut self, epoch: f64) -> f64 {
        *self.epoch.get_or_insert(epoch)
    }

    /// Writes an event that was decided at the time `at`, with retries until the database has stored it. After another worker
    /// has taken the stream over, nothing is written: that worker reports the same airings.
    pub(super) async fn record(&mut self, event: &StreamEvent, at: DateTime<Local>) {
        let mut backoff = Backoff::new(PAUSES);
        if self.is_lost {
            return;
        }
        if self.told.is_again(event) {
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

    /// Reports that the stream begins without a song after [`BEGINNING`] seconds of it were processed without one.
    pub(super) async fn heard(&mut self, seconds: f64) {
        if seconds < BEGINNING || self.is_lost || !self.songs.are_untold() {
            return;
        }
        let nothing = serde_json::to_string(&Response::new(&self.name, Vec::new())).unwrap_or_default();
        let news = News {
            from: From::Live,
            stream_id: &self.name,
            channel: self.channel.as_deref(),
            detection: None,
            event: "change",
            number: u64::try_from(self.started_at).unwrap_or_default(),
            at: Local::now(),
            response: &nothing,
            song: Some(SongNow { song: None, score: 0, begins: true }),
        };
        let deliveries = self.shared.planner.deliveries(&news);
        if !deliveries.is_empty()
            && let Err(error) = self.shared.journal().enqueue(&deliveries, now()).await
        {
            tracing::warn!(stream = self.name, %error, "cannot write a message to the outbox, retrying");
            return;
        }
        self.shared.planner.recorded();
        self.songs.told();
    }

    /// Returns the event with times since the first sample of the session, because the stream time of each worker starts at 0.
    fn in_session(&mut self, event: &StreamEvent) -> StreamEvent {
        let origin = event.epoch - event.heard.query_start;
        let shift = origin - *self.epoch.get_or_insert(origin);
        let mut event = event.clone();
        event.heard.shift_query(shift);
        event.known_at += shift;
        event
    }

    async fn write(&mut self, event: &StreamEvent, at: DateTime<Local>) -> Result<(), CatalogError> {
        let track = self.reporter.track(event).await?;
        let Some(kept) = self.kept(event, track.as_ref()) else {
            tracing::warn!(stream = self.name, airing = %event.airing, "the track was removed while it played, dropping the detection");
            return Ok(());
        };
        let detection = self.detection(event, kept);
        let (songs, deliveries) = match &track {
            Some(track) => self.news(event, track, at),
            None => (self.songs.clone(), Vec::new()),
        };
        let holder = Holder { stream: &self.stream, started_at: self.started_at, owner: self.shared.owner() };
        match self.shared.journal().record_held(holder, &detection, &deliveries, now()).await? {
            Recorded::Stored if deliveries.is_empty() => {}
            Recorded::Stored => self.shared.planner.recorded(),
            Recorded::Older => {
                tracing::debug!(stream = self.name, airing = %event.airing, "a newer state of the detection is stored already");
            }
            Recorded::NotHeld => {
                tracing::warn!(stream = self.name, "stream is held by another worker, dropping its events");
                self.is_lost = true;
                return Ok(());
            }
        }
        self.songs = songs;
        self.kept.insert(event.airing, kept);
        match event.kind {
            EventKind::Start => self.shared.measures.airings.add(1),
            EventKind::Final => {
                self.kept.remove(&event.airing);
                self.told.learn(detection);
            }
            EventKind::Update => {}
        }
        Ok(())
    }

    fn kept(&self, event: &StreamEvent, track: Option<&Track>) -> Option<Kept> {
        let now = now();
        match self.kept.get(&event.airing) {
            // The clock of the worker that wrote it last may be ahead of this one's.
            Some(known) => Some(Kept { last_seen: now.max(known.last_seen + 1), ..*known }),
            None => track.map(|track| Kept { track: track.id, first_seen: now, last_seen: now }),
        }
    }

    fn detection(&self, event: &StreamEvent, kept: Kept) -> Detection {
        let heard = &event.heard;
        let length = (heard.query_end - heard.query_start).max(0.0);
        let start_at = milliseconds(event.epoch);
        Detection {
            id: event.airing,
            heard_in: HeardIn::Stream(self.name.clone()),
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
            channel: self.channel.clone(),
        }
    }

    /// Returns the deliveries that an event causes, and the songs after it.
    fn news(&self, event: &StreamEvent, track: &Track, at: DateTime<Local>) -> (Songs, Vec<NewDelivery>) {
        let songs = self.songs.clone();
        let mut songs = songs.after(event.kind, event.airing, song_name(track), event.heard.matched_peaks);
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
        let deliveries = self.shared.planner.deliveries(&News {
            from: From::Live,
            stream_id: &self.name,
            channel: self.channel.as_deref(),
            detection: Some(event.airing),
            event: if wanted { event.kind.as_str() } else { "change" },
            number,
            at,
            response: &json,
            song,
        });
        songs.told();
        (songs, deliveries)
    }
}
