//! Deduplicates airings that earlier workers reported. A worker that takes over a stream begins some segments before
//! the live edge and processes their audio again.

use std::collections::VecDeque;

use refrain_catalog::{Detection, DetectionId};
use refrain_core::matching::live::EventKind;

/// Maximum number of final airings that are kept. Only airings of the last minutes can be detected again, so 16 are
/// enough even for short jingles. At half this value, one of many jingles could be reported twice; at twice this value,
/// each start event is compared with more airings.
const MAX_FINALS: usize = 16;

/// Maximum difference in seconds of two alignments of a track that count as the same. If a playlist has no dates, the
/// clocks of two workers differ by up to a segment, and segments of 6 s are common. At half this value, a take-over of
/// such a stream reports a song twice; at twice this value, a loop of the track within 16 s is taken for the same
/// airing.
const ALIGNMENT_TOLERANCE_SECONDS: f64 = 8.0;

/// Maximum difference in seconds between the clocks of two workers at the end of an airing. At half this value, an end
/// that the next worker detects slightly later counts as another airing; at twice this value, a song that is repeated
/// within 4 s of its end is dropped.
const CLOCK_TOLERANCE_SECONDS: f64 = 2.0;

/// Maximum interruption of a stream in the middle of an airing, in seconds. After a longer interruption, the song can
/// be another airing. At half this value, a song that continues after an outage of 40 s is reported twice; at twice
/// this value, a song that is played again within two minutes can be lost.
const MAX_INTERRUPTION_SECONDS: f64 = 60.0;

/// Airings of a session that were reported, final or open.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReportedDetections {
    finals: VecDeque<Detection>,
    /// Airings that were open when the stream was taken over. Their audio can be detected as new airings before the
    /// matcher has continued them.
    taken_over: Vec<Detection>,
    /// Ids of airings that repeat a reported one. Their events are dropped.
    duplicates: Vec<DetectionId>,
}

impl ReportedDetections {
    /// Creates the set. `finals` are the airings that earlier workers have ended; `taken_over` are those that were
    /// still open.
    pub(crate) fn of(finals: Vec<Detection>, taken_over: Vec<Detection>) -> Self {
        let mut reported = Self { taken_over, ..Self::default() };
        finals.into_iter().for_each(|one| reported.add_final(one));
        reported
    }

    /// Adds an airing that has ended.
    pub(super) fn add_final(&mut self, one: Detection) {
        if self.finals.len() >= MAX_FINALS {
            self.finals.pop_front();
        }
        self.finals.push_back(one);
    }

    /// Returns true if a detection belongs to an airing that repeats a reported one.
    pub(super) fn is_duplicate(&mut self, detection: &Detection) -> bool {
        let id = detection.id;
        let known = self.duplicates.contains(&id);
        // A final event is the last one of its airing, so its id is not needed any more.
        if detection.kind == EventKind::Final {
            self.duplicates.retain(|repeated| *repeated != id);
        }
        if detection.kind != EventKind::Start {
            return known;
        }
        let ended = |one: &Detection| end(one) + CLOCK_TOLERANCE_SECONDS;
        // Open airings have no end yet, so any later position on their alignment is the same play.
        let is_repeat = self.finals.iter().any(|one| is_repeat(one, detection, ended(one)))
            || self.taken_over.iter().any(|one| one.id != id && is_repeat(one, detection, f64::INFINITY));
        if is_repeat {
            self.duplicates.push(id);
        }
        is_repeat
    }
}

/// Returns true if `again` reports the airing `one` again: its track is the same, it does not begin before `one`, and it
/// begins either before the end of `one`, or before `until` (seconds since 1970) at the position in the track at which
/// `one` would continue ([`continues_alignment`]). Before the end of `one`, the position may differ: a track is played
/// once at a time, but a track that repeats itself can be found at another position.
fn is_repeat(one: &Detection, again: &Detection, until: f64) -> bool {
    let overlaps = again.epoch() < end(one) - CLOCK_TOLERANCE_SECONDS;
    one.detected.track == again.detected.track
        && again.epoch() >= one.epoch() - ALIGNMENT_TOLERANCE_SECONDS
        && (overlaps || again.epoch() < until && continues_alignment(one, again))
}

