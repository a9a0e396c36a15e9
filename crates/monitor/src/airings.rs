//! Converts events of the matcher to detections, and continues the open airings of an earlier worker.

use std::collections::VecDeque;

use refrain_catalog::{Detection, DetectionId, TrackNumber};
use refrain_core::index::Snapshot;
use refrain_core::matching::live::{Airing, EventKind, LiveEvent, LiveState};
use refrain_stream::StreamClock;

use super::invariants;
use super::status::CurrentAiring;

/// Maximum number of gaps that are stored for each stream, with 16 bytes each. Gaps extend the maximum length of an
/// airing. At half this value, a long airing in a stream that loses a segment every few seconds is reported with an end
/// that is too early; at twice this value, nothing changes for usual streams.
const MAX_GAPS: usize = 256;

/// Maximum difference between the clocks of two workers, in seconds. Both clocks are estimates from arrivals, which
/// differ by a long segment at most. An airing that is found further from its expected position plays another place of
/// its track, and its times are not corrected. At half this value, the reported length of an airing is wrong by up to
/// 10 s after a take-over of a stream with 10-s segments. At twice this value, a chorus that repeats 20 s later moves
/// the start of the airing.
const MAX_SHIFT_SECONDS: f64 = 15.0;

/// Minimum difference that is attributed to the clocks of the two workers, in seconds. Smaller differences are errors
/// of line fits. At half this value, errors of line fits move the start of airings; at twice this value, the length of
/// an airing can be wrong by 0.2 s after a take-over.
const MIN_SHIFT_SECONDS: f64 = 0.1;

/// An open airing, with the data that its next events need.
#[derive(Debug)]
struct FollowedAiring {
    number: u64,
    id: DetectionId,
    track: TrackNumber,
    start: f64,
    /// Time of day of the first sample of the stream, seconds since 1970, computed from the clock when the airing was
    /// found or resumed. All events of the airing use this value, so that they report the same start.
    origin: f64,
    /// Seconds to add to the start of the airing in the events of the matcher, because the clocks of the earlier worker
    /// and of this worker differ; 0 if no correction is necessary.
    shift: f64,
    /// Expected position of an airing of an earlier worker. `None` after this worker has found the airing, and for
    /// airings without an earlier worker or with exact times.
    expected: Option<ExpectedPosition>,
    track_seconds: Option<f64>,
    /// Seconds of missing audio in the airing before this worker: the gaps that the earlier worker counted, and the time
    /// from the end that it reported to the first sample of this worker. 0 for airings without an earlier worker.
    earlier_gaps: f64,
    /// Position in the stream from which this worker counts gaps in the airing, in seconds. Earlier gaps are not in the
    /// airing, or the earlier worker has counted them.
    gaps_from: f64,
    /// End in the last event of the airing, in seconds of the stream; `None` before the first event.
    reported_end: Option<f64>,
    /// Number of splices in the airing that have been counted. The point where the audio of two workers joins looks like
    /// a splice, but the stream has none, so it is counted from the start.
    splices: usize,
}

/// Expected position of an airing of an earlier worker, according to the clock of that worker.
#[derive(Debug, Clone, Copy)]
struct ExpectedPosition {
    /// A time of the stream, in seconds; `reference` is the position in the track at this time, in seconds.
    query: f64,
    reference: f64,
    speed: f64,
}

impl ExpectedPosition {
    /// Returns the seconds by which the stream is later than expected; negative if it is earlier. Returns `None` if the
    /// end of the found airing is not after the expected time.
    fn shift(&self, found: &Airing) -> Option<f64> {
        let at = found.detected.query_end;
        let reference = self.reference + (at - self.query) * self.speed;
        let shift = (reference - found.reference_end) / self.speed;
        // An end before the expected time can be the end that the earlier worker found, which shows no difference.
        (at > self.query && shift.is_finite()).then_some(shift)
    }
}

