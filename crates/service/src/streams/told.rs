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
    let (ahead, stood_still) = (event.heard.reference_start - expected, (event.epoch - end(one)).max(0.0));
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
