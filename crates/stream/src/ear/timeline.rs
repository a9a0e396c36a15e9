//! Position of a frame in the stream, from its time stamp and the audio before it.

use refrain_core::audio::ts::{PTS_CLOCK, PTS_WRAP};

/// Largest distance of a time stamp from the end of the previous frame, in seconds, that is ignored. Encoders round to
/// milliseconds, and live encoders jitter by some of them. Frames are 20 to 50 ms long, so one or two lost frames are ignored
/// as well; this adds no error, because later time stamps are still compared with the same anchor.
const JITTER: f64 = 0.1;

/// The same limit where frames are known to be damaged or lost: more than a frame. It cannot be smaller, because a packager
/// that restarts its packet counters in each segment looks like a loss at each segment.
const LOSS: f64 = 0.03;

/// Longest gap that is derived from time stamps alone, and largest difference between time stamps and announced gaps, in
/// seconds: some segments. A larger jump means that the time stamps have restarted.
const MAX_HOLE: f64 = 30.0;

/// Longest repetition, in seconds: a segment. A larger step back means that the time stamps have restarted.
const MAX_REPEAT: f64 = 15.0;

/// Largest distance of audio from its expected position after a repetition or an announced gap, in seconds, at which it
/// follows directly: half a frame.
const ON_PLACE: f64 = 0.012;

/// Position of a frame relative to the audio before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// Directly after the audio before it.
    Next,
    /// After this many missing seconds.
    After(f64),
    /// The frame was decoded already.
    Repeated,
    /// Unknown, because the time stamps have restarted.
    Anew,
}

/// The clock of a stream's time stamps, from one discontinuity to the next. All times are seconds.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// A time stamp and its position in the stream.
    anchor: Option<(f64, f64)>,
    /// Time after which the time stamps wrap to 0.
    wrap: Option<f64>,
    /// True while repeated audio is left out.
    behind: bool,
}

impl Timeline {
    /// Creates a timeline without an anchor. `wraps` is true for time stamps of MPEG-TS: 33 bits of 90 kHz.
    pub(super) fn new(wraps: bool) -> Self {
        let wrap = wraps.then(|| PTS_WRAP as f64 / f64::from(PTS_CLOCK));
        Self { anchor: None, wrap, behind: false }
    }

    /// Forgets the anchor. The next time stamp becomes the new one.
    pub(super) fn forget(&mut self) {
        self.anchor = None;
    }

    /// Returns the seconds after which time stamps wrap to 0, if they do.
    pub(super) fn wrap(&self) -> Option<f64> {
        self.wrap
    }

    /// Returns true if there is an anchor.
    pub(super) fn is_known(&self) -> bool {
        self.anchor.is_some()
    }

    /// Returns the position of a frame with time stamp `time`, after `head` seconds of the stream and `announced` seconds that
    /// are known to be missing. `damaged` is true if data was lost directly before the frame.
    pub(super) fn place(&mut self, time: f64, head: f64, announced: f64, damaged: bool) -> Place {
        let Some((from, at)) = self.anchor else {
            self.anchor = Some((time, head + announced));
            return if announced > 0.0 { Place::After(announced) } else { Place::Next };
        };
        let expected = from + (head + announced - at);
        let time = self.wrap.map_or(time, |wrap| time + wrap * ((expected - time) / wrap).round());
        let missing = time - expected + announced;
        let least = if self.behind { -ON_PLACE } else { -JITTER };
        let known = match damaged {
            _ if announced > 0.0 => ON_PLACE,
            true => LOSS,
            false => JITTER,
        };
        let far = time - expected > MAX_HOLE || missing < -MAX_REPEAT;
        if far {
            self.behind = false;
            self.anchor = Some((time, head + announced));
            return Place::Anew;
        }
        self.behind = missing < least;
        match missing {
            _ if self.behind => Place::Repeated,
            _ if missing > known => Place::After(missing),
            _ => Place::Next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stamps(Timeline);

    impl Stamps {
        fn place(&mut self, time: f64, head: f64, announced: f64) -> Place {
            self.0.place(time, head, announced, false)
        }
    }

    #[test]
    fn one_lost_frame_is_a_gap_only_where_a_loss_is_known() {
        let mut timeline = Timeline::new(true);
        timeline.place(0.0, 0.0, 0.0, false);
        assert_eq!(timeline.place(1.0625, 1.0, 0.0, false), Place::Next);
        assert_eq!(timeline.place(1.0625, 1.0, 0.0, true), Place::After(0.0625));
        assert_eq!(timeline.place(2.02, 2.0, 0.0, true), Place::Next);
    }

    #[test]
    fn jitter_is_ignored_and_gaps_and_repetitions_are_found() {
        let mut timeline = Stamps(Timeline::new(true));
        assert_eq!(timeline.place(500.0, 0.0, 0.0), Place::Next);
        assert_eq!(timeline.place(510.05, 10.0, 0.0), Place::Next);
        assert_eq!(timeline.place(512.0, 10.0, 0.0), Place::After(2.0));
        assert_eq!(timeline.place(509.0, 12.0, 0.0), Place::Repeated);
        assert_eq!(timeline.place(511.95, 12.0, 0.0), Place::Repeated, "left out until exactly its position");
        assert_eq!(timeline.place(511.99, 12.0, 0.0), Place::Next);
        assert_eq!(timeline.place(511.95, 12.0, 0.0), Place::Next);
        assert_eq!(timeline.place(10.0, 12.0, 0.0), Place::Anew);
        assert_eq!(timeline.place(11.0, 13.0, 0.0), Place::Next);
    }

    #[test]
    fn time_stamps_give_the_exact_length_of_an_announced_gap() {
        let mut timeline = Stamps(Timeline::new(false));
        timeline.place(0.0, 0.0, 0.0);
        assert_eq!(timeline.place(3.25, 1.0, 2.0), Place::After(2.25));
        assert_eq!(timeline.place(3.25, 3.25, 6.0), Place::Next, "nothing is missing");
        assert_eq!(timeline.place(4000.0, 4.0, 4000.0), Place::After(3996.0));
        assert_eq!(timeline.place(9.0, 4000.0, 5.0), Place::Anew);
    }

    #[test]
    fn the_counter_of_33_bits_wraps() {
        let wrap = PTS_WRAP as f64 / f64::from(PTS_CLOCK);
        let mut timeline = Stamps(Timeline::new(true));
        timeline.place(wrap - 5.0, 100.0, 0.0);
        assert_eq!(timeline.place(5.0, 110.0, 0.0), Place::Next);
        assert_eq!(timeline.place(wrap - 2.0, 110.0, 0.0), Place::Repeated);
        assert_eq!(timeline.place(7.0, 110.0, 0.0), Place::After(2.0));
        let later = 110.0 + 3.0 * wrap; // some days
        assert_eq!(timeline.place(5.0, later, 0.0), Place::Next);
    }
}