/// The open airings of a stream, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Airings {
    known: Vec<FollowedAiring>,
    /// Open airings of an earlier worker that have not been resumed yet. They are resumed when the first decoded audio
    /// gives the time of day of this worker's stream.
    awaited: Vec<Detection>,
    /// True if the times of the airings in `awaited` need no correction, because they are exact in this worker's stream
    /// time.
    pub(super) exact: bool,
    /// Position and length of the last gaps in seconds, oldest first.
    gaps: VecDeque<(f64, f64)>,
}

impl Airings {
    /// Creates the airings of a stream that an earlier worker followed. `awaited` are the airings that the earlier
    /// worker left open.
    pub(super) fn of(awaited: Vec<Detection>) -> Self {
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

    /// Returns true if this worker has not found all airings of an earlier worker yet, so that their times may need a
    /// correction.
    pub(super) fn is_aligning(&self) -> bool {
        self.known.iter().any(|known| known.expected.is_some())
    }

    /// Corrects the times of an earlier worker's airings when this worker finds them in `found`. The start of an airing
    /// keeps its time of day by the earlier worker's clock. Its start and its reported end are moved by the difference
    /// between both clocks in stream time, so this difference does not change the length of the airing.
    pub(super) fn align(&mut self, found: &LiveState) {
        for airing in &found.airings {
            let Some(known) = self.known.iter_mut().find(|known| known.number == airing.id) else { continue };
            let Some(shift) = known.expected.and_then(|expected| expected.shift(airing)) else { continue };
            // Only the first found position is compared: later differences are splices of the stream and not
            // differences of the clocks.
            known.expected = None;
            if (MIN_SHIFT_SECONDS..=MAX_SHIFT_SECONDS).contains(&shift.abs()) {
                // The two values change by opposite amounts, so that the start keeps its time of day.
                (known.shift, known.origin) = (shift, known.origin - shift);
                known.reported_end = known.reported_end.map(|end| end + shift);
                tracing::debug!(
                    airing = %known.id,
                    shift_seconds = shift,
                    "airing of an earlier worker found, its times shifted to the clock of this worker"
                );
            }
        }
    }

    /// Returns true if there are airings of an earlier worker that have not been resumed, because no audio has been
    /// decoded.
    pub(super) fn is_awaiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Resumes the airings of an earlier worker: returns them with times of this worker's stream. The first sample of
    /// the stream is at `origin`, seconds since 1970. `exact` is true if both workers have the same clock.
    pub(super) fn begin(&mut self, origin: f64, exact: bool, snapshot: &Snapshot) -> Vec<Airing> {
        let awaited = std::mem::take(&mut self.awaited);
        let exact = exact || self.exact;
        let airing = |(number, mut open): (u64, Detection)| {
            open.set_origin(origin);
            let Detection { id, detected, reference_end, current_speed, missing_seconds, .. } = open;
            let (to, track) = (detected.query_end, detected.track);
            // Rows of detections are input of another process; a speed of 0 would cause a division by zero.
            let speed = if current_speed > 0.0 { current_speed } else { 1.0 };
            self.known.push(FollowedAiring {
                number,
                id,
                track,
                start: detected.query_start,
                origin,
                shift: 0.0,
                expected: (!exact).then_some(ExpectedPosition { query: to, reference: reference_end, speed }),
                track_seconds: snapshot.track_seconds(track),
                earlier_gaps: missing_seconds + (-to).max(0.0),
                gaps_from: to,
                reported_end: Some(to),
                // Between n segments are n - 1 splices, and then the point where the audio of both workers joins.
                splices: detected.segments.len().max(1),
            });
            Airing { id: number, detected, reference_end, current_speed: speed }
        };
        // The numbers of the matcher of this worker continue after those of the resumed airings.
        (1..).zip(awaited).map(airing).collect()
    }

    /// Returns the final events of the airings that were never resumed, because this worker decoded no audio.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Detection> {
        std::mem::take(&mut self.awaited).into_iter().map(|open| Detection { kind: EventKind::Final, ..open })
    }

