//! When a playlist is loaded again, and when nothing more is expected of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::hls::settings::HlsSettings;

/// Loads that found nothing new until the longest pause between two.
const SLOWEST_AFTER: u32 = 8;

/// How far a playlist reaches: the media sequence number after its last segment, and how many parts follow that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reached {
    pub(super) sequence: u64,
    pub(super) parts: usize,
}

/// What a reload is to wait for at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Media sequence number of the segment (`_HLS_msn`).
    pub(super) sequence: u64,
    /// Which part of it (`_HLS_part`), from 0; without one it is to be complete.
    pub(super) part: Option<usize>,
    /// For how long that may be.
    pub(super) wait: Duration,
}

impl Wanted {
    fn is_in(&self, reached: Reached) -> bool {
        let before = Reached { sequence: self.sequence, parts: self.part.unwrap_or(usize::MAX) };
        reached > before
    }
}

/// What is known after a load.
pub(super) struct Seen {
    pub(super) target: Duration,
    /// How far the playlist reaches, as it counts.
    pub(super) reached: Reached,
    /// How long parts are, where the stream is followed by them.
    pub(super) part: Option<Duration>,
    /// Whether the server offers to wait for news.
    pub(super) can_block: bool,
    /// Whether there were news.
    pub(super) changed: bool,
}

impl Seen {
    /// Of a playlist that has not come yet.
    pub(super) const FIRST: Self = Self {
        target: Duration::from_secs(2),
        reached: Reached { sequence: 0, parts: 0 },
        part: None,
        can_block: false,
        changed: false,
    };
}

/// The rhythm of loads.
pub(super) struct Pace {
    settings: Arc<HlsSettings>,
    /// When there were news for the last time.
    progress: Instant,
    /// Loads in a row that brought nothing new.
    idle: u32,
    /// Whether the server answers a blocking reload at once, without news.
    cannot_block: bool,
}

impl Pace {
    pub(super) fn new(settings: Arc<HlsSettings>) -> Self {
        Self { settings, progress: Instant::now(), idle: 0, cannot_block: false }
    }

    /// A load brought something.
    pub(super) fn news(&mut self) {
        self.idle = 0;
        self.progress = Instant::now();
    }

    /// A load brought nothing new.
    pub(super) fn no_news(&mut self) {
        self.idle = self.idle.saturating_add(1);
    }

    /// What to wait for with the next load, where the server offers that.
    pub(super) fn block(&self, seen: &Seen) -> Option<Wanted> {
        let wanted = Wanted {
            sequence: seen.reached.sequence,
            part: seen.part.map(|_| seen.reached.parts),
            wait: seen.target * 3,
        };
        (seen.can_block && seen.changed && !self.cannot_block).then_some(wanted)
    }

    /// Learns of a load that was to wait, took so long and reaches so far.
    pub(super) fn blocked(&mut self, wanted: Wanted, took: Duration, reached: Reached) {
        self.cannot_block |= !wanted.is_in(reached) && took < wanted.wait / 6;
    }

    /// When to load again, from the beginning of the last load (RFC 8216 section 6.3.4): a target duration after news,
    /// half of one after none; at once where the server keeps the answer until there is news; slower after a while.
    /// Where the stream is followed by parts, a part's duration takes the place of the target duration.
    pub(super) fn pause(&self, seen: &Seen) -> Duration {
        if self.block(seen).is_some() {
            return Duration::ZERO;
        }
        // So many loads without news are no stall: each takes half a target duration.
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

    /// Whether there were no news for so long that none are expected.
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
    fn pauses_are_those_of_the_specification_then_longer() {
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
    fn a_server_that_does_not_wait_is_not_asked_to_again() {
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
