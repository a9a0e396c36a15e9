//! What is delivered of an event.

use std::sync::Arc;

use chrono::{DateTime, Local};
use refrain_catalog::{DetectionId, NewDelivery};

use crate::settings::{From, SinkSettings};

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
    /// Tells updates of one airing apart: the stream time of the decision, milliseconds; 0 for the others.
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
    sinks: Arc<[SinkSettings]>,
}

impl Planner {
    /// With these sinks.
    #[must_use]
    pub fn new(sinks: &[SinkSettings]) -> Self {
        Self { sinks: sinks.into() }
    }

    /// What goes into the outbox with the news, for [`refrain_catalog::Journal::record`]. The same news gives the same
    /// messages, so told twice it is delivered once.
    #[must_use]
    pub fn deliveries(&self, news: &News<'_>) -> Vec<NewDelivery> {
        let wanted = self.sinks.iter().filter(|sink| sink.from.contains(&news.from));
        let key = match news.detection {
            Some(id) => format!("{id}/{}/{}", news.event, news.number),
            None => format!("{}/{}/{}", news.stream_id, news.event, news.number),
        };
        let delivery = |sink: &SinkSettings| NewDelivery {
            sink: sink.name.clone(),
            key: key.clone(),
            payload: news.response.to_owned(),
        };
        wanted.map(delivery).collect()
    }
}
