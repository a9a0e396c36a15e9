//! Computes the position of a frame in the stream from its time stamp and the audio before it.

use refrain_core::audio::ts::{PTS_CLOCK, PTS_WRAP};

/// Largest distance of a time stamp from the end of the previous frame, in seconds, that is ignored. Encoders round to
/// milliseconds, and the time stamps of live encoders jitter by some milliseconds. Frames are 20 to 50 ms long, so one
/// or two lost frames are ignored as well; this adds no error, because later time stamps are still compared with the
/// same anchor. At half this value, encoders with jitter cause gaps and repetitions; at twice this value, up to eight
/// lost frames are not noticed until more are lost.
const JITTER_SECONDS: f64 = 0.1;

/// Like [`JITTER_SECONDS`], but for frames directly after damaged or lost ones, in seconds. It is longer than a frame
/// of 20 ms, because a packager that restarts its packet counters in each segment appears to lose packets at each
/// segment. At half this value, such packagers cause a gap per segment; at twice this value, the loss of one frame is
/// ignored.
const MIN_LOSS_SECONDS: f64 = 0.03;

/// Longest gap that is derived from time stamps alone, and largest difference between time stamps and announced gaps,
/// in seconds: a few segments. A larger jump means that the time stamps have restarted. At half this value, the loss of
/// two long segments looks like a restart and its length is unknown; at twice this value, the restart of an encoder is
/// more often reported as a gap.
const MAX_GAP_SECONDS: f64 = 30.0;

/// Longest repetition, in seconds: a segment. A larger step back means that the time stamps have restarted. At half
/// this value, a repeated segment of 10 s is decoded twice; at twice this value, an encoder that restarts loses up to
/// 30 s of new audio.
const MAX_REPEAT_SECONDS: f64 = 15.0;

/// Largest distance in seconds between audio and its expected position after a repetition or an announced gap, up to
/// which the audio counts as continuous: half a frame. At half this value, rounded time stamps leave a frame out or
/// insert a gap; at twice this value, a whole frame can be repeated.
const IN_PLACE_SECONDS: f64 = 0.012;

/// Position of a frame relative to the audio before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FramePlacement {
    /// Directly after the audio before it.
    Next,
    /// After a gap of this number of seconds.
    After(f64),
    /// The frame repeats audio that was decoded already.
    Repeated,
    /// Unknown, because the time stamps have restarted. The frame is placed directly after the audio and gaps before
    /// it.
    Restarted,
}

/// Maps the time stamps of a stream to positions in it, from one discontinuity to the next. All times are seconds.
#[derive(Debug, Default)]
pub(super) struct StampTimeline {
    /// A time stamp and its position in the stream; `None` before the first time stamp.
    anchor: Option<(f64, f64)>,
    /// Time after which the time stamps wrap to 0; `None` if they do not wrap.
    wrap: Option<f64>,
    /// True while repeated audio is left out.
    repeating: bool,
}

impl StampTimeline {
    /// Creates a timeline without an anchor. `wraps` is true for the time stamps of MPEG-TS, which have 33 bits at 90
    /// kHz.
    pub(super) fn new(wraps: bool) -> Self {
        let wrap = wraps.then(|| PTS_WRAP as f64 / f64::from(PTS_CLOCK));
        Self { anchor: None, wrap, repeating: false }
    }

    /// Removes the anchor. The next time stamp becomes the new anchor.
    pub(super) fn forget(&mut self) {
        self.anchor = None;
    }

    /// Returns the seconds after which time stamps wrap to 0; `None` if they do not wrap.
    pub(super) fn wrap(&self) -> Option<f64> {
        self.wrap
    }

    /// Returns true if there is an anchor.
    pub(super) fn is_known(&self) -> bool {
        self.anchor.is_some()
    }

