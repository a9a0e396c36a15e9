//! Records the detections in a session together with the messages that they cause.

mod messages;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Local};
use refrain_app::audio_file::song_name;
use refrain_catalog::{
    Catalog, CatalogError, Detection, DetectionId, DetectionSource, LeaseHolder, NewOutboxMessage,
    RecordOutcome, SessionKey, StoredDetection, Track, TrackId,
};
use refrain_core::matching::live::EventKind;
use refrain_monitor::Reporter;

use super::dedup::{AiringIdentity, Dedup};
use super::song::SongState;
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
    /// Time of the session's first sample, seconds since 1970; `None` if it is not known yet.
    pub(crate) epoch: Option<f64>,
}

/// The detections that earlier workers stored in the session.
pub(crate) struct EarlierRecords<'a> {
    /// Detections that may continue, ordered by start.
    pub(crate) open: &'a [StoredDetection],
    /// Tracks of these detections, in no particular order.
    pub(crate) tracks: &'a [Track],
    /// True if the session begins with this worker.
    pub(crate) begins: bool,
    /// Recognizes airings that were reported before.
    pub(crate) dedup: Dedup,
}

/// Records the detections in one session.
pub(crate) struct Recorder {
    context: RecorderContext,
    session: RecordedSession,
    reporter: Reporter,
    ongoing: HashMap<DetectionId, OngoingDetection>,
    songs: SongState,
    dedup: Dedup,
    /// True if another worker has taken over the session.
    is_lost: bool,
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
        let EarlierRecords { open, tracks, begins, dedup } = earlier;
        let playing = open.iter().filter_map(|StoredDetection { detection, .. }| {
            let track = tracks.iter().find(|track| track.number == detection.detected.track)?;
            Some((detection.id, song_name(track).to_owned(), detection.detected.matched_peaks))
        });
        Self {
            reporter: Reporter::new(Arc::clone(&context.catalog)),
            ongoing: open.iter().map(|one| (one.detection.id, OngoingDetection::of(one))).collect(),
            songs: if begins { SongState::default() } else { SongState::resumed(playing.collect()) },
            dedup,
            is_lost: false,
            context,
            session,
        }
    }

    /// Returns the name of the stream in results.
    pub(crate) fn name(&self) -> &str {
        &self.session.name
    }

    /// Returns the time of the session's first sample, seconds since 1970; `None` if it is not known yet.
    pub(crate) fn epoch(&self) -> Option<f64> {
        self.session.epoch
    }

    /// Returns the time of the session's first sample, seconds since 1970. If the time is unknown, sets it to `epoch`.
    pub(crate) fn epoch_or(&mut self, epoch: f64) -> f64 {
        *self.session.epoch.get_or_insert(epoch)
    }

    /// Stores a detection that was decided at the time `at` and whose times are those of the session. Returns false if
    /// another worker holds the lease; then nothing is stored any more, because that worker reports the same airings.
    /// After an error, the same detection can be passed again.
    pub(crate) async fn record(
        &mut self,
        mut detection: Detection,
        at: DateTime<Local>,
    ) -> Result<bool, CatalogError> {
        if self.is_lost {
            return Ok(false);
        }
        match self.dedup.identify(&detection) {
            AiringIdentity::Repeat => {
                tracing::debug!(stream = self.name(), airing = %detection.id, "airing was reported before, dropping its event");
                return Ok(true);
            }
            AiringIdentity::Airing(id) => detection.id = id,
            AiringIdentity::Known(known) => {
                detection.id = known.detection.id;
                self.ongoing.insert(detection.id, OngoingDetection::of(&known));
            }
        }
        match self.write(&detection, at).await {
            Err(error @ CatalogError::Invalid { .. }) => {
                tracing::error!(stream = self.name(), airing = %detection.id, %error, "detection cannot be stored, dropping it");
            }
            done => done?,
        }
        Ok(!self.is_lost)
    }

    /// Reports that the stream begins without a song, if no song was found in at least [`NO_SONG_AFTER_SECONDS`]
    /// seconds. `seconds` is the duration that was processed. The report is made at most once per session.
    pub(crate) async fn record_progress(&mut self, seconds: f64) -> Result<(), CatalogError> {
        if seconds < NO_SONG_AFTER_SECONDS || self.is_lost || !self.songs.is_unreported() {
            return Ok(());
        }
        let deliveries = self.messages_of_silence();
        if !deliveries.is_empty() {
            self.context.catalog.journal().enqueue(&deliveries, self.context.clock.now()).await?;
            self.context.planner.wake_dispatcher();
        }
        self.songs.set_reported();
        Ok(())
    }

    async fn write(&mut self, detection: &Detection, at: DateTime<Local>) -> Result<(), CatalogError> {
        let track = self.reporter.track(detection).await?;
        let Some(ongoing) = self.ongoing(detection, track.as_ref()) else {
            tracing::warn!(stream = self.name(), airing = %detection.id, "the track was removed while it played, dropping the detection");
            return Ok(());
        };
        let stored = self.stored(detection, ongoing);
        let (songs, deliveries) = match &track {
            Some(track) => self.messages_of(detection, track, at),
            None => (self.songs.clone(), Vec::new()),
        };
        match self.store(&stored, &deliveries).await? {
            RecordOutcome::Stored if deliveries.is_empty() => {}
            RecordOutcome::Stored => self.context.planner.wake_dispatcher(),
            RecordOutcome::Outdated => {
                tracing::debug!(stream = self.name(), airing = %detection.id, "a newer state of the detection is stored already");
            }
            RecordOutcome::LeaseLost => {
                tracing::warn!(stream = self.name(), "stream is held by another worker, dropping its events");
                self.is_lost = true;
                return Ok(());
            }
        }
        self.songs = songs;
        self.ongoing.insert(detection.id, ongoing);
        match detection.kind {
            EventKind::Start => self.context.counters.airings.add(1),
            EventKind::Final => {
                self.ongoing.remove(&detection.id);
                self.dedup.add_final(stored.detection);
            }
            EventKind::Update => {}
        }
        Ok(())
    }

    async fn store(
        &self,
        stored: &StoredDetection,
        deliveries: &[NewOutboxMessage],
    ) -> Result<RecordOutcome, CatalogError> {
        let SessionKey { id: stream, started_at } = &self.session.key;
        let holder = LeaseHolder { stream, started_at: *started_at, owner: &self.context.owner };
        let now = self.context.clock.now();
        self.context.catalog.journal().record_with_lease(holder, stored, deliveries, now).await
    }

    fn ongoing(&self, detection: &Detection, track: Option<&Track>) -> Option<OngoingDetection> {
        let now = self.context.clock.now();
        match self.ongoing.get(&detection.id) {
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
