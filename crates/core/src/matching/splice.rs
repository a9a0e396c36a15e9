//! When stretches of one track are one airing.
//!
//! Streams and files are cut: an encoder restarts, a segment is lost, a second is sent twice, an editor takes a verse
//! out. A track that goes on near the place where it should be is still the same play of it. A track that begins
//! from its start again, or that was over, is played anew.

use crate::fingerprint::TICKS_PER_SECOND;

use super::line::Line;
use super::trace::Trace;

/// A track that goes on within this of where it should be (30 s, ticks), after an interruption of at most as long, is the
/// same airing.
pub(crate) const MAX_JUMP: f64 = 30.0 * TICKS_PER_SECOND;
/// A stretch that begins so near to the track's start (2 s, ticks) …
const FROM_START: f64 = 2.0 * TICKS_PER_SECOND;
/// … after more of the track than this (10 s, ticks) was played, begins it again.
const PLAYED: f64 = 10.0 * TICKS_PER_SECOND;
/// A stretch that ends so near to the track's end (1 s, ticks) ends the airing.
const AT_END: f64 = TICKS_PER_SECOND;
/// Stretches of one airing overlap by no more than this (1 s, ticks).
const MAX_OVERLAP: f64 = TICKS_PER_SECOND;

/// A stretch of a query along a line of a track.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch<'a> {
    pub(crate) line: &'a Line,
    /// Start and end in the query, ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// Ticks by which a stretch is ahead of where the one before it in the query leads to: lost sound if positive, repeated or
/// inserted sound if negative. `None` if they are two airings of the track, which has this length (ticks).
pub(crate) fn jump(before: Stretch<'_>, after: Stretch<'_>, length: f64) -> Option<f64> {
    let pause = after.from - before.to;
    let near = (-MAX_OVERLAP..=MAX_JUMP).contains(&pause);
    near.then(|| jump_across_clocks(before, after, length)).flatten()
}

/// The same where the times of the two stretches are told by two clocks, and may be off by some seconds.
pub(crate) fn jump_across_clocks(before: Stretch<'_>, after: Stretch<'_>, length: f64) -> Option<f64> {
    let (played, begins) = (before.line.reference(before.to), after.line.reference(after.from));
    let jump = begins - before.line.reference(after.from);
    let restarts = begins < FROM_START && played > PLAYED.min(length / 2.0);
    // A short track that repeats: what follows its end is its next play.
    let is_over = played > length - AT_END && begins < played - AT_END;
    (jump.abs() <= MAX_JUMP && !restarts && !is_over).then_some(jump)
}

impl Trace {
    /// Ticks by which this stretch is ahead of where one before it in the query leads to, if it continues that one: a line of
    /// the same track, with start and end in the query (ticks).
    pub(crate) fn jump_from(&self, (line, from, to): (&Line, f64, f64)) -> Option<f64> {
        let before = Stretch { line, from, to };
        jump(before, Stretch { line: &self.line, from: self.from, to: self.to }, self.reference.ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: f64 = 180.0;

    /// The jump, in seconds, between two stretches: from, to, and the place in the track at from.
    fn between(before: (f64, f64, f64), after: (f64, f64, f64)) -> Option<f64> {
        let line = |(from, _, place): (f64, f64, f64)| Line {
            offset: (place - from) * TICKS_PER_SECOND,
            speed: 1.0,
            pitch: 1.0,
        };
        let (one, other) = (line(before), line(after));
        let stretch = |line, (from, to, _): (f64, f64, f64)| Stretch {
            line,
            from: from * TICKS_PER_SECOND,
            to: to * TICKS_PER_SECOND,
        };
        jump(stretch(&one, before), stretch(&other, after), LENGTH * TICKS_PER_SECOND)
            .map(|ticks| (ticks / TICKS_PER_SECOND * 100.0).round() / 100.0)
    }

    #[test]
    fn lost_and_repeated_sound_continues_an_airing() {
        let before = (0.0, 30.0, 5.0);
        assert_eq!(between(before, (30.0, 60.0, 35.1)), Some(0.1), "100 ms are lost");
        assert_eq!(between(before, (30.0, 60.0, 33.0)), Some(-2.0), "2 s are sent again");
        assert_eq!(between(before, (42.0, 60.0, 35.0)), Some(-12.0), "12 s of something else between");
        assert_eq!(between(before, (42.0, 60.0, 47.0)), Some(0.0), "12 s were covered");
    }

    #[test]
    fn a_track_played_from_its_start_again_is_a_new_airing() {
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
        assert_eq!(between(before, (40.0, 70.0, 40.0)), None, "at the same time");
    }

    #[test]
    fn a_track_that_was_over_is_played_anew() {
        assert_eq!(between((0.0, 20.0, 160.0), (20.0, 40.0, 155.0)), None);
    }
}
