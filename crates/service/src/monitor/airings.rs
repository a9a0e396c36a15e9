//! Which airing of a stream is which detection.

use std::sync::Arc;

use refrain_catalog::{DetectionId, TrackNumber};
use refrain_core::matching::Match;
use refrain_core::matching::live::{Airing, LiveEvent, LiveEventKind, LiveState};
use refrain_stream::Clock;

use super::event::{OpenAiring, StreamEvent};
use super::status::AiringNow;

/// An airing that goes on.
#[derive(Debug)]
struct Known {
    number: u64,
    id: DetectionId,
    track: TrackNumber,
    start: f64,
    /// Seconds since 1970 of the stream's start as they were when it was found: its events agree on its start.
    origin: f64,
}

/// The airings of a stream that go on, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Airings {
    known: Vec<Known>,
    /// Those of another worker, until the first sound tells where they are.
    awaited: Vec<OpenAiring>,
}

impl Airings {
    /// Those of another worker.
    pub(super) fn of(awaited: Vec<OpenAiring>) -> Self {
        Self { known: Vec::new(), awaited }
    }

    /// Whether the first sound decides on some.
    pub(super) fn is_awaiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// The airings of another worker in a stream whose first sample is at this time of day.
    pub(super) fn begin(&mut self, origin: f64) -> Vec<Airing> {
        let awaited = std::mem::take(&mut self.awaited);
        let airing = |(number, open): (u64, OpenAiring)| {
            let (from, to) = (open.heard.query_start - origin, open.heard.query_end - origin);
            let heard = Match { query_start: from, query_end: to, ..open.heard };
            let (id, track) = (open.id, heard.track);
            self.known.push(Known { number, id, track, start: from, origin });
            Airing { id: number, reference_end: heard.reference_start + (to - from) * heard.speed, heard }
        };
        (1..).zip(awaited).map(airing).collect()
    }

    /// The final events of those that no sound decided on.
    pub(super) fn give_up(&mut self, stream: &Arc<str>) -> Vec<StreamEvent> {
        let last = |open: OpenAiring| StreamEvent {
            stream: Arc::clone(stream),
            kind: LiveEventKind::Final.into(),
            airing: open.id,
            epoch: open.heard.query_start,
            known_at: 0.0,
            clock: None,
            clock_offset: None,
            heard: Match {
                query_start: 0.0,
                query_end: open.heard.query_end - open.heard.query_start,
                ..open.heard
            },
        };
        std::mem::take(&mut self.awaited).into_iter().map(last).collect()
    }

    /// As a status has them.
    pub(super) fn now(&self) -> Vec<AiringNow> {
        let now = |airing: &Known| AiringNow {
            id: airing.id,
            track: airing.track,
            epoch: airing.origin + airing.start,
        };
        self.known.iter().map(now).collect()
    }

    /// What goes on, as updates.
    pub(super) fn updates(&self, state: LiveState) -> Vec<LiveEvent> {
        let known_at = state.decided_until;
        let update =
            |Airing { id, heard, .. }| LiveEvent { kind: LiveEventKind::Update, airing: id, known_at, heard };
        state.airings.into_iter().map(update).collect()
    }

    /// What the matcher tells, with the identity and the time of day of its airing.
    pub(super) fn event(&mut self, event: LiveEvent, stream: &Arc<str>, clock: &Clock) -> StreamEvent {
        let start = event.heard.query_start;
        let at = self.known.iter().position(|known| known.number == event.airing);
        let (id, origin) = match at.and_then(|at| self.known.get_mut(at)) {
            Some(known) => {
                known.start = start;
                (known.id, known.origin)
            }
            None => {
                let (id, origin) = (DetectionId::fresh(), clock.epoch(start).unwrap_or_default() - start);
                let (number, track) = (event.airing, event.heard.track);
                self.known.push(Known { number, id, track, start, origin });
                (id, origin)
            }
        };
        if event.kind == LiveEventKind::Final {
            self.known.retain(|known| known.id != id);
        }
        StreamEvent {
            stream: Arc::clone(stream),
            kind: event.kind.into(),
            airing: id,
            epoch: origin + start,
            known_at: event.known_at,
            clock: clock.source(),
            clock_offset: clock.arrival_offset(),
            heard: event.heard,
        }
    }
}
