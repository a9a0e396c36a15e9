//! The messages that an event causes.

use chrono::{DateTime, Local};
use refrain_app::audio_file::song_name;
use refrain_app::response::Response;
use refrain_catalog::{Detection, NewOutboxMessage, Track};
use refrain_core::matching::live::EventKind;
use refrain_monitor::response;

use super::Recorder;
use crate::clock::milliseconds;
use crate::delivery::{CurrentSong, DetectionEvent};
use crate::sessions::song::SongState;

impl Recorder {
    /// Returns the messages that report an event, and applies the event to the state of the songs.
    pub(super) fn messages_of(
        &self,
        detection: &Detection,
        track: &Track,
        at: DateTime<Local>,
        songs: &mut SongState,
    ) -> Vec<NewOutboxMessage> {
        let score = detection.detected.matched_peaks;
        *songs = songs.clone().after(detection.kind, detection.id, song_name(track), score);
        let wanted = self.context.events.contains(&detection.kind);
        let song = songs.change();
        if !wanted && song.is_none() {
            return Vec::new();
        }
        let json = to_json(&response(detection, self.name(), track));
        let is_update = detection.kind == EventKind::Update || !wanted;
        let number =
            if is_update { u64::try_from(milliseconds(detection.known_at)).unwrap_or_default() } else { 0 };
        let kind = if wanted { detection.kind.as_str() } else { "change" };
        let deliveries = self.context.planner.deliveries(&DetectionEvent {
            detection: Some(detection.id),
            number,
            at,
            song,
            ..self.session_event(kind, &json)
        });
        songs.set_reported();
        deliveries
    }

    /// Returns the messages which report that the session begins without a song.
    pub(super) fn messages_of_silence(&self) -> Vec<NewOutboxMessage> {
        let nothing = to_json(&Response::new(self.name(), Vec::new()));
        let song = Some(CurrentSong { song: None, score: 0, begins: true });
        self.context.planner.deliveries(&DetectionEvent { song, ..self.session_event("change", &nothing) })
    }

    /// Returns an event of the session without an airing, at the current time.
    pub(super) fn session_event<'a>(&'a self, event: &'a str, response: &'a str) -> DetectionEvent<'a> {
        DetectionEvent {
            from: self.session.origin,
            stream_id: self.name(),
            channel: self.session.channel.as_deref(),
            detection: None,
            event,
            number: u64::try_from(self.session.key.started_at).unwrap_or_default(),
            at: self.context.clock.local(),
            response,
            song: None,
        }
    }
}

/// Serializes a response. This cannot fail, because a response consists of numbers and strings.
fn to_json(response: &Response<'_>) -> String {
    serde_json::to_string(response).unwrap_or_default()
}
