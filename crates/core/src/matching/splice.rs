//! Splices: decides if two stretches of one track belong to the same airing.
//!
//! Streams and files have cuts: an encoder restarts, a segment is lost, a second is sent twice, an editor removes a
//! verse. If a track continues near its expected position, it is still the same airing. If a track starts again from
//! its beginning, or had already ended, it is a new airing.

use crate::fingerprint::TICKS_PER_SECOND;

use super::line::Line;
use super::trace::Trace;

/// Largest jump in the track, and longest interruption, within one airing (30 s, in ticks). At half this value, songs
/// interrupted by speech or lost segments of 15 to 30 s are two airings; at twice this value, two plays of parts of one
/// song within a minute become one.
pub(crate) const MAX_JUMP_TICKS: f64 = 30.0 * TICKS_PER_SECOND;
/// A stretch that begins within this distance from the track's start (2 s, in ticks) can be a restart of the track. At
/// half this value, a restart that was cut by more than a second continues the old airing; at twice this value, a
/// repetition near the beginning counts as a restart.
const RESTART_TICKS: f64 = 2.0 * TICKS_PER_SECOND;
/// Minimum time of the track that was played before a restart (10 s, in ticks). If less was played, the beginning was
/// repeated. At half this value, a beginning that is sent twice becomes two airings; at twice this value, a song that
/// is started again after 10 to 20 s stays one airing.
const MIN_PLAYED_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// A track counts as played to its end if a stretch ends less than this before the end of the track (1 s, in ticks). If
/// the next stretch begins earlier in the track than the played stretch ended, by more than this distance, the next
/// stretch is a new airing. At half this value, repetitions of a looping track whose end is masked become one airing;
/// at twice this value, a repetition of audio near the end of the track is more often a new airing.
const AT_END_TICKS: f64 = TICKS_PER_SECOND;
/// Largest overlap of two stretches of one airing (1 s, in ticks). At half this value, inexact edges separate stretches
/// that belong together; at twice this value, two lines that explain the same audio can be joined into one airing.
const MAX_OVERLAP_TICKS: f64 = TICKS_PER_SECOND;

/// A stretch of a query along a line of a track.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineStretch<'a> {
    pub(crate) line: &'a Line,
    /// Start and end in the query, in ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// Returns the jump in the track between two stretches, in ticks, or `None` if they are two airings of the track. The
/// jump is the distance of `after` from the position that the line of `before` predicts: positive if audio was lost,
/// negative if audio was repeated or inserted. `length` is the length of the track in ticks.
pub(crate) fn jump(before: LineStretch<'_>, after: LineStretch<'_>, length: f64) -> Option<f64> {
    let pause = after.from - before.to;
    let near = (-MAX_OVERLAP_TICKS..=MAX_JUMP_TICKS).contains(&pause);
    near.then(|| jump_across_clocks(before, after, length)).flatten()
}

/// Like [`jump`], for two stretches whose times come from different clocks. The clocks may differ by some seconds, so
/// the pause between the stretches is not checked.
pub(crate) fn jump_across_clocks(
    before: LineStretch<'_>,
    after: LineStretch<'_>,
    length: f64,
) -> Option<f64> {
    let (played, begins) = (before.line.reference(before.to), after.line.reference(after.from));
    let jump = begins - before.line.reference(after.from);
    let restarts = begins < RESTART_TICKS && played > MIN_PLAYED_TICKS.min(length / 2.0);
    // A short track that loops: audio after its end belongs to its next airing.
    let is_over = played > length - AT_END_TICKS && begins < played - AT_END_TICKS;
    (jump.abs() <= MAX_JUMP_TICKS && !restarts && !is_over).then_some(jump)
}

impl Trace {
    /// Returns the jump, in ticks, from an earlier stretch of the same track to this stretch, or `None` if this stretch
    /// does not continue it. The earlier stretch is given by its line, and its start and end in the query (ticks).
    pub(crate) fn jump_from(&self, (line, from, to): (&Line, f64, f64)) -> Option<f64> {
        let before = LineStretch { line, from, to };
        jump(before, LineStretch { line: &self.line, from: self.from, to: self.to }, self.reference.ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: f64 = 180.0;

    /// Returns the jump between two stretches, each given by its start, its end and the position in the track at its
    /// start. All times are in seconds.
    fn between(before: (f64, f64, f64), after: (f64, f64, f64)) -> Option<f64> {
        let line = |(from, _, place): (f64, f64, f64)| Line {
            offset: (place - from) * TICKS_PER_SECOND,
            speed: 1.0,
            pitch: 1.0,
        };
        let (one, other) = (line(before), line(after));
        let stretch = |line, (from, to, _): (f64, f64, f64)| LineStretch {
            line,
            from: from * TICKS_PER_SECOND,
            to: to * TICKS_PER_SECOND,
        };
        jump(stretch(&one, before), stretch(&other, after), LENGTH * TICKS_PER_SECOND)
            .map(|ticks| (ticks / TICKS_PER_SECOND * 100.0).round() / 100.0)
    }

    #[test]
    fn lost_and_repeated_audio_continues_an_airing() {
        let before = (0.0, 30.0, 5.0);
        assert_eq!(between(before, (30.0, 60.0, 35.1)), Some(0.1), "100 ms were lost");
        assert_eq!(between(before, (30.0, 60.0, 33.0)), Some(-2.0), "2 s were sent twice");
        assert_eq!(between(before, (42.0, 60.0, 35.0)), Some(-12.0), "12 s of other audio were inserted");
        assert_eq!(between(before, (42.0, 60.0, 47.0)), Some(0.0), "12 s were masked");
    }

    #[test]
    fn restart_of_a_track_is_a_new_airing() {
        assert_eq!(between((0.0, 25.0, 5.0), (25.0, 60.0, 0.5)), None);
        assert_eq!(
            between((0.0, 5.0, 0.0), (5.0, 60.0, 0.0)),
            Some(-5.0),
            "its first seconds were sent twice"
        );
    }

    #[test]
    fn far_jumps_and_long_pauses_are_new_airings() {
        let before = (0.0, 60.0, 5.0);
        assert_eq!(between(before, (60.0, 90.0, 100.0)), None);
        assert_eq!(between(before, (95.0, 120.0, 100.0)), None);
        assert_eq!(between(before, (40.0, 70.0, 40.0)), None, "overlapping stretches");
    }

    #[test]
    fn restart_after_the_end_of_a_track_is_a_new_airing() {
        assert_eq!(between((0.0, 20.0, 160.0), (20.0, 40.0, 155.0)), None);
    }
}
