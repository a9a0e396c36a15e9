//! Records the detections in a session together with the messages that they cause.

mod alerts;
mod messages;
#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Local};
use refrain_app::audio_file::song_name;
use refrain_catalog::{
    Catalog, CatalogError, Detection, DetectionId, DetectionRecord, DetectionSource, NewOutboxMessage,
    SessionKey, SessionUpdate, StoredDetection, StreamState, Track, TrackId,
};
use refrain_core::matching::live::EventKind;
use refrain_monitor::Reporter;

use alerts::SessionAlerts;
pub(crate) use alerts::read_alerts;

use super::reported::ReportedDetections;
use super::song::SongState;
use super::source::SessionBatch;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::delivery::OutboxPlanner;
use crate::settings::DetectionOrigin;

/// Seconds of audio without a song at the start of a session, after which a message reports that the session begins
/// without a song. At half this value, a song at the start that is detected after 6 s is preceded by a false report; at
/// twice this value, the report comes 10 s later.
const NO_SONG_AFTER_SECONDS: f64 = 10.0;

/// Dependencies of a recorder.
pub(crate) struct RecorderContext {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) planner: OutboxPlanner,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Kinds of events that are delivered.
    pub(crate) events: Vec<EventKind>,
    /// Owner of the lease.
    pub(crate) owner: String,
}

/// The session whose detections are recorded.
pub(crate) struct RecordedSession {
    pub(crate) key: SessionKey,
    /// Name of the stream in responses and keys.
    pub(crate) name: String,
    /// Name of the stream in the detections of the journal.
    pub(crate) detected_in: String,
    /// ARN of the channel; `None` if the stream has no channel.
    pub(crate) channel: Option<String>,
    pub(crate) origin: DetectionOrigin,
}

/// The detections that earlier workers stored in the session.
pub(crate) struct EarlierRecords<'a> {
    /// Detections that may continue, ordered by start.
    pub(crate) open: &'a [StoredDetection],
    /// Tracks of these detections, in no particular order.
    pub(crate) tracks: &'a [Track],
    /// True if the session begins with this worker.
    pub(crate) begins: bool,
    /// Airings that were reported before and may be detected again as new airings, whose events are dropped; `None` if
    /// the session continues exactly at its stored position, so that no audio is decoded twice.
    pub(crate) reported: Option<ReportedDetections>,
}

/// Records the detections in one session.
pub(crate) struct Recorder {
    context: RecorderContext,
    session: RecordedSession,
    reporter: Reporter,
    state: RecorderState,
}

/// The result of all batches that were stored.
#[derive(Clone)]
struct RecorderState {
    ongoing: HashMap<DetectionId, OngoingDetection>,
    songs: SongState,
    reported: Option<ReportedDetections>,
    alerts: SessionAlerts,
}

/// Data of a detection that is kept between its events.
#[derive(Debug, Clone, Copy)]
struct OngoingDetection {
    track: TrackId,
    first_seen: i64,
    last_seen: i64,
}

impl OngoingDetection {
    fn of(stored: &StoredDetection) -> Self {
        let StoredDetection { track_id: track, first_seen, last_seen, .. } = *stored;
        Self { track, first_seen, last_seen }
    }
}

impl Recorder {
    pub(crate) fn new(
        context: RecorderContext,
        session: RecordedSession,
        earlier: EarlierRecords<'_>,
    ) -> Self {
        let EarlierRecords { open, tracks, begins, reported } = earlier;
        let playing = open.iter().filter_map(|StoredDetection { detection, .. }| {
            let track = tracks.iter().find(|track| track.number == detection.detected.track)?;
            Some((detection.id, song_name(track).to_owned(), detection.detected.matched_peaks))
        });
        let state = RecorderState {
            ongoing: open.iter().map(|one| (one.detection.id, OngoingDetection::of(one))).collect(),
            songs: if begins { SongState::default() } else { SongState::resumed(playing.collect()) },
            reported,
            alerts: SessionAlerts::default(),
        };
        Self { reporter: Reporter::new(Arc::clone(&context.catalog)), state, context, session }
    }

    /// Returns the name of the stream in results.
    pub(crate) fn name(&self) -> &str {
        &self.session.name
    }

