//! Time stamps against what was heard: where a frame stands in the stream.

use refrain_core::audio::ts::{PTS_CLOCK, PTS_WRAP};

/// How far a time stamp may be from where the frame before ended, seconds. Encoders round to milliseconds, live ones
/// jitter by some of them; frames are 20 to 50 ms long, so a lost one or two pass as well and the next stamps stay exact.
const JITTER: f64 = 0.1;

/// The same where frames are known to be damaged or lost: more than a frame. Not less, for a packager that counts its
/// packets anew in each segment looks like a loss at each.
const LOSS: f64 = 0.03;

/// Longest stretch that time stamps alone may show to be missing, seconds, and most that they may differ from gaps that
/// were announced: some segments. A longer jump is another clock.
const MAX_HOLE: f64 = 30.0;

/// Longest stretch that may come twice, seconds: a segment. A longer step back is another clock.
const MAX_REPEAT: f64 = 15.0;

/// How near to its place audio must be after a repetition or an announced gap to go right on, seconds: half a frame.
const ON_PLACE: f64 = 0.012;

/// Where a frame belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// Right behind what came before it.
    Next,
    /// After this many seconds that are missing.
    After(f64),
    /// It was heard already.
    Repeated,
    /// Nobody knows: its time stamps have nothing to do with those before.
    Anew,
}

/// The clock of a stream's time stamps, from one discontinuity to the next. All times are seconds.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// A time stamp and its place in the stream.
    anchor: Option<(f64, f64)>,
    /// After how much the stamps begin at 0 again.
    wrap: Option<f64>,
    /// Whether repeated audio is being left out.
    behind: bool,
}

impl Timeline {
    /// A clock that knows nothing yet. `wraps` is for stamps of MPEG-TS: 33 bits of 90 kHz.
    pub(super) fn new(wraps: bool) -> Self {
        let wrap = wraps.then(|| PTS_WRAP as f64 / f64::from(PTS_CLOCK));
        Self { anchor: None, wrap, behind: false }
    }

    /// Begins anew with the next stamp.
    pub(super) fn forget(&mut self) {
        self.anchor = None;
    }

    /// Seconds after which time stamps begin at 0 again, if they do.
    pub(super) fn wrap(&self) -> Option<f64> {
        self.wrap
    }

    /// Whether there were stamps.
    pub(super) fn is_known(&self) -> bool {
        self.anchor.is_some()
    }

    /// Judges a frame with stamp `time`, when `head` of the stream is heard and `announced` is known to be missing;
    /// `damaged` if something was lost right before it.
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
    fn a_lost_frame_counts_where_a_loss_is_known() {
        let mut timeline = Timeline::new(true);
        timeline.place(0.0, 0.0, 0.0, false);
        assert_eq!(timeline.place(1.0625, 1.0, 0.0, false), Place::Next);
        assert_eq!(timeline.place(1.0625, 1.0, 0.0, true), Place::After(0.0625));
        assert_eq!(timeline.place(2.02, 2.0, 0.0, true), Place::Next);
    }

    #[test]
    fn jitter_passes_holes_show_and_repeats_are_left_out() {
        let mut timeline = Stamps(Timeline::new(true));
        assert_eq!(timeline.place(500.0, 0.0, 0.0), Place::Next);
        assert_eq!(timeline.place(510.05, 10.0, 0.0), Place::Next);
        assert_eq!(timeline.place(512.0, 10.0, 0.0), Place::After(2.0));
        assert_eq!(timeline.place(509.0, 12.0, 0.0), Place::Repeated);
        assert_eq!(timeline.place(511.95, 12.0, 0.0), Place::Repeated, "up to its place, not near it");
        assert_eq!(timeline.place(511.99, 12.0, 0.0), Place::Next);
        assert_eq!(timeline.place(511.95, 12.0, 0.0), Place::Next);
        assert_eq!(timeline.place(10.0, 12.0, 0.0), Place::Anew);
        assert_eq!(timeline.place(11.0, 13.0, 0.0), Place::Next);
    }

    #[test]
    fn stamps_tell_exactly_how_long_an_announced_gap_is() {
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
