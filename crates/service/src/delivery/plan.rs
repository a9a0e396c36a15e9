//! The messages that are delivered for an event.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Local};
use refrain_catalog::{DetectionId, NewOutboxMessage};
use serde::Serialize;

use super::envelope::Envelope;
use super::hex::hexadecimal;
use super::key::{KeyTemplate, KeyValues};
use super::waker::Waker;
use crate::settings::{DetectionOrigin, SinkFormat, SinkKind, SinkSettings};

/// Maximum length of the name of a message in the outbox (`NewOutboxMessage::key`), in bytes. Together with the name of
/// the sink it stays below the limit of the journal for indexed text: at twice this value, the journal rejects the
/// message. A longer name is cut, and a hash of the whole name is appended.
const MAX_NAME_BYTES: usize = 1_500;

/// Type of an event that reports only that the current song of a stream has changed. Only sinks of the format `song`
/// receive it.
const CHANGE: &str = "change";

/// Title that sinks of the format `song` receive if a stream starts without a song, as in the AWS sample.
const NOT_RECOGNIZED: &str = "Not Recognized";

/// An event that is to be reported to the sinks: of an airing, of a stream, or the result of a file.
#[derive(Debug)]
pub struct DetectionEvent<'a> {
    /// Kind of the source: live stream, archive or file.
    pub from: DetectionOrigin,
    /// The `unknownAssetID` of the response, and the value of `{stream_id}` in keys.
    pub stream_id: &'a str,
    /// ARN of the channel; `None` if the source has no channel.
    pub channel: Option<&'a str>,
    /// The airing. `None` for the report that a stream begins without a song, and for the result of a file.
    pub detection: Option<DetectionId>,
    /// Type of the event: `start`, `update` or `final`; `change` if only the song of a stream is reported. The result
    /// of a file is `final`.
    pub event: &'a str,
    /// Number that distinguishes events of the same airing and type. For updates and changes it is the stream time of
    /// the decision in milliseconds, for a start and a final event it is 0. Without an airing it is the start of the
    /// session in milliseconds since 1970, or a number made from the content of the file.
    pub number: u64,
    /// Time of the event. Names of files and dates in keys contain it.
    pub at: DateTime<Local>,
    /// The response for the event, as JSON.
    pub response: &'a str,
    /// The new song, for sinks of the format `song`. `None` if this event does not change the song of the stream.
    pub song: Option<CurrentSong<'a>>,
}

/// The current song of a stream, as sinks of the format `song` receive it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurrentSong<'a> {
    /// Title of the song; `None` if no song plays.
    pub song: Option<&'a str>,
    /// Score of the match, the number of matched peaks; 0 if no song plays.
    pub score: u32,
    /// True if this is the first report of the session.
    pub begins: bool,
}

/// Creates the outbox messages of an event, one for each sink that receives the event. Clones have the same sinks.
#[derive(Debug, Clone, Default)]
pub struct OutboxPlanner {
    sinks: Arc<RwLock<Vec<PlannedSink>>>,
    waker: Option<Waker>,
}

/// The settings of a sink that its messages depend on.
#[derive(Debug)]
struct PlannedSink {
    name: String,
    from: Vec<DetectionOrigin>,
    format: SinkFormat,
    key: Option<KeyTemplate>,
}

impl OutboxPlanner {
    /// Creates a planner for these sinks. An invalid key template is logged and replaced by the default;
    /// [`KeyTemplate::parse`] checks a template.
    #[must_use]
    pub fn new(sinks: &[SinkSettings]) -> Self {
        let planner = Self::default();
        planner.set_sinks(sinks);
        planner
    }

    /// Replaces the sinks of this planner and of its clones.
    pub fn set_sinks(&self, sinks: &[SinkSettings]) {
        let sinks = sinks.iter().map(PlannedSink::of).collect();
        *self.sinks.write().unwrap_or_else(PoisonError::into_inner) = sinks;
    }

    /// Returns the planner with a waker, so that [`OutboxPlanner::wake_dispatcher`] wakes the dispatcher of this
    /// process.
    #[must_use]
    pub fn with_waker(self, waker: Waker) -> Self {
        Self { waker: Some(waker), ..self }
    }

    /// Wakes the dispatcher, so that it delivers new messages at once and not at its next poll. Call this after
    /// messages were recorded. Does nothing if the planner has no waker.
    pub fn wake_dispatcher(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }

