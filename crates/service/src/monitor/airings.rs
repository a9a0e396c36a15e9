//! Which airing of a stream is which detection.

use std::collections::VecDeque;
use std::sync::Arc;

use refrain_catalog::{DetectionId, TrackNumber};
use refrain_core::index::Snapshot;
use refrain_core::matching::Match;
use refrain_core::matching::live::{Airing, LiveEvent, LiveEventKind, LiveState};
use refrain_stream::Clock;

use super::event::{OpenAiring, StreamEvent};
use super::invariants;
use super::status::AiringNow;

/// Gaps that are remembered; older ones are in no airing that goes on.
const MAX_GAPS: usize = 256;

/// The clocks of two workers differ by no more than this, seconds. An airing that is found further from its place is at
/// another place of its track.
const MAX_SHIFT_SECONDS: f64 = 15.0;

/// Differences below this are those of line fits, not of clocks, seconds.
const MIN_SHIFT_SECONDS: f64 = 0.1;

/// An airing that goes on.
#[derive(Debug)]
struct Known {
    number: u64,
    id: DetectionId,
    track: TrackNumber,
    start: f64,
    /// Seconds since 1970 of the stream's start as they were when it was found: its events agree on its start.
    origin: f64,
    /// Seconds that its start is later in this worker's stream time than the earlier worker's clock says.
    shift: f64,
    /// Where it should be, as long as it was not found again by this worker.
    expected: Option<Expected>,
    track_seconds: Option<f64>,
    /// Gap between the earlier worker and this one, seconds.
    hole: f64,
    /// End in its last event, seconds of the stream.
    reported_end: Option<f64>,
    /// Splices in it that were counted. That between two workers' parts of it is none.
    splices: usize,
}

/// Where an airing of an earlier worker should be by its clock.
#[derive(Debug, Clone, Copy)]
struct Expected {
    /// A time of the stream and the position in the track there, seconds.
    query: f64,
    reference: f64,
    speed: f64,
}

impl Expected {
    /// By how much the stream is later than expected, seconds, if the airing was found.
    fn shift(&self, found: &Airing) -> Option<f64> {
        let at = found.heard.query_end;
        let reference = self.reference + (at - self.query) * self.speed;
        let shift = (reference - found.reference_end) / self.speed;
        (at > self.query && shift.is_finite()).then_some(shift)
    }
}

/// The airings of a stream that go on, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Airings {
    known: Vec<Known>,
    /// Those of another worker, until the first sound tells where they are.
    awaited: Vec<OpenAiring>,
    /// Whether the times of those are exact in this worker's stream time.
    pub(super) exact: bool,
    /// Position and length of gaps, seconds.
    gaps: VecDeque<(f64, f64)>,
}

impl Airings {
    /// Those of another worker.
    pub(super) fn of(awaited: Vec<OpenAiring>) -> Self {
        Self { awaited, ..Self::default() }
    }

    /// Notes a gap in the stream, seconds.
    pub(super) fn add_gap(&mut self, position: f64, seconds: f64) {
        if self.gaps.len() >= MAX_GAPS {
            self.gaps.pop_front();
        }
        self.gaps.push_back((position, seconds));
    }

    /// Returns true if airings of another worker were not placed by this one yet.
    pub(super) fn is_aligning(&self) -> bool {
        self.known.iter().any(|known| known.expected.is_some())
    }

    /// Places airings of another worker by where they were found in their tracks. So they keep their start on its clock, and
    /// end as many seconds later as were heard, also where this worker's clock differs.
    pub(super) fn align(&mut self, found: &LiveState) {
        for airing in &found.airings {
            let Some(known) = self.known.iter_mut().find(|known| known.number == airing.id) else { continue };
            let Some(shift) = known.expected.and_then(|expected| expected.shift(airing)) else { continue };
            known.expected = None;
            if (MIN_SHIFT_SECONDS..=MAX_SHIFT_SECONDS).contains(&shift.abs()) {
                (known.shift, known.origin) = (shift, known.origin - shift);
                known.reported_end = known.reported_end.map(|end| end + shift);
                tracing::debug!(airing = %known.id, shift_seconds = shift, "airing of another worker aligned");
            }
        }
    }