/// Returns true if `again` continues the alignment of the airing `one`. If the stream was interrupted after `one`, the
/// position in the track may be late by the time since the end of `one`, up to [`MAX_INTERRUPTION_SECONDS`].
fn continues_alignment(one: &Detection, again: &Detection) -> bool {
    let expected = one.reference_end + (again.epoch() - end(one)) * one.current_speed;
    let ahead = again.detected.reference_start - expected;
    let interruption = (again.epoch() - end(one)).clamp(0.0, MAX_INTERRUPTION_SECONDS);
    (-ALIGNMENT_TOLERANCE_SECONDS - interruption..ALIGNMENT_TOLERANCE_SECONDS).contains(&ahead)
}

/// Returns the last known end of an airing, in seconds since 1970.
fn end(one: &Detection) -> f64 {
    one.epoch() + one.detected.query_end - one.detected.query_start
}

#[cfg(test)]
mod tests {
    use refrain_core::index::TrackNumber;
    use refrain_core::matching::Match;

    use super::*;

    /// The detection of an airing of a track from the position `reference_start`, which began at the time `epoch` and
    /// lasted `length` seconds.
    fn detection(kind: EventKind, track: u32, epoch: f64, reference_start: f64, length: f64) -> Detection {
        Detection {
            id: DetectionId::generate(),
            kind,
            detected: Match {
                track: TrackNumber(track),
                query_start: 0.0,
                query_end: length,
                reference_start,
                speed: 1.0,
                pitch_cents: 0.0,
                false_positive_probability: 0.0,
                aligned_landmarks: 9,
                expected_peaks: 10,
                matched_peaks: 9,
                segments: Vec::new(),
            },
            reference_end: reference_start + length,
            current_speed: 1.0,
            origin: epoch,
            known_at: length,
            clock: None,
            clock_offset: None,
            missing_seconds: 0.0,
        }
    }

    /// An airing of a track from its start, reported from 1000 s to 1030 s.
    fn known() -> Detection {
        detection(EventKind::Update, 3, 1000.0, 0.0, 30.0)
    }

    /// A start event at the time `epoch` and the position `reference_start` in the track, both in seconds.
    fn start(track: u32, epoch: f64, reference_start: f64) -> Detection {
        detection(EventKind::Start, track, epoch, reference_start, 5.0)
    }

    #[test]
    fn open_airing_found_again_after_a_take_over_is_a_duplicate() {
        let mut reported = ReportedDetections::of(Vec::new(), vec![known()]);
        assert!(reported.is_duplicate(&start(3, 1026.0, 26.0)), "in its last segments");
        assert!(reported.is_duplicate(&start(3, 1026.0, 90.0)), "at a position that sounds the same");
        assert!(reported.is_duplicate(&start(3, 1070.0, 31.0)), "the stream was interrupted for 40 s");
        assert!(!reported.is_duplicate(&start(4, 1026.0, 26.0)), "another track");
        assert!(!reported.is_duplicate(&start(3, 1100.0, 0.0)), "it is played again");
        assert!(!reported.is_duplicate(&start(3, 3000.0, 40.0)), "it is played again, from the middle");
    }

    #[test]
    fn track_can_be_played_again_after_its_final_airing() {
        let mut reported = ReportedDetections::of(vec![known()], Vec::new());
        let repeated = start(3, 1027.0, 27.0);
        assert!(reported.is_duplicate(&repeated));
        assert!(reported.is_duplicate(&Detection { kind: EventKind::Final, ..repeated.clone() }));
        assert!(
            !reported.is_duplicate(&Detection { kind: EventKind::Final, ..repeated }),
            "the final event ended the duplicate"
        );
        assert!(!reported.is_duplicate(&start(3, 1030.5, 0.0)), "in a loop");
        assert!(!reported.is_duplicate(&start(3, 1040.0, 40.0)), "it continues after a break");
    }
}
