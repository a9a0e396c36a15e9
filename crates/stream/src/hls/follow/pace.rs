//! Timing of playlist loads, and detection of stalled and ended streams. "New media" means segments, parts or gaps that
//! earlier loads did not contain.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::hls::settings::HlsSettings;

/// Number of loads without new media, after the stream counts as stalled, until the pause between loads stops growing.
/// Each adds half a target duration, so the longest pause is 4.5 target durations. At half this value, a stalled stream
/// is loaded twice as often; at twice this value, a stream that continues is noticed twice as late.
const MAX_SLOW_LOADS: u32 = 8;

/// End of a playlist: the media sequence number after its last segment, and the number of parts listed after that
/// segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlaylistEnd {
    pub(super) sequence: u64,
    pub(super) parts: usize,
}

/// Segment or part that a blocking reload requests from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReloadTarget {
    /// Media sequence number of the segment (`_HLS_msn`).
    pub(super) sequence: u64,
    /// Index of the part in the segment (`_HLS_part`), from 0; `None` requests the complete segment.
    pub(super) part: Option<usize>,
    /// Longest time that the server may delay the response.
    pub(super) wait: Duration,
}

impl ReloadTarget {
    fn is_in(&self, playlist_end: PlaylistEnd) -> bool {
        let before = PlaylistEnd { sequence: self.sequence, parts: self.part.unwrap_or(usize::MAX) };
        playlist_end > before
    }
}

/// State of the playlist after a load.
pub(super) struct PlaylistState {
    pub(super) target: Duration,
    /// End of the playlist in its own numbering.
    pub(super) playlist_end: PlaylistEnd,
    /// Target duration of the parts; `None` if the stream is not followed by parts.
    pub(super) part: Option<Duration>,
    /// True if the server supports blocking reloads (CAN-BLOCK-RELOAD).
    pub(super) can_block: bool,
    /// True if the load returned new segments, parts or gaps.
    pub(super) changed: bool,
    /// Time until the next segment exists; `None` if it is unknown.
    pub(super) next_load: Option<Duration>,
}

impl PlaylistState {
    /// State before the first playlist was received.
    pub(super) const FIRST: Self = Self {
        target: Duration::from_secs(2),
        playlist_end: PlaylistEnd { sequence: 0, parts: 0 },
        part: None,
        can_block: false,
        changed: false,
        next_load: None,
    };
}

/// Decides when a playlist is loaded again.
pub(super) struct ReloadPacer {
    settings: Arc<HlsSettings>,
    /// Time of the last load with new media.
    progress: Instant,
    /// Number of consecutive loads without new media.
    idle: u32,
    /// True if the server responded to a blocking reload too early and without the requested segment or part (see
    /// [`Self::blocked`]), so that blocking reloads are not used.
    cannot_block: bool,
}

impl ReloadPacer {
    pub(super) fn new(settings: Arc<HlsSettings>) -> Self {
        Self { settings, progress: Instant::now(), idle: 0, cannot_block: false }
    }

    /// Records that a load returned new media at the current time.
    pub(super) fn updated(&mut self) {
        self.idle = 0;
        self.progress = Instant::now();
    }

    /// Records that a load returned no new media.
    pub(super) fn unchanged(&mut self) {
        self.idle = self.idle.saturating_add(1);
    }

    /// Returns true if enough consecutive loads returned no new media for the stream to count as stalled.
    pub(super) fn is_idle(&self) -> bool {
        self.idle >= self.patient_loads()
    }

    /// Restarts the count of loads without new media, because another rendition is loaded from now on.
    pub(super) fn restart_idle(&mut self) {
        self.idle = 0;
    }

    /// Returns the number of loads without new media in `stalled_after` target durations; the pause after each is half
    /// a target duration.
    fn patient_loads(&self) -> u32 {
        (self.settings.stalled_after * 2.0).ceil().max(1.0) as u32
    }

    /// Returns the segment or part that the next load requests as a blocking reload, or `None` if the next load must
    /// not block.
    pub(super) fn block(&self, playlist_state: &PlaylistState) -> Option<ReloadTarget> {
        // RFC 8216bis (6.2.5.2) lets a server hold a blocking reload for up to three target durations.
        let wanted = ReloadTarget {
            sequence: playlist_state.playlist_end.sequence,
            part: playlist_state.part.map(|_| playlist_state.playlist_end.parts),
            wait: playlist_state.target * 3,
        };
        (playlist_state.can_block && playlist_state.changed && !self.cannot_block).then_some(wanted)
    }