    /// Returns the position of a frame with the time stamp `time`, after `head` seconds of the stream and `announced`
    /// seconds of media that were already recorded as missing. `damaged` is true if data was lost directly before the
    /// frame.
    pub(super) fn place(&mut self, time: f64, head: f64, announced: f64, damaged: bool) -> FramePlacement {
        let Some((from, at)) = self.anchor else {
            self.anchor = Some((time, head + announced));
            return if announced > 0.0 { FramePlacement::After(announced) } else { FramePlacement::Next };
        };
        let expected = from + (head + announced - at);
        // Of all possible wraps, the one nearest to the expected time is used: a stream that runs for days wraps every
        // 26.5 hours.
        let time = self.wrap.map_or(time, |wrap| time + wrap * ((expected - time) / wrap).round());
        let missing = time - expected + announced;
        // While repeated audio is left out, new audio must begin exactly at its position; the larger jitter limit would
        // let repeated frames pass.
        let min_missing = if self.repeating { -IN_PLACE_SECONDS } else { -JITTER_SECONDS };
        // After an announced gap, the time stamps give its exact length, so that even half a frame counts.
        let known = match damaged {
            _ if announced > 0.0 => IN_PLACE_SECONDS,
            true => MIN_LOSS_SECONDS,
            false => JITTER_SECONDS,
        };
        let far = time - expected > MAX_GAP_SECONDS || missing < -MAX_REPEAT_SECONDS;
        if far {
            // Audio after a restart is new, so it must not be left out as repeated.
            self.repeating = false;
            self.anchor = Some((time, head + announced));
            return FramePlacement::Restarted;
        }
        self.repeating = missing < min_missing;
        match missing {
            _ if self.repeating => FramePlacement::Repeated,
            _ if missing > known => FramePlacement::After(missing),
            _ => FramePlacement::Next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stamps(StampTimeline);

    impl Stamps {
        fn place(&mut self, time: f64, head: f64, announced: f64) -> FramePlacement {
            self.0.place(time, head, announced, false)
        }
    }

    #[test]
    fn one_lost_frame_is_a_gap_only_where_a_loss_is_known() {
        let mut timeline = StampTimeline::new(true);
        timeline.place(0.0, 0.0, 0.0, false);
        assert_eq!(timeline.place(1.0625, 1.0, 0.0, false), FramePlacement::Next);
        assert_eq!(timeline.place(1.0625, 1.0, 0.0, true), FramePlacement::After(0.0625));
        assert_eq!(timeline.place(2.02, 2.0, 0.0, true), FramePlacement::Next);
    }

    #[test]
    fn jitter_is_ignored_and_gaps_and_repetitions_are_found() {
        let mut timeline = Stamps(StampTimeline::new(true));
        assert_eq!(timeline.place(500.0, 0.0, 0.0), FramePlacement::Next);
        assert_eq!(timeline.place(510.05, 10.0, 0.0), FramePlacement::Next);
        assert_eq!(timeline.place(512.0, 10.0, 0.0), FramePlacement::After(2.0));
        assert_eq!(timeline.place(509.0, 12.0, 0.0), FramePlacement::Repeated);
        assert_eq!(
            timeline.place(511.95, 12.0, 0.0),
            FramePlacement::Repeated,
            "left out until exactly its position"
        );
        assert_eq!(timeline.place(511.99, 12.0, 0.0), FramePlacement::Next);
        assert_eq!(timeline.place(511.95, 12.0, 0.0), FramePlacement::Next);
        assert_eq!(timeline.place(10.0, 12.0, 0.0), FramePlacement::Restarted);
        assert_eq!(timeline.place(11.0, 13.0, 0.0), FramePlacement::Next);
    }

    #[test]
    fn time_stamps_give_the_exact_length_of_an_announced_gap() {
        let mut timeline = Stamps(StampTimeline::new(false));
        timeline.place(0.0, 0.0, 0.0);
        assert_eq!(timeline.place(3.25, 1.0, 2.0), FramePlacement::After(2.25));
        assert_eq!(timeline.place(3.25, 3.25, 6.0), FramePlacement::Next, "nothing is missing");
        assert_eq!(timeline.place(4000.0, 4.0, 4000.0), FramePlacement::After(3996.0));
        assert_eq!(timeline.place(9.0, 4000.0, 5.0), FramePlacement::Restarted);
    }

    #[test]
    fn the_counter_of_33_bits_wraps() {
        let wrap = PTS_WRAP as f64 / f64::from(PTS_CLOCK);
        let mut timeline = Stamps(StampTimeline::new(true));
        timeline.place(wrap - 5.0, 100.0, 0.0);
        assert_eq!(timeline.place(5.0, 110.0, 0.0), FramePlacement::Next);
        assert_eq!(timeline.place(wrap - 2.0, 110.0, 0.0), FramePlacement::Repeated);
        assert_eq!(timeline.place(7.0, 110.0, 0.0), FramePlacement::After(2.0));
        let later = 110.0 + 3.0 * wrap; // some days
        assert_eq!(timeline.place(5.0, later, 0.0), FramePlacement::Next);
    }
}
