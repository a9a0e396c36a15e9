//! What is delivered of an event.

use std::fmt::Write;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Local};
use refrain_catalog::{DetectionId, NewDelivery};
use serde::Serialize;

use super::courier::Waker;
use super::envelope::Envelope;
use super::key::{Filling, KeyTemplate};
use crate::settings::{Format, From, SinkKind, SinkSettings};

/// Most bytes of what names a message in the outbox: with the sink's name it stays under what the journal takes.
const LONGEST_NAME: usize = 1_500;

/// The event of which only sinks of format `song` hear.
const CHANGE: &str = "change";

/// The song of a stream that starts without one, as the AWS sample tells it.
const NOT_RECOGNIZED: &str = "Not Recognized";

/// Something to tell of an airing.
#[derive(Debug)]
pub struct News<'a> {
    /// Where it was heard.
    pub from: From,
    /// The `unknownAssetID`: `{stream_id}` of keys.
    pub stream_id: &'a str,
    /// ARN of the channel, if there is one.
    pub channel: Option<&'a str>,
    /// The airing; `None` where nothing was heard (a stream begins without a song, a file has none).
    pub detection: Option<DetectionId>,
    /// `start`, `update`, `final`; `change` where only the song of a stream is told.
    pub event: &'a str,
    /// Tells updates of one airing apart: the stream time of the decision, milliseconds; 0 for the others. Without a
    /// detection it tells one session of a stream, one upload of a file from the next: when it started, milliseconds.
    pub number: u64,
    /// When it was found out: what names files.
    pub at: DateTime<Local>,
    /// The response, JSON.
    pub response: &'a str,
    /// For sinks of format `song`: what is told if the song of the stream changes by this: its title, `None` if nothing is
    /// recognised, and the score.
    pub song: Option<SongNow<'a>>,
}

/// The song of a stream, as the AWS sample tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SongNow<'a> {
    /// Its name, `None` if no song plays any more.
    pub song: Option<&'a str>,
    /// How sure: peaks that were found.
    pub score: u32,
    /// Whether this is the beginning of the stream.
    pub begins: bool,
}

/// Knows the sinks.
#[derive(Debug, Clone, Default)]
pub struct Planner {
    sinks: Arc<[Planned]>,
    waker: Option<Waker>,
}

/// A sink as far as messages are made for it.
#[derive(Debug)]
struct Planned {
    name: String,
    from: Vec<From>,
    format: Format,
    key: Option<KeyTemplate>,
}

impl Planner {
    /// With these sinks. Their templates of keys were checked with [`KeyTemplate::parse`]; of one that is none the default
    /// takes the place.
    #[must_use]
    pub fn new(sinks: &[SinkSettings]) -> Self {
        Self { sinks: sinks.iter().map(Planned::of).collect(), waker: None }
    }

    /// The same, whose [`Planner::recorded`] wakes the courier of this process.
    #[must_use]
    pub fn waking(self, waker: Waker) -> Self {
        Self { waker: Some(waker), ..self }
    }

    /// To be called after messages were recorded: they are delivered at once, and not at the courier's next look.
    pub fn recorded(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }

    /// What goes into the outbox with the news, for [`refrain_catalog::Journal::record`]. The same news gives the same
    /// messages, so told twice it is delivered once.
    #[must_use]
    pub fn deliveries(&self, news: &News<'_>) -> Vec<NewDelivery> {
        let wanted = self.sinks.iter().filter(|sink| sink.from.contains(&news.from));
        wanted.filter_map(|sink| sink.delivery(news)).collect()
    }
}

impl Planned {
    fn of(sink: &SinkSettings) -> Self {
        let key = match &sink.kind {
            SinkKind::S3 { key, .. } | SinkKind::Folder { key, .. } => Some(template(&sink.name, key)),
            _ => None,
        };
        // What has a key is a file of results.
        let format = if key.is_some() { Format::Response } else { sink.format };
        Self { name: sink.name.clone(), from: sink.from.clone(), format, key }
    }

    fn delivery(&self, news: &News<'_>) -> Option<NewDelivery> {
        let body = match self.format {
            Format::Response => (news.event != CHANGE).then(|| news.response.to_owned())?,
            Format::Song => song(news.stream_id, &news.song?),
        };
        let key = self.key.as_ref().map(|template| template.fill(&filling(news)));
        Some(NewDelivery {
            sink: self.name.clone(),
            key: name(news, self.format),
            payload: Envelope::new(news.event, news.stream_id, key, body).to_json(),
        })
    }
}

fn template(sink: &str, text: &str) -> KeyTemplate {
    KeyTemplate::parse(text).unwrap_or_else(|error| {
        tracing::error!(sink, %error, "the sink's key is no template; results get the default names");
        KeyTemplate::default()
    })
}

fn filling<'a>(news: &'a News<'_>) -> Filling<'a> {
    Filling {
        stream_id: news.stream_id,
        channel: news.channel,
        detection: news.detection,
        event: news.event,
        at: news.at,
    }
}

/// Names the message in the outbox: the same for the same news.
fn name(news: &News<'_>, format: Format) -> String {
    let of = news.detection.map_or_else(|| news.stream_id.to_owned(), |id| id.to_string());
    let mut name = format!("{of}/{}/{}", news.event, news.number);
    if let (Format::Song, Some(now)) = (format, news.song) {
        // The song that begins and its end may be changes of the same airing.
        name.push_str(if now.song.is_some() { "/song" } else { "/none" });
    }
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let whole = digest(&SHA256, name.as_bytes());
    name.truncate(name.floor_char_boundary(LONGEST_NAME - 1 - 2 * whole.as_ref().len()));
    name.push('/');
    name + &hexadecimal(whole.as_ref())
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The message of the AWS sample's stream check.
#[derive(Serialize)]
struct SongMessage<'a> {
    stream: &'a str,
    song: Option<&'a str>,
    score: u32,
}

fn song(stream: &str, now: &SongNow<'_>) -> String {
    let (song, score) = match now.song {
        None if now.begins => (Some(NOT_RECOGNIZED), 0),
        song => (song, now.score),
    };
    serde_json::to_string(&SongMessage { stream, song, score }).unwrap_or_default()
}
