//! Maps the airings of a matcher to detections.

use std::collections::VecDeque;
use std::sync::Arc;

use refrain_catalog::{DetectionId, TrackNumber};
use refrain_core::index::Snapshot;
use refrain_core::matching::Match;
use refrain_core::matching::live::{Airing, LiveEvent, LiveEventKind, LiveState};
use refrain_stream::StreamClock;

use super::event::{OpenAiring, StreamEvent};
use super::invariants;
use super::status::CurrentAiring;

/// Maximum number of gaps that are kept, with 16 bytes each. Older ones are not part of any open airing. At half this
/// value, an airing in a stream that loses a segment every few seconds is cut to the rest of its track; at twice this
/// value, nothing changes for usual streams.
const MAX_GAPS: usize = 256;

/// Maximum difference between the clocks of two workers, in seconds. An airing that is found further from its expected
/// position is at another position of its track. Both clocks are estimates from arrivals, which differ by a long
/// segment at most. At half this value, a hand-over of a stream with 10-s segments is not aligned; at twice this value,
/// a repeated chorus 20 s away moves the start of the airing.
const MAX_SHIFT_SECONDS: f64 = 15.0;

/// Minimum difference that is attributed to the clocks, in seconds. Smaller ones are errors of line fits. At half this
/// value, fit errors move starts; at twice this value, a real difference of 0.2 s stays in the length of the airing.
const MIN_SHIFT_SECONDS: f64 = 0.1;

/// An open airing.
#[derive(Debug)]
struct FollowedAiring {
    number: u64,
    id: DetectionId,
    track: TrackNumber,
    start: f64,
    /// Time of day of the stream's start when the airing was found, seconds since 1970. All events of the airing use
    /// it, so that they have the same start.
    origin: f64,
    /// Seconds by which its start is later in this worker's stream time than by the earlier worker's clock.
    shift: f64,
    /// Expected position, until this worker finds the airing.
    expected: Option<ExpectedPosition>,
    track_seconds: Option<f64>,
    /// Gap between the earlier worker and this one, seconds.
    handover_gap: f64,
    /// End in the last event, in seconds of the stream.
    reported_end: Option<f64>,
    /// Number of splices in the airing that have been counted. The seam between the parts of two workers counts as
    /// counted: it is not a splice of the stream.
    splices: usize,
}

/// Expected position of an airing of an earlier worker, according to its clock.
#[derive(Debug, Clone, Copy)]
struct ExpectedPosition {
    /// A time of the stream and the position in the track at that time, both in seconds.
    query: f64,
    reference: f64,
    speed: f64,
}

impl ExpectedPosition {
    /// Returns the seconds by which the stream is later than expected, if the airing was found after the expected
    /// position.
    fn shift(&self, found: &Airing) -> Option<f64> {
        let at = found.detected.query_end;
        let reference = self.reference + (at - self.query) * self.speed;
        let shift = (reference - found.reference_end) / self.speed;
        // Before the expected position was reached, the match can still be the part that the earlier worker found.
        (at > self.query && shift.is_finite()).then_some(shift)
    }
}

/// The open airings of a stream, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Airings {
    known: Vec<FollowedAiring>,
    /// Airings of another worker, until the first piece gives the time of day of this worker's stream.
    awaited: Vec<OpenAiring>,
    /// True if the times of the awaited airings are exact in this worker's stream time.
    pub(super) exact: bool,
    /// Position and length of gaps, in seconds.
    gaps: VecDeque<(f64, f64)>,
}

impl Airings {
    /// Creates a set that awaits the open airings of another worker.
    pub(super) fn of(awaited: Vec<OpenAiring>) -> Self {
        Self { awaited, ..Self::default() }
    }

    /// Records a gap in the stream; position and length are in seconds.
    pub(super) fn add_gap(&mut self, position: f64, seconds: f64) {
        if self.gaps.len() >= MAX_GAPS {
            // Bounded, because a damaged stream can contain a gap in each segment for days.
            self.gaps.pop_front();
        }
        self.gaps.push_back((position, seconds));
    }

