//! Airings that others told of: their sound is heard again by whoever goes on at the live edge, some segments back.

use std::collections::VecDeque;

use refrain_catalog::{Detection, DetectionId};

use crate::monitor::{EventKind, StreamEvent};

/// Airings that are remembered.
const MOST: usize = 16;

/// Alignments of one track that differ by no more are the same, seconds: where a playlist has no dates, clocks of two
/// workers differ by a segment.
const SAME: f64 = 8.0;

/// How far clocks of two workers may differ where an airing ends, seconds.
const CLOCKS: f64 = 2.0;

/// How long a stream may stand still in the middle of an airing, seconds: where it goes on later a song may be another
/// airing of it.
const STANDS_STILL: f64 = 60.0;

/// What was told, to its end or so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    finals: VecDeque<Detection>,
    /// Airings that went on when the stream was taken over. They may be found once more before they are followed.
    taken_over: Vec<Detection>,
    /// Airings that are one of these once more: nothing is told of them.
    again: Vec<DetectionId>,
}

impl Told {
    /// With what others told to its end, and what goes on of it.
    pub(super) fn of(finals: Vec<Detection>, taken_over: Vec<Detection>) -> Self {
        let mut told = Self { taken_over, ..Self::default() };
        finals.into_iter().for_each(|one| told.learn(one));
        told
    }

    /// An airing is over.
    pub(super) fn learn(&mut self, one: Detection) {
        if self.finals.len() >= MOST {
            self.finals.pop_front();
        }
        self.finals.push_back(one);
    }

    /// Whether an event is of an airing that was told, once more.
    pub(super) fn is_again(&mut self, event: &StreamEvent) -> bool {
        let id = event.airing;
        let known = self.again.contains(&id);
        if event.kind == EventKind::Final {
            self.again.retain(|again| *again != id);
        }
        if event.kind != EventKind::Start {
            return known;
        }
        let ended = |one: &Detection| end(one) + CLOCKS;
        let is_same = self.finals.iter().any(|one| is_same(one, event, ended(one)))
            || self.taken_over.iter().any(|one| one.id != id && is_same(one, event, f64::INFINITY));
        if is_same {
            self.again.push(id);
        }
        is_same
    }
}

/// Whether an event begins an airing that is this one again: it begins while this one is heard, or before `until` in the
/// same alignment. A track is heard once at a time; one that repeats itself may be found in another place of it.
fn is_same(one: &Detection, event: &StreamEvent, until: f64) -> bool {
    let overlaps = event.epoch < end(one) - CLOCKS;
    one.track == event.heard.track
        && event.epoch >= start(one) - SAME
        && (overlaps || event.epoch < until && is_along(one, event))
}

/// Whether the alignment is the same. A stream that stood still since it was last heard is behind its clock by so much at
/// most.
fn is_along(one: &Detection, event: &StreamEvent) -> bool {
    let expected = one.reference_start + (event.epoch - start(one)) * one.speed;
    let ahead = event.heard.reference_start - expected;
    let stood_still = (event.epoch - end(one)).clamp(0.0, STANDS_STILL);
    (-SAME - stood_still..SAME).contains(&ahead)
}

/// When an airing begins, seconds since 1970.
fn start(one: &Detection) -> f64 {
    one.start_at as f64 / 1000.0
}

/// Until when it is known to go on, seconds since 1970.
fn end(one: &Detection) -> f64 {
    one.end_at as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use refrain_catalog::{HeardIn, TrackId};
    use refrain_core::index::TrackNumber;
    use refrain_core::matching::Match;

    use super::*;

    /// An airing of a track from its start on, told from 1000 s to 1030 s.
    fn known() -> Detection {
        Detection {
            id: DetectionId::fresh(),
            heard_in: HeardIn::Stream("st-1".to_owned()),
            track: TrackNumber(3),
            track_id: TrackId(uuid::Uuid::nil()),
            query_start: 0.0,
            query_end: 30.0,
            start_at: 1_000_000,
            end_at: 1_030_000,
            reference_start: 0.0,
            speed: 1.0,
            pitch_cents: 0.0,
            false_positive_probability: 0.0,
            matched_peaks: 9,
            expected_peaks: 10,
            first_seen: 1_003_000,
            last_seen: 1_030_000,
            is_final: false,
            channel: None,
        }
    }

    /// A song that begins at this time, at this place in its track, both seconds.
    fn start(track: u32, epoch: f64, reference_start: f64) -> StreamEvent {
        StreamEvent {
            stream: "st-1".into(),
            kind: EventKind::Start,
            airing: DetectionId::fresh(),
            heard: Match {
                track: TrackNumber(track),
                query_start: 0.0,
                query_end: 5.0,
                reference_start,
                speed: 1.0,
                pitch_cents: 0.0,
                false_positive_probability: 0.0,
                aligned_landmarks: 9,
                expected_peaks: 10,
                matched_peaks: 9,
                segments: Vec::new(),
            },
            epoch,
            known_at: 5.0,
            clock: None,
            clock_offset: None,
        }
    }

    #[test]
    fn what_was_taken_over_and_is_found_once_more_is_the_same() {
        let mut told = Told::of(Vec::new(), vec![known()]);
        assert!(told.is_again(&start(3, 1026.0, 26.0)), "its last segments");
        assert!(told.is_again(&start(3, 1026.0, 90.0)), "a place that sounds the same");
        assert!(told.is_again(&start(3, 1070.0, 31.0)), "the stream stood still for 40 s");
        assert!(!told.is_again(&start(4, 1026.0, 26.0)), "another track");
        assert!(!told.is_again(&start(3, 1100.0, 0.0)), "it is played again");
        assert!(!told.is_again(&start(3, 3000.0, 40.0)), "it is played again, from its middle on");
    }

    #[test]
    fn what_was_told_to_its_end_may_begin_again_behind_it() {
        let mut told = Told::of(vec![known()], Vec::new());
        let again = start(3, 1027.0, 27.0);
        assert!(told.is_again(&again));
        assert!(told.is_again(&StreamEvent { kind: EventKind::Final, ..again.clone() }));
        assert!(!told.is_again(&StreamEvent { kind: EventKind::Final, ..again }), "that was all of it");
        assert!(!told.is_again(&start(3, 1030.5, 0.0)), "in a loop");
        assert!(!told.is_again(&start(3, 1040.0, 40.0)), "it goes on after a break");
    }
}