    /// Returns the messages for this event, for [`refrain_catalog::Detections::record`]. The same event always gives
    /// the same messages, so an event that is recorded twice is delivered once.
    #[must_use]
    pub fn deliveries(&self, detection_event: &DetectionEvent<'_>) -> Vec<NewOutboxMessage> {
        // Sinks are filtered when messages are planned, not when they are delivered: a sink that is added later does
        // not get old events.
        let sinks = self.sinks.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = sinks.iter().filter(|sink| sink.from.contains(&detection_event.from));
        wanted.filter_map(|sink| sink.delivery(detection_event)).collect()
    }
}

impl PlannedSink {
    fn of(sink: &SinkSettings) -> Self {
        let key = match &sink.kind {
            SinkKind::S3 { key, .. } | SinkKind::Folder { key, .. } => Some(template(&sink.name, key)),
            _ => None,
        };
        // Sinks with keys write files, which always contain the whole response.
        let format = if key.is_some() { SinkFormat::Response } else { sink.format };
        Self { name: sink.name.clone(), from: sink.from.clone(), format, key }
    }

    fn delivery(&self, detection_event: &DetectionEvent<'_>) -> Option<NewOutboxMessage> {
        let body = match self.format {
            SinkFormat::Response => {
                (detection_event.event != CHANGE).then(|| detection_event.response.to_owned())?
            }
            SinkFormat::Song => song(detection_event.stream_id, &detection_event.song?),
        };
        let key = self.key.as_ref().map(|template| template.fill(&key_values(detection_event)));
        Some(NewOutboxMessage {
            sink: self.name.clone(),
            key: name(detection_event, self.format),
            payload: Envelope::new(detection_event.event, detection_event.stream_id, key, body).to_json(),
        })
    }
}

fn template(sink: &str, text: &str) -> KeyTemplate {
    // Templates are checked at the start, so an invalid one is a bug. A file with the default name is better than a
    // lost detection.
    KeyTemplate::parse(text).unwrap_or_else(|error| {
        tracing::error!(
            sink,
            template = text,
            %error,
            "the key template of the sink is invalid, a bug in refrain; naming files by the default template"
        );
        KeyTemplate::default()
    })
}

fn key_values<'a>(detection_event: &'a DetectionEvent<'_>) -> KeyValues<'a> {
    KeyValues {
        stream_id: detection_event.stream_id,
        channel: detection_event.channel,
        detection: detection_event.detection,
        event: detection_event.event,
        at: detection_event.at,
    }
}

/// Returns the name of the message in the outbox. The same event always has the same name.
fn name(detection_event: &DetectionEvent<'_>, format: SinkFormat) -> String {
    // After a crash, another worker repeats the event at a later time. The journal ignores the second message because
    // it has the same name, so the name must not contain the time.
    let of =
        detection_event.detection.map_or_else(|| detection_event.stream_id.to_owned(), |id| id.to_string());
    let mut name = format!("{of}/{}/{}", detection_event.event, detection_event.number);
    if let (SinkFormat::Song, Some(now)) = (format, detection_event.song) {
        // The start and the end of an airing can both change the song of the stream, so their messages need different
        // names.
        name.push_str(if now.song.is_some() { "/song" } else { "/none" });
    }
    if name.len() <= MAX_NAME_BYTES {
        return name;
    }
    let hash = digest(&SHA256, name.as_bytes());
    // The hash covers the whole name. Otherwise, two names that differ only in the cut part would count as one message,
    // and the second message would be lost.
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES - 1 - 2 * hash.as_ref().len()));
    name.push('/');
    name + &hexadecimal(hash.as_ref())
}

/// A message in the format `song`, with the fields of the stream check in the AWS sample.
#[derive(Serialize)]
struct SongMessage<'a> {
    stream: &'a str,
    song: Option<&'a str>,
    score: u32,
}

fn song(stream: &str, now: &CurrentSong<'_>) -> String {
    let (song, score) = match now.song {
        // The sample of AWS reports this title only at the beginning of a stream, and `null` between two songs.
        None if now.begins => (Some(NOT_RECOGNIZED), 0),
        song => (song, now.score),
    };
    serde_json::to_string(&SongMessage { stream, song, score }).unwrap_or_default()
}
