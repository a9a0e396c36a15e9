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

    /// Whether an event is of an airing that was told, once more: in the same alignment, and begun before its end if it was
    /// told to that.
    pub(super) fn is_again(&mut self, event: &StreamEvent) -> bool {
        let id = event.airing;
        let known = self.again.contains(&id);
        if event.kind == EventKind::Final {
            self.again.retain(|again| *again != id);
        }
        if event.kind != EventKind::Start {
            return known;
        }
        let goes_on = |one: &Detection| is_along(one, event) && one.id != id;
        let is_same =
            self.finals.iter().any(|one| is_same(one, event)) || self.taken_over.iter().any(goes_on);
        if is_same {
            self.again.push(id);
        }
        is_same
    }
}

fn is_same(one: &Detection, event: &StreamEvent) -> bool {
    is_along(one, event) && event.epoch < one.end_at as f64 / 1000.0 + CLOCKS
}

/// Whether it is the same track in the same alignment, and begins no earlier.
fn is_along(one: &Detection, event: &StreamEvent) -> bool {
    let start = one.start_at as f64 / 1000.0;
    let expected = one.reference_start + (event.epoch - start) * one.speed;
    one.track == event.heard.track
        && event.epoch >= start - SAME
        && (event.heard.reference_start - expected).abs() < SAME
}
