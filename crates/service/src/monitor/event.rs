//! What is told of a stream.

use std::sync::Arc;

use refrain_catalog::DetectionId;
use refrain_core::matching::Match;
use refrain_core::matching::live::LiveEventKind;
use refrain_stream::ClockSource;

/// What happened to an airing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// It was found.
    Start,
    /// It goes on.
    Update,
    /// It is over; its ends are exact.
    Final,
}

impl EventKind {
    /// As responses carry it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::Final => "final",
        }
    }
}

impl From<LiveEventKind> for EventKind {
    fn from(kind: LiveEventKind) -> Self {
        match kind {
            LiveEventKind::Start => Self::Start,
            LiveEventKind::Update => Self::Update,
            LiveEventKind::Final => Self::Final,
        }
    }
}

/// An event in the life of an airing. Each airing has one start, any number of updates, and one final.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// Id of the stream.
    pub stream: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// Which airing.
    pub airing: DetectionId,
    /// What is known of it; times are seconds since the stream's first sample.
    pub heard: Match,
    /// Its start, seconds since 1970.
    pub epoch: f64,
    /// Stream time of the decision, seconds: what came after it was not looked at.
    pub known_at: f64,
    /// Where epoch times come from.
    pub clock: Option<ClockSource>,
    /// Seconds from the time that the stream gives for its newest sound to its arrival here.
    pub clock_offset: Option<f64>,
}

/// An airing that somebody else had found in a stream, and that may go on.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAiring {
    /// Which.
    pub id: DetectionId,
    /// What is known of it, but that its times in the stream are seconds since 1970.
    pub heard: Match,
}