    /// Records the result of a blocking reload: its duration `took` and the end of the returned playlist. If the server
    /// returns a playlist without the requested segment or part in less than a sixth of the allowed time, blocking
    /// reloads are no longer used.
    pub(super) fn blocked(&mut self, wanted: ReloadTarget, took: Duration, playlist_end: PlaylistEnd) {
        // A server that ignores the directives would otherwise be requested in a busy loop, because a blocking reload
        // has no pause.
        self.cannot_block |= !wanted.is_in(playlist_end) && took < wanted.wait / 6;
    }

    /// Returns the time from the start of the last load to the start of the next one (RFC 8216 section 6.3.4). It is a
    /// target duration after a load with new media, and half of it after a load without new media. It is zero before a
    /// blocking reload, and grows after many loads without new media. If the time of the next segment is known, it is that
    /// time. If the stream is followed by parts, the target
    /// duration of parts is used.
    pub(super) fn pause(&self, playlist_state: &PlaylistState) -> Duration {
        if self.block(playlist_state).is_some() {
            return Duration::ZERO;
        }
        let slower = f64::from(self.idle.saturating_sub(self.patient_loads()).min(MAX_SLOW_LOADS)) / 2.0;
        let factor = if playlist_state.changed { 1.0 } else { 0.5 + slower };
        let (min_pause, max_pause) = self.bounds();
        if let Some(next_load) = playlist_state.next_load {
            return next_load.clamp(min_pause, max_pause);
        }
        // Clamped, because the target duration is untrusted: 0 would cause a busy loop, and an hour would miss all
        // segments.
        playlist_state.part.unwrap_or(playlist_state.target).mul_f64(factor).clamp(min_pause, max_pause)
    }

    pub(super) fn is_stalled(&self, playlist_state: &PlaylistState) -> bool {
        let (min_pause, max_pause) = self.bounds();
        let target = playlist_state.target.clamp(min_pause, max_pause);
        self.progress.elapsed() > target.mul_f64(self.settings.stalled_after.max(0.0))
    }

    /// Returns true if no load returned new media for [`HlsSettings::give_up_after`].
    pub(super) fn has_timed_out(&self) -> bool {
        self.progress.elapsed() >= self.settings.give_up_after
    }

    fn bounds(&self) -> (Duration, Duration) {
        let (min_pause, max_pause) = self.settings.reload;
        (min_pause, max_pause.max(min_pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_specification_then_grow() {
        let mut pace = ReloadPacer::new(Arc::new(HlsSettings::default()));
        let playlist_state =
            |changed| PlaylistState { target: Duration::from_secs(4), changed, ..PlaylistState::FIRST };
        assert_eq!(pace.pause(&playlist_state(true)).as_secs(), 4);
        for _ in 0..6 {
            pace.unchanged();
            assert_eq!(pace.pause(&playlist_state(false)).as_secs(), 2);
        }
        (0..100).for_each(|_| pace.unchanged());
        assert_eq!(pace.pause(&playlist_state(false)).as_secs(), 18);
        pace.updated();
        assert_eq!(pace.pause(&playlist_state(false)).as_secs(), 2);
        let hour = PlaylistState { target: Duration::from_secs(3600), ..playlist_state(true) };
        assert_eq!(pace.pause(&hour).as_secs(), 30);
    }

    #[test]
    fn blocking_reloads_stop_if_the_server_does_not_block() {
        let at = |sequence, parts| PlaylistEnd { sequence, parts };
        for (part, wanted) in [(None, None), (Some(Duration::from_secs(1)), Some(2))] {
            let mut pace = ReloadPacer::new(Arc::new(HlsSettings::default()));
            let playlist_state = PlaylistState {
                can_block: true,
                changed: true,
                part,
                playlist_end: at(7, 2),
                ..PlaylistState::FIRST
            };
            let requested = pace.block(&playlist_state).unwrap();
            assert_eq!((requested.sequence, requested.part, requested.wait.as_secs()), (7, wanted, 6));
            pace.blocked(requested, Duration::from_secs(2), at(7, 2));
            pace.blocked(requested, Duration::ZERO, at(8, 0));
            if part.is_some() {
                pace.blocked(requested, Duration::ZERO, at(7, 3));
            }
            assert!(pace.pause(&playlist_state).is_zero());
            pace.blocked(requested, Duration::ZERO, at(7, 2));
            assert!(pace.block(&playlist_state).is_none());
            assert_eq!(pace.pause(&playlist_state), part.unwrap_or(playlist_state.target));
        }
    }
}