    /// Returns true if this worker has not found the position of some airings of another worker yet.
    pub(super) fn is_aligning(&self) -> bool {
        self.known.iter().any(|known| known.expected.is_some())
    }

    /// Corrects the times of another worker's airings by the positions that were found in their tracks. They keep their
    /// start on the other worker's clock, and end as many seconds later as were processed since, even if this worker's
    /// clock differs.
    pub(super) fn align(&mut self, found: &LiveState) {
        for airing in &found.airings {
            let Some(known) = self.known.iter_mut().find(|known| known.number == airing.id) else { continue };
            let Some(shift) = known.expected.and_then(|expected| expected.shift(airing)) else { continue };
            // Only the first position counts: later differences are splices of the stream and not of the clocks.
            known.expected = None;
            if (MIN_SHIFT_SECONDS..=MAX_SHIFT_SECONDS).contains(&shift.abs()) {
                // The start keeps its time of day: what the position gains, the origin loses.
                (known.shift, known.origin) = (shift, known.origin - shift);
                known.reported_end = known.reported_end.map(|end| end + shift);
                tracing::debug!(airing = %known.id, shift_seconds = shift, "airing of another worker aligned");
            }
        }
    }

    /// Returns true if airings of another worker await the first piece.
    pub(super) fn is_awaiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Returns the airings of another worker in the time of this worker's stream, whose first sample is at `origin`,
    /// seconds since 1970. `exact` is true if both workers have the same clock.
    pub(super) fn begin(&mut self, origin: f64, exact: bool, snapshot: &Snapshot) -> Vec<Airing> {
        let awaited = std::mem::take(&mut self.awaited);
        let exact = exact || self.exact;
        let airing = |(number, open): (u64, OpenAiring)| {
            let (from, to) = (open.detected.query_start - origin, open.detected.query_end - origin);
            let detected = Match { query_start: from, query_end: to, ..open.detected };
            let (id, track) = (open.id, detected.track);
            let reference_end = detected.reference_start + (to - from) * detected.speed;
            // Rows of detections are input of another process; a speed of 0 would cause a division by zero.
            let speed = if detected.speed > 0.0 { detected.speed } else { 1.0 };
            self.known.push(FollowedAiring {
                number,
                id,
                track,
                start: from,
                origin,
                shift: 0.0,
                expected: (!exact).then_some(ExpectedPosition { query: to, reference: reference_end, speed }),
                track_seconds: snapshot.track_seconds(track),
                handover_gap: (-to).max(0.0),
                reported_end: Some(to),
                // The seam between both workers looks like a splice in the segments of the match.
                splices: 1,
            });
            Airing { id: number, reference_end, detected }
        };
        // The numbers of the matcher of this worker continue after those of the resumed airings.
        (1..).zip(awaited).map(airing).collect()
    }

    /// Returns the final events of the airings that still await the first piece.
    pub(super) fn give_up(&mut self, stream: &Arc<str>) -> Vec<StreamEvent> {
        let last = |open: OpenAiring| StreamEvent {
            stream: Arc::clone(stream),
            kind: LiveEventKind::Final.into(),
            airing: open.id,
            epoch: open.detected.query_start,
            known_at: 0.0,
            clock: None,
            clock_offset: None,
            detected: Match {
                query_start: 0.0,
                query_end: open.detected.query_end - open.detected.query_start,
                ..open.detected
            },
        };
        std::mem::take(&mut self.awaited).into_iter().map(last).collect()
    }

    /// Returns the open airings for the status.
    pub(super) fn now(&self) -> Vec<CurrentAiring> {
        let now = |airing: &FollowedAiring| CurrentAiring {
            id: airing.id,
            track: airing.track,
            epoch: airing.origin + airing.start,
        };
        self.known.iter().map(now).collect()
    }

