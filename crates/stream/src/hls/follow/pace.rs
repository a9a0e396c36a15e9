//! Timing of playlist loads, and detection of stalled and ended streams. "News" are segments, parts or gaps that earlier
//! loads did not contain.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::hls::settings::HlsSettings;

/// Number of loads without news, after the stream counts as stalled, until the pause between loads stops growing.
const SLOWEST_AFTER: u32 = 8;

/// End of a playlist: the media sequence number after its last segment, and the number of parts listed after that segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reached {
    pub(super) sequence: u64,
    pub(super) parts: usize,
}

/// Segment or part that a blocking reload requests from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Media sequence number of the segment (`_HLS_msn`).
    pub(super) sequence: u64,
    /// Index of the part in the segment (`_HLS_part`), from 0; `None` requests the complete segment.
    pub(super) part: Option<usize>,
    /// Longest time that the server may delay the response.
    pub(super) wait: Duration,
}

impl Wanted {
    fn is_in(&self, reached: Reached) -> bool {
        let before = Reached { sequence: self.sequence, parts: self.part.unwrap_or(usize::MAX) };
        reached > before
    }
}

/// State of the playlist after a load.
pub(super) struct Seen {
    pub(super) target: Duration,
    /// End of the playlist in its own numbering.
    pub(super) reached: Reached,
    /// Target duration of the parts, if the stream is followed by parts.
    pub(super) part: Option<Duration>,
    /// True if the server supports blocking reloads (CAN-BLOCK-RELOAD).
    pub(super) can_block: bool,
    /// True if the load brought new segments, parts or gaps.
    pub(super) changed: bool,
}

impl Seen {
    /// State before the first playlist was received.
    pub(super) const FIRST: Self = Self {
        target: Duration::from_secs(2),
        reached: Reached { sequence: 0, parts: 0 },
        part: None,
        can_block: false,
        changed: false,
    };
}

/// Decides when a playlist is loaded again.
pub(super) struct Pace {
    settings: Arc<HlsSettings>,
    /// Time of the last load with news.
    progress: Instant,
    /// Number of consecutive loads without news.
    idle: u32,
    /// True if the server answered a blocking reload immediately and without news, so that blocking reloads are not used.
    cannot_block: bool,
}

impl Pace {
    pub(super) fn new(settings: Arc<HlsSettings>) -> Self {
        Self { settings, progress: Instant::now(), idle: 0, cannot_block: false }
    }

    /// Records that a load brought news.
    pub(super) fn news(&mut self) {
        self.idle = 0;
        self.progress = Instant::now();
    }

    /// Records that a load brought no news.
    pub(super) fn no_news(&mut self) {
        self.idle = self.idle.saturating_add(1);
    }

    /// Returns what the next load requests as a blocking reload, or `None` if it must not block.
    pub(super) fn block(&self, seen: &Seen) -> Option<Wanted> {
        let wanted = Wanted {
            sequence: seen.reached.sequence,
            part: seen.part.map(|_| seen.reached.parts),
            wait: seen.target * 3,
        };
        (seen.can_block && seen.changed && !self.cannot_block).then_some(wanted)
    }

    /// Records the result of a blocking reload: its duration and the end of the returned playlist. A playlist without the
    /// wanted segment or part in less than a sixth of the allowed time shows that the server does not block.
    pub(super) fn blocked(&mut self, wanted: Wanted, took: Duration, reached: Reached) {
        self.cannot_block |= !wanted.is_in(reached) && took < wanted.wait / 6;
    }

    /// Returns the time from the start of the last load to the start of the next one (RFC 8216 section 6.3.4): a target
    /// duration after a load with news, and half of it after a load without news. The pause is zero for a blocking reload,
    /// and grows after many loads without news. If the stream is followed by parts, the target duration of parts is used.
    pub(super) fn pause(&self, seen: &Seen) -> Duration {
        if self.block(seen).is_some() {
            return Duration::ZERO;
        }
        // Number of loads without news in `stalled_after` target durations: the pause after such a load is half of one.
        let patience = (self.settings.stalled_after * 2.0).ceil().max(1.0) as u32;
        let slower = f64::from(self.idle.saturating_sub(patience).min(SLOWEST_AFTER)) / 2.0;
        let factor = if seen.changed { 1.0 } else { 0.5 + slower };
        let (shortest, longest) = self.bounds();
        seen.part.unwrap_or(seen.target).mul_f64(factor).clamp(shortest, longest)
    }

    pub(super) fn is_stalled(&self, seen: &Seen) -> bool {
        let (shortest, longest) = self.bounds();
        let target = seen.target.clamp(shortest, longest);
        self.progress.elapsed() > target.mul_f64(self.settings.stalled_after.max(0.0))
    }

    /// Returns true if there was no news for [`HlsSettings::give_up_after`].
    pub(super) fn is_over(&self) -> bool {
        self.progress.elapsed() >= self.settings.give_up_after
    }

    fn bounds(&self) -> (Duration, Duration) {
        let (shortest, longest) = self.settings.reload;
        (shortest, longest.max(shortest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_specification_then_grow() {
        let mut pace = Pace::new(Arc::new(HlsSettings::default()));
        let seen = |changed| Seen { target: Duration::from_secs(4), changed, ..Seen::FIRST };
        assert_eq!(pace.pause(&seen(true)).as_secs(), 4);
        for _ in 0..6 {
            pace.no_news();
            assert_eq!(pace.pause(&seen(false)).as_secs(), 2);
        }
        (0..100).for_each(|_| pace.no_news());
        assert_eq!(pace.pause(&seen(false)).as_secs(), 18);
        pace.news();
        assert_eq!(pace.pause(&seen(false)).as_secs(), 2);
        let hour = Seen { target: Duration::from_secs(3600), ..seen(true) };
        assert_eq!(pace.pause(&hour).as_secs(), 30);
    }

    #[test]
    fn blocking_reloads_stop_if_the_server_does_not_block() {
        let at = |sequence, parts| Reached { sequence, parts };
        for (part, wanted) in [(None, None), (Some(Duration::from_secs(1)), Some(2))] {
            let mut pace = Pace::new(Arc::new(HlsSettings::default()));
            let seen = Seen { can_block: true, changed: true, part, reached: at(7, 2), ..Seen::FIRST };
            let asked = pace.block(&seen).unwrap();
            assert_eq!((asked.sequence, asked.part, asked.wait.as_secs()), (7, wanted, 6));
            pace.blocked(asked, Duration::from_secs(2), at(7, 2));
            pace.blocked(asked, Duration::ZERO, at(8, 0));
            if part.is_some() {
                pace.blocked(asked, Duration::ZERO, at(7, 3));
            }
            assert!(pace.pause(&seen).is_zero());
            pace.blocked(asked, Duration::ZERO, at(7, 2));
            assert!(pace.block(&seen).is_none());
            assert_eq!(pace.pause(&seen), part.unwrap_or(seen.target));
        }
    }
}
