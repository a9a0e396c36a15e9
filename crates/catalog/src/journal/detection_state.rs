//! The part of a detection that only workers need, as it is stored in one column.

use refrain_core::audio::ClockSource;
use refrain_core::matching::Segment;
use serde::{Deserialize, Serialize};

use super::detection::Detection;

/// The JSON text in the column `state`. Unknown fields are ignored and missing ones have defaults, so that different
/// versions of the program can share a stream.
#[derive(Debug, Serialize, Deserialize)]
struct DetectionState {
    /// The time in the column `last_seen` with which this text was written. A version of the program that does not know
    /// the text updates the other columns only, and the text is outdated then.
    last_seen: i64,
    reference_end: f64,
    current_speed: f64,
    origin: f64,
    known_at: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<ClockSource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock_offset: Option<f64>,
    #[serde(default)]
    missing_seconds: f64,
    #[serde(default)]
    aligned_landmarks: u32,
    /// Start and end in the input, start in the track, and speed of each segment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    segments: Vec<[f64; 4]>,
}

/// Returns the text for the column `state`.
pub(crate) fn write(detection: &Detection, last_seen: i64) -> String {
    let segment = |one: &Segment| [one.query_start, one.query_end, one.reference_start, one.speed];
    let state = DetectionState {
        last_seen,
        reference_end: detection.reference_end,
        current_speed: detection.current_speed,
        origin: detection.origin,
        known_at: detection.known_at,
        clock: detection.clock,
        clock_offset: detection.clock_offset,
        missing_seconds: detection.missing_seconds,
        aligned_landmarks: detection.detected.aligned_landmarks,
        segments: detection.detected.segments.iter().map(segment).collect(),
    };
    // The fields are numbers and lists of numbers, whose serialization cannot fail.
    serde_json::to_string(&state).unwrap_or_default()
}

/// Adds the stored state to a detection that was made from the other columns. Changes nothing if the text is missing,
/// invalid, or was not written together with `last_seen`.
pub(crate) fn read_into(detection: &mut Detection, text: Option<&str>, last_seen: i64) {
    let state = text.and_then(|text| serde_json::from_str::<DetectionState>(text).ok());
    let Some(state) = state.filter(|state| state.last_seen == last_seen) else { return };
    let segment = |[query_start, query_end, reference_start, speed]: [f64; 4]| Segment {
        query_start,
        query_end,
        reference_start,
        speed,
    };
    detection.reference_end = state.reference_end;
    detection.current_speed = state.current_speed;
    detection.origin = state.origin;
    detection.known_at = state.known_at;
    detection.clock = state.clock;
    detection.clock_offset = state.clock_offset;
    detection.missing_seconds = state.missing_seconds;
    detection.detected.aligned_landmarks = state.aligned_landmarks;
    detection.detected.segments = state.segments.into_iter().map(segment).collect();
}

#[cfg(test)]
mod tests {
    use refrain_core::index::TrackNumber;
    use refrain_core::matching::Match;
    use refrain_core::matching::live::EventKind;

    use super::*;
    use crate::DetectionId;

    /// A detection without the fields of the state.
    fn plain() -> Detection {
        let detected = Match {
            track: TrackNumber(1),
            query_start: 10.0,
            query_end: 20.0,
            reference_start: 0.0,
            speed: 1.0,
            pitch_cents: 0.0,
            false_positive_probability: 0.0,
            aligned_landmarks: 0,
            expected_peaks: 10,
            matched_peaks: 9,
            segments: Vec::new(),
        };
        Detection {
            id: DetectionId::generate(),
            kind: EventKind::Update,
            detected,
            reference_end: 10.0,
            current_speed: 1.0,
            origin: 0.0,
            known_at: 20.0,
            clock: None,
            clock_offset: None,
            missing_seconds: 0.0,
        }
    }

    #[test]
    fn state_is_read_as_it_was_written() {
        let mut known = plain();
        let segment = Segment { query_start: 10.0, query_end: 20.0, reference_start: 0.1, speed: 1.0 / 3.0 };
        known.detected.segments = vec![segment, segment];
        known.detected.aligned_landmarks = 77;
        (known.reference_end, known.current_speed, known.missing_seconds) = (0.1 + 0.2, 1.017, 4.2);
        (known.origin, known.known_at) = (1_796_055_128.123_456_7, 21.000_000_1);
        (known.clock, known.clock_offset) = (Some(ClockSource::ProgramDateTime), Some(7.3));
        let mut read = Detection { id: known.id, ..plain() };
        read_into(&mut read, Some(&write(&known, 5)), 5);
        assert_eq!(read, known);
    }

    #[test]
    fn outdated_or_invalid_state_changes_nothing() {
        let known = plain();
        let written = write(&Detection { reference_end: 99.0, ..known.clone() }, 5);
        for (text, last_seen) in [(Some(written.as_str()), 6), (None, 5), (Some("{"), 5), (Some("{}"), 5)] {
            let mut read = known.clone();
            read_into(&mut read, text, last_seen);
            assert_eq!(read, known, "{text:?}");
        }
    }
}
