//! Rules that the events of every airing obey, whatever the matcher and the clock report.
//!
//! - An airing is never longer than the rest of its track at its speed, plus the gaps and the repeated audio in the
//!   airing.
//! - A final event never ends before the last event of its airing.
//!
//! Events that break a rule are corrected. A large correction is logged, because it indicates a fault of the matcher or
//! the clock.

use refrain_core::matching::Match;

/// Maximum correction, in seconds, that is made without a warning. It covers the rounding of lengths and the errors of
/// line fits. At half this value, the log contains warnings about ordinary fit errors; at twice this value, the log
/// does not show faults of the clock up to half a second.
const TOLERANCE_SECONDS: f64 = 0.25;

/// Data of an airing that its event does not contain, and that limits the end of the event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AiringBounds {
    /// Length of the airing's track in seconds; `None` if it is unknown.
    pub(super) track_seconds: Option<f64>,
    /// Total length of the gaps in the airing, in seconds.
    pub(super) gap_seconds: f64,
    /// End of the previous event of the airing, in seconds of the stream. `None` if there was none, or if this event
    /// may end earlier.
    pub(super) reported_end: Option<f64>,
}

/// A correction of an event's end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EndCorrection {
    /// The rule that the event broke, as text for the log.
    pub(super) rule: &'static str,
    /// Seconds by which the end was moved; negative if the end is earlier now.
    pub(super) seconds: f64,
}

/// Moves the end of an event if it breaks a rule. Returns the correction if it exceeds [`TOLERANCE_SECONDS`], otherwise
/// `None`.
pub(super) fn enforce(detected: &mut Match, known: &AiringBounds) -> Option<EndCorrection> {
    let before = detected.query_end;
    let mut rule = "an airing ends no earlier than it starts";
    detected.query_end = before.max(detected.query_start);
    if let Some(max_seconds) = max_length(detected, known)
        && detected.query_end - detected.query_start > max_seconds
    {
        rule = "an airing is not longer than the rest of its track";
        detected.query_end = detected.query_start + max_seconds;
    }
    // This rule is the last one and has precedence over the length of the track, because a consumer has already
    // received that end.
    if let Some(reported) = known.reported_end
        && detected.query_end < reported
    {
        rule = "a final does not end before the last update";
        detected.query_end = reported;
    }
    if let Some(last) = detected.segments.last_mut() {
        last.query_end = detected.query_end;
    }
    let seconds = detected.query_end - before;
    (seconds.abs() > TOLERANCE_SECONDS).then_some(EndCorrection { rule, seconds })
}

/// Returns the maximum length of an airing in seconds, or `None` if the length of its track is unknown.
fn max_length(detected: &Match, known: &AiringBounds) -> Option<f64> {
    let rest = (known.track_seconds? - detected.reference_start).max(0.0);
    // The speed can come from a row of another process; 0 would make the length infinite.
    let speed = if detected.speed > 0.0 { detected.speed } else { 1.0 };
    // Repeated or inserted audio makes an airing longer than its track. Jumps back in the track show the length of this
    // audio.
    let repeated: f64 = detected.jumps().map(|jump| (-jump).max(0.0)).sum();
    Some((rest + repeated) / speed + known.gap_seconds.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use refrain_core::index::TrackNumber;
    use refrain_core::matching::Segment;

    fn detected(query_start: f64, query_end: f64, reference_start: f64, speed: f64) -> Match {
        Match {
            track: TrackNumber(1),
            query_start,
            query_end,
            reference_start,
            speed,
            pitch_cents: 0.0,
            false_positive_probability: 0.0,
            aligned_landmarks: 0,
            expected_peaks: 10,
            matched_peaks: 9,
            segments: Vec::new(),
        }
    }

    #[test]
    fn repeated_audio_makes_an_airing_longer() {
        let segment = |query_start: f64, query_end: f64, reference_start: f64| Segment {
            query_start,
            query_end,
            reference_start,
            speed: 1.0,
        };
        let segments = vec![segment(100.0, 120.0, 16.0), segment(120.0, 149.0, 31.0)];
        let mut event = Match { segments, ..detected(100.0, 149.0, 16.0, 1.0) };
        let known = AiringBounds { track_seconds: Some(60.0), ..AiringBounds::default() };
        assert_eq!(enforce(&mut event, &known), None, "5 s were sent twice");
        assert!((event.query_end - 149.0).abs() < 1e-9);
    }

    #[test]
    fn airing_ends_with_its_track() {
        let mut event = detected(100.0, 148.3, 16.0, 1.0);
        let known = AiringBounds { track_seconds: Some(60.0), ..AiringBounds::default() };
        assert!(enforce(&mut event, &known).is_some());
        assert!((event.query_end - 144.0).abs() < 1e-9);
    }

    #[test]
    fn gaps_make_an_airing_longer() {
        let mut event = detected(100.0, 148.0, 16.0, 1.0);
        let known = AiringBounds { track_seconds: Some(60.0), gap_seconds: 4.0, ..AiringBounds::default() };
        assert_eq!(enforce(&mut event, &known), None);
        assert!((event.query_end - 148.0).abs() < 1e-9);
    }

    #[test]
    fn final_event_does_not_end_before_the_last_update() {
        let mut event = detected(100.0, 120.0, 0.0, 1.0);
        let known =
            AiringBounds { track_seconds: Some(60.0), reported_end: Some(125.0), ..AiringBounds::default() };
        assert!(enforce(&mut event, &known).is_some());
        assert!((event.query_end - 125.0).abs() < 1e-9);
    }

    proptest! {
        /// Every event of an airing obeys the rules, whatever its end is.
        #[test]
        fn every_event_obeys_the_rules(
            start in 0.0..1e6_f64, reference in 0.0..300.0_f64, track in 1.0..600.0_f64, gap in 0.0..60.0_f64,
            speed in 0.5..2.0_f64, lengths in prop::collection::vec(-10.0..1_000.0_f64, 1..8)
        ) {
            let mut reported = None;
            for length in lengths {
                let mut event = detected(start, start + length, reference, speed);
                let known = AiringBounds { track_seconds: Some(track), gap_seconds: gap, reported_end: reported };
                enforce(&mut event, &known);
                let max_seconds = (track - reference).max(0.0) / speed + gap;
                prop_assert!(event.query_end - event.query_start <= max_seconds + 1e-6);
                prop_assert!(reported.is_none_or(|end| event.query_end >= end) && event.query_end >= start);
                reported = Some(event.query_end);
            }
        }
    }
}