    /// Whether the first sound decides on some.
    pub(super) fn is_awaiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// The airings of another worker in a stream whose first sample is at this time of day; `exact` if this worker has the
    /// other one's clock.
    pub(super) fn begin(&mut self, origin: f64, exact: bool, snapshot: &Snapshot) -> Vec<Airing> {
        let awaited = std::mem::take(&mut self.awaited);
        let exact = exact || self.exact;
        let airing = |(number, open): (u64, OpenAiring)| {
            let (from, to) = (open.heard.query_start - origin, open.heard.query_end - origin);
            let heard = Match { query_start: from, query_end: to, ..open.heard };
            let (id, track) = (open.id, heard.track);
            let reference_end = heard.reference_start + (to - from) * heard.speed;
            let speed = if heard.speed > 0.0 { heard.speed } else { 1.0 };
            self.known.push(Known {
                number,
                id,
                track,
                start: from,
                origin,
                shift: 0.0,
                expected: (!exact).then_some(Expected { query: to, reference: reference_end, speed }),
                track_seconds: snapshot.track_seconds(track),
                hole: (-to).max(0.0),
                reported_end: Some(to),
                splices: 1,
            });
            Airing { id: number, reference_end, heard }
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
    pub(super) fn event(
        &mut self,
        mut event: LiveEvent,
        stream: &Arc<str>,
        clock: &Clock,
        snapshot: &Snapshot,
    ) -> StreamEvent {
        let mut known = match self.known.iter().position(|known| known.number == event.airing) {
            Some(at) => self.known.remove(at),
            None => Known::new(&event, clock, snapshot),
        };
        event.heard.query_start += known.shift;
        if let Some(first) = event.heard.segments.first_mut() {
            first.query_start = event.heard.query_start;
        }
        let start = event.heard.query_start;
        let is_final = event.kind == LiveEventKind::Final;
        let rules = invariants::Known {
            track_seconds: known.track_seconds,
            gap_seconds: known.hole + self.gaps_since(start),
            reported_end: known.reported_end.filter(|_| is_final),
        };
        if let Some(corrected) = invariants::enforce(&mut event.heard, &rules) {
            let invariants::Corrected { rule, seconds } = corrected;
            tracing::warn!(%stream, airing = %known.id, rule, moved_seconds = seconds, "end of an airing corrected");
        }
        known.start = start;
        known.reported_end = Some(event.heard.query_end);
        let (id, origin) = (known.id, known.origin);
        if !is_final {
            self.known.push(known);
            self.known.sort_by_key(|known| known.number);
        }
        StreamEvent {
            stream: Arc::clone(stream),
            kind: event.kind.into(),
            airing: id,
            epoch: origin + start,
            known_at: event.known_at,
            clock: clock.source(),
            // A stream whose clock is ahead of this machine's has no negative delay.
            clock_offset: clock.arrival_offset().map(|offset| offset.max(0.0)),
            heard: event.heard,
        }
    }

    /// Seconds of each splice of an event's airing that was not counted before: sound that is missing or repeated.
    pub(super) fn new_splices(&mut self, event: &LiveEvent) -> Vec<f64> {
        let known = self.known.iter_mut().find(|known| known.number == event.airing);
        let counted = known.as_ref().map_or(0, |known| known.splices);
        let new: Vec<f64> = event.heard.jumps().skip(counted).map(f64::abs).collect();
        if let Some(known) = known {
            known.splices += new.len();
        }
        new
    }

    /// Seconds of gaps from a position on.
    fn gaps_since(&self, start: f64) -> f64 {
        self.gaps.iter().filter(|(position, _)| *position >= start).map(|(_, seconds)| seconds).sum()
    }
}

impl Known {
    /// An airing that was found now.
    fn new(event: &LiveEvent, clock: &Clock, snapshot: &Snapshot) -> Self {
        let start = event.heard.query_start;
        Self {
            number: event.airing,
            id: DetectionId::fresh(),
            track: event.heard.track,
            start,
            origin: clock.epoch(start).unwrap_or_default() - start,
            shift: 0.0,
            expected: None,
            track_seconds: snapshot.track_seconds(event.heard.track),
            hole: 0.0,
            reported_end: None,
            splices: 0,
        }
    }
}
