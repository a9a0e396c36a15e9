//! Events of the airings of a stream.

use std::sync::Arc;

use refrain_catalog::DetectionId;
use refrain_core::matching::Match;
use refrain_core::matching::live::LiveEventKind;
use refrain_stream::ClockSource;

/// The kind of a [`StreamEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The airing was found.
    Start,
    /// The airing continues.
    Update,
    /// The airing has ended; its start and end are exact.
    Final,
}

impl EventKind {
    /// Returns the name that responses contain: `start`, `update` or `final`.
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

/// An event of an airing. Each airing has one start, any number of updates, and one final.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// Id of the stream.
    pub stream: Arc<str>,
    /// The kind of the event.
    pub kind: EventKind,
    /// Id of the airing.
    pub airing: DetectionId,
    /// The match so far. Its query times are seconds since the stream's first sample.
    pub detected: Match,
    /// Start of the airing, seconds since 1970.
    pub epoch: f64,
    /// Stream time of the decision to emit this event, in seconds. Audio after this time did not influence the
    /// decision.
    pub known_at: f64,
    /// The source of the times of day; `None` if no audio was decoded.
    pub clock: Option<ClockSource>,
    /// Delay of the stream: seconds from the date of its newest segment, as the stream declares it, to the arrival of
    /// this segment. `None` if the stream declares no dates.
    pub clock_offset: Option<f64>,
}

/// An airing that was open when an earlier worker stopped following the stream, and that may continue.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAiring {
    /// Id of the airing.
    pub id: DetectionId,
    /// The match so far. Its query times are seconds since 1970.
    pub detected: Match,
}