    /// Returns the open airings for the status of the stream, in the order in which they were found.
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
        let update = |airing| LiveEvent { kind: EventKind::Update, known_at, airing };
        state.airings.into_iter().map(update).collect()
    }

    /// Converts an event of the matcher of the stream with the id `stream`: adds the identity and the time of day of its
    /// airing, and corrects an invalid end.
    pub(super) fn detection(
        &mut self,
        event: LiveEvent,
        stream: &str,
        clock: &StreamClock,
        snapshot: &Snapshot,
    ) -> Detection {
        let LiveEvent { kind, known_at, airing } = event;
        // The airing is removed from the list, because a final event is the last one. All other events add it again.
        let mut known = match self.known.iter().position(|known| known.number == airing.id) {
            Some(at) => self.known.remove(at),
            None => FollowedAiring::new(&airing, clock, snapshot),
        };
        let Airing { mut detected, mut reference_end, current_speed, .. } = airing;
        detected.query_start += known.shift;
        // The segments must agree with the start, because responses derive the reference position from both.
        if let Some(first) = detected.segments.first_mut() {
            first.query_start = detected.query_start;
        }
        let start = detected.query_start;
        let is_final = kind == EventKind::Final;
        let missing_seconds = known.earlier_gaps + self.gaps_since(known.gaps_from.max(start));
        let rules = invariants::AiringBounds {
            track_seconds: known.track_seconds,
            gap_seconds: missing_seconds,
            // An update may end earlier than the previous one, if the matcher withdraws audio. A final event may not.
            reported_end: known.reported_end.filter(|_| is_final),
        };
        let end = detected.query_end;
        let corrected = invariants::enforce(&mut detected, &rules);
        reference_end += (detected.query_end - end) * current_speed;
        if let Some(invariants::EndCorrection { rule, seconds }) = corrected {
            tracing::warn!(
                %stream,
                airing = %known.id,
                rule,
                moved_seconds = seconds,
                "the computed end of the airing breaks a rule, reporting a moved end; please report this with the log"
            );
        }
        known.start = start;
        known.reported_end = Some(detected.query_end);
        let (id, origin) = (known.id, known.origin);
        if !is_final {
            self.known.push(known);
            // The status lists airings in the order in which they were found.
            self.known.sort_by_key(|known| known.number);
        }
        Detection {
            id,
            kind,
            detected,
            reference_end,
            current_speed,
            origin,
            known_at,
            clock: clock.source(),
            // The delay of a stream is never negative: a negative value means that the stream's clock is ahead of this
            // machine's.
            clock_offset: clock.arrival_offset().map(|offset| offset.max(0.0)),
            missing_seconds,
        }
    }

    /// Returns the length in seconds of each splice of an event's airing that has not been counted yet, and counts
    /// these splices. A splice is missing or repeated audio.
    pub(super) fn new_splices(&mut self, event: &LiveEvent) -> Vec<f64> {
        let known = self.known.iter_mut().find(|known| known.number == event.airing.id);
        let counted = known.as_ref().map_or(0, |known| known.splices);
        let new: Vec<f64> = event.airing.detected.jumps().skip(counted).map(f64::abs).collect();
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
    /// Creates an airing from `found`, the state in its first event.
    fn new(found: &Airing, clock: &StreamClock, snapshot: &Snapshot) -> Self {
        let start = found.detected.query_start;
        Self {
            number: found.id,
            id: DetectionId::generate(),
            track: found.detected.track,
            start,
            origin: clock.epoch(start).unwrap_or_default() - start,
            shift: 0.0,
            expected: None,
            track_seconds: snapshot.track_seconds(found.detected.track),
            earlier_gaps: 0.0,
            gaps_from: f64::NEG_INFINITY,
            reported_end: None,
            splices: 0,
        }
    }
}