    /// Stores a batch in one transaction. Returns false and stores nothing if another worker holds the lease. After an
    /// error, the same batch can be passed again.
    pub(crate) async fn record(&mut self, batch: &SessionBatch) -> Result<bool, CatalogError> {
        // The state changes only after the batch was stored, so that a batch that is passed again has the same result.
        let mut state = self.state.clone();
        let (mut detections, mut starts) = (Vec::new(), 0);
        for (event, at) in &batch.detections {
            if let Some(record) = self.plan(event, *at, &mut state).await? {
                starts += u64::from(event.kind == EventKind::Start);
                detections.push(record);
            }
        }
        let mut messages = self.report_silence(batch.seconds, &mut state);
        messages.extend(self.messages_of_alerts(&batch.alerts, &state.alerts));
        let alerts = state.alerts.apply(&batch.alerts);
        let update = SessionUpdate {
            detections: &detections,
            messages: &messages,
            report: batch.report.as_ref(),
            alerts: alerts.as_deref(),
        };
        let is_empty =
            detections.is_empty() && messages.is_empty() && batch.report.is_none() && alerts.is_none();
        let is_stored = is_empty || self.store(&update).await?;
        if is_stored {
            self.context.counters.airings.add(starts);
            self.state = state;
        }
        Ok(is_stored)
    }

    async fn store(&self, update: &SessionUpdate<'_>) -> Result<bool, CatalogError> {
        let (context, key) = (&self.context, &self.session.key);
        let journal = context.catalog.journal();
        if !journal.record_session(&context.owner, key, update, context.clock.now()).await? {
            return Ok(false);
        }
        let has_messages = update.detections.iter().any(|record| !record.messages.is_empty());
        if has_messages || !update.messages.is_empty() {
            context.planner.wake_dispatcher();
        }
        if let Some(report) = update.report.filter(|report| report.state.is_over()) {
            let (state, reason) = (report.state.as_str(), report.reason.as_deref().unwrap_or_default());
            tracing::info!(stream = key.id, state, reason, "stream ended");
            context.counters.streams_failed.add(u64::from(report.state == StreamState::Failed));
        }
        Ok(true)
    }

    /// Returns the messages which report that the session begins without a song, if no song was found in at least
    /// [`NO_SONG_AFTER_SECONDS`] seconds. `seconds` is the duration that was processed. The report is made at most once
    /// per session.
    fn report_silence(&self, seconds: f64, state: &mut RecorderState) -> Vec<NewOutboxMessage> {
        if seconds < NO_SONG_AFTER_SECONDS || !state.songs.is_unreported() {
            return Vec::new();
        }
        state.songs.set_reported();
        self.messages_of_silence()
    }

    /// Returns the next state of an airing with its messages, and applies the event to `state`. Returns `None` if the
    /// event is not stored.
    async fn plan(
        &mut self,
        event: &Detection,
        at: DateTime<Local>,
        state: &mut RecorderState,
    ) -> Result<Option<DetectionRecord>, CatalogError> {
        if state.reported.as_mut().is_some_and(|reported| reported.is_duplicate(event)) {
            tracing::debug!(stream = self.name(), airing = %event.id, "airing was reported before, dropping its event");
            return Ok(None);
        }
        let track = self.reporter.track(event).await?;
        let Some(ongoing) = self.ongoing(event, track.as_ref(), state) else {
            tracing::warn!(stream = self.name(), airing = %event.id, "the track was removed while it played, dropping the detection");
            return Ok(None);
        };
        let mut songs = state.songs.clone();
        let messages = track.map(|track| self.messages_of(event, &track, at, &mut songs)).unwrap_or_default();
        let record = DetectionRecord { detection: self.stored(event, ongoing), messages };
        if let Some(fault) = record.fault() {
            tracing::error!(stream = self.name(), airing = %event.id, fault, "invalid detection cannot be stored and is not delivered, dropping it");
            return Ok(None);
        }
        state.songs = songs;
        state.ongoing.insert(event.id, ongoing);
        if event.kind == EventKind::Final {
            state.ongoing.remove(&event.id);
            if let Some(reported) = &mut state.reported {
                reported.add_final(event.clone());
            }
        }
        Ok(Some(record))
    }

    fn ongoing(
        &self,
        event: &Detection,
        track: Option<&Track>,
        state: &RecorderState,
    ) -> Option<OngoingDetection> {
        let now = self.context.clock.now();
        match state.ongoing.get(&event.id) {
            // The clock of the worker that wrote the detection last may be ahead of the clock of this one.
            Some(known) => Some(OngoingDetection { last_seen: now.max(known.last_seen + 1), ..*known }),
            None => track.map(|track| OngoingDetection { track: track.id, first_seen: now, last_seen: now }),
        }
    }

    fn stored(&self, detection: &Detection, ongoing: OngoingDetection) -> StoredDetection {
        StoredDetection {
            detection: detection.clone(),
            detected_in: DetectionSource::Stream(self.session.detected_in.clone()),
            track_id: ongoing.track,
            channel: self.session.channel.clone(),
            first_seen: ongoing.first_seen,
            last_seen: ongoing.last_seen,
        }
    }
}