    /// Returns an update event for each open airing.
    pub(super) fn updates(&self, state: LiveState) -> Vec<LiveEvent> {
        let known_at = state.decided_until;
        let update = |Airing { id, detected, .. }| LiveEvent {
            kind: LiveEventKind::Update,
            airing: id,
            known_at,
            detected,
        };
        state.airings.into_iter().map(update).collect()
    }

    /// Converts an event of the matcher: adds the identity and the time of day of its airing.
    pub(super) fn event(
        &mut self,
        mut event: LiveEvent,
        stream: &Arc<str>,
        clock: &StreamClock,
        snapshot: &Snapshot,
    ) -> StreamEvent {
        // Taken out of the list: a final event is the last use, and any other event puts it back.
        let mut known = match self.known.iter().position(|known| known.number == event.airing) {
            Some(at) => self.known.remove(at),
            None => FollowedAiring::new(&event, clock, snapshot),
        };
        event.detected.query_start += known.shift;
        // The segments must agree with the start, because responses derive the reference position from both.
        if let Some(first) = event.detected.segments.first_mut() {
            first.query_start = event.detected.query_start;
        }
        let start = event.detected.query_start;
        let is_final = event.kind == LiveEventKind::Final;
        let rules = invariants::AiringBounds {
            track_seconds: known.track_seconds,
            gap_seconds: known.handover_gap + self.gaps_since(start),
            // Updates may end earlier than the one before, if the matcher withdraws audio; only the final must not.
            reported_end: known.reported_end.filter(|_| is_final),
        };
        if let Some(corrected) = invariants::enforce(&mut event.detected, &rules) {
            let invariants::EndCorrection { rule, seconds } = corrected;
            tracing::warn!(%stream, airing = %known.id, rule, moved_seconds = seconds, "end of an airing corrected");
        }
        known.start = start;
        known.reported_end = Some(event.detected.query_end);
        let (id, origin) = (known.id, known.origin);
        if !is_final {
            self.known.push(known);
            // The status lists airings in the order in which they were found.
            self.known.sort_by_key(|known| known.number);
        }
        StreamEvent {
            stream: Arc::clone(stream),
            kind: event.kind.into(),
            airing: id,
            epoch: origin + start,
            known_at: event.known_at,
            clock: clock.source(),
            // The delay of a stream is not negative, even if its clock is ahead of this machine's.
            clock_offset: clock.arrival_offset().map(|offset| offset.max(0.0)),
            detected: event.detected,
        }
    }

    /// Returns the seconds of each splice of an event's airing that has not been counted yet. A splice is missing or
    /// repeated audio.
    pub(super) fn new_splices(&mut self, event: &LiveEvent) -> Vec<f64> {
        let known = self.known.iter_mut().find(|known| known.number == event.airing);
        let counted = known.as_ref().map_or(0, |known| known.splices);
        let new: Vec<f64> = event.detected.jumps().skip(counted).map(f64::abs).collect();
        if let Some(known) = known {
            known.splices += new.len();
        }
        new
    }

    /// Returns the seconds of gaps at or after the position `start`.
    fn gaps_since(&self, start: f64) -> f64 {
        self.gaps.iter().filter(|(position, _)| *position >= start).map(|(_, seconds)| seconds).sum()
    }
}

impl FollowedAiring {
    /// Creates an airing that was found now.
    fn new(event: &LiveEvent, clock: &StreamClock, snapshot: &Snapshot) -> Self {
        let start = event.detected.query_start;
        Self {
            number: event.airing,
            id: DetectionId::generate(),
            track: event.detected.track,
            start,
            origin: clock.epoch(start).unwrap_or_default() - start,
            shift: 0.0,
            expected: None,
            track_seconds: snapshot.track_seconds(event.detected.track),
            handover_gap: 0.0,
            reported_end: None,
            splices: 0,
        }
    }
}
