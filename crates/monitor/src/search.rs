//! Searches the peaks of a stream in the index and emits events.

use std::time::{Duration, Instant};

use refrain_core::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::live::{
    Airing, EventKind, LiveBuffers, LiveEvent, LiveMatcher, LiveSettings, LiveState,
};

use super::airings::Airings;
use super::decode::{FingerprintedSpan, PeakBatch};

/// Maximum number of ticks of one [`LiveMatcher`]: 144 days, half of the range of its 32-bit times. After this time,
/// another matcher continues the airings. The other half of the range is a margin for deadlines that are computed
/// ahead; the exact value has no other effect.
const MAX_MATCHER_TICKS: u64 = 1 << 31;

/// Length of a gap in ticks after which another matcher continues the airings: an hour. A matcher makes a decision for
/// every half second, even in a gap, so a long gap takes much processor time. At half this value, outages of half an
/// hour reset the state of the search; at twice this value, a gap of two hours delays the stream by 14,400 decisions.
const MAX_GAP_TICKS: u64 = (3_600.0 * TICKS_PER_SECOND) as u64;

/// Searches the peaks of one stream.
pub(super) struct StreamSearch {
    settings: LiveSettings,
    matcher: LiveMatcher,
    /// Stream time of the first tick of the matcher, in ticks.
    base: u64,
    /// Stream time up to which peaks were pushed into the matcher, in ticks.
    until: u64,
    peaks: Vec<Peak>,
    /// Wall-clock time of all searches of the stream.
    pub(super) time: Duration,
    error: Option<IndexError>,
}

/// Data that a search borrows from its worker during one call.
pub(super) struct SearchContext<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) buffers: &'a mut LiveBuffers,
    pub(super) airings: &'a mut Airings,
    pub(super) events: &'a mut Vec<LiveEvent>,
}

impl StreamSearch {
    /// Creates a search at the start of a stream.
    pub(super) fn new(settings: LiveSettings) -> Self {
        let matcher = LiveMatcher::new(settings.clone());
        Self { settings, matcher, base: 0, until: 0, peaks: Vec::new(), time: Duration::ZERO, error: None }
    }

    /// Searches the peaks of a span. Adds the events to `context.events`.
    pub(super) fn process(&mut self, piece: &FingerprintedSpan, context: &mut SearchContext<'_>) {
        let started_at = Instant::now();
        if context.airings.is_awaiting() {
            self.resume(piece, context);
        }
        if piece.missing > 0 {
            context.airings.add_gap(piece.seconds(), piece.missing_seconds());
        }
        piece.ready.iter().for_each(|ready| self.push(ready, context));
        self.time += started_at.elapsed();
    }

    /// Ends the stream at the tick `end` of the stream: every airing gets its final event.
    pub(super) fn finish(&mut self, end: u64, context: &mut SearchContext<'_>) {
        let started_at = Instant::now();
        let seconds = end.saturating_sub(self.base) as f64 / TICKS_PER_SECOND;
        let rest = Constellation::new(seconds, Vec::new());
        let placeholder = LiveMatcher::new(LiveSettings::default());
        let matcher = std::mem::replace(&mut self.matcher, placeholder);
        // Only the events after this index are in the time of the matcher.
        let before = context.events.len();
        let finished = matcher.finish(&rest, context.snapshot, context.buffers, context.events);
        self.to_stream_time(context.events, before);
        // The first error is kept: later ones are usually its consequences.
        self.error = self.error.take().or(finished.err());
        self.time += started_at.elapsed();
    }

    /// Returns the state of the matcher, with times in seconds of the stream.
    pub(super) fn state(&self) -> LiveState {
        let mut state = self.matcher.state();
        let base = self.base_seconds();
        state.decided_until += base;
        state.unknown_since = state.unknown_since.map(|since| since + base);
        state.airings.iter_mut().for_each(|airing| airing.detected.shift_query(base));
        state
    }

    /// Returns the first error since the last call; `None` if no search failed.
    pub(super) fn take_error(&mut self) -> Option<IndexError> {
        self.error.take()
    }

    /// Continues the airings of an earlier worker from the first span on. If the index is too damaged to continue them,
    /// the airings get their final events.
    fn resume(&mut self, piece: &FingerprintedSpan, context: &mut SearchContext<'_>) {
        let origin = piece.epoch - piece.seconds();
        let airings = context.airings.begin(origin, piece.shared_clock, context.snapshot);
        self.continue_with(airings, 0, context);
    }

    fn continue_with(&mut self, airings: Vec<Airing>, last: u64, context: &mut SearchContext<'_>) {
        match LiveMatcher::resume(self.settings.clone(), &airings, last, context.snapshot) {
            Ok(matcher) => self.matcher = matcher,
            Err(error) => {
                let last = |airing| LiveEvent { kind: EventKind::Final, known_at: 0.0, airing };
                let before = context.events.len();
                context.events.extend(airings.into_iter().map(last));
                self.to_stream_time(context.events, before);
                self.error = Some(error);
            }
        }
    }

    fn push(&mut self, ready: &PeakBatch, context: &mut SearchContext<'_>) {
        let is_used_up = ready.until.saturating_sub(self.base) > MAX_MATCHER_TICKS;
        if is_used_up || ready.base.saturating_sub(self.until) > MAX_GAP_TICKS {
            self.begin_at(ready.base.max(self.until), context);
        }
        // A batch can repeat the end of the previous one, but the time of a matcher never goes back.
        self.until = self.until.max(ready.until);
        // Peaks before the first tick of the matcher belong to the previous matcher.
        let tick = |ticks: u64| u32::try_from(ticks).unwrap_or(u32::MAX);
        let place = |peak: &Peak| {
            let time = (ready.base + u64::from(peak.time)).checked_sub(self.base)?;
            Some(Peak { time: tick(time), ..*peak })
        };
        self.peaks.clear();
        self.peaks.extend(ready.peaks.iter().filter_map(place));
        let until = tick(ready.until.saturating_sub(self.base));
        let before = context.events.len();
        let SearchContext { snapshot, buffers, events, .. } = context;
        let pushed = self.matcher.push(&self.peaks, until, snapshot, buffers, events);
        self.to_stream_time(context.events, before);
        self.error = self.error.take().or(pushed.err());
    }

    /// Replaces the matcher by one whose first tick is the tick `base` of the stream. Open airings are continued.
    fn begin_at(&mut self, base: u64, context: &mut SearchContext<'_>) {
        let mut state = self.state();
        self.base = base;
        let seconds = self.base_seconds();
        // The times become relative to the new matcher, whose tick 0 is `base`.
        state.airings.iter_mut().for_each(|airing| airing.detected.shift_query(-seconds));
        self.continue_with(state.airings, state.last_airing, context);
    }

    fn base_seconds(&self) -> f64 {
        self.base as f64 / TICKS_PER_SECOND
    }

    /// Converts the times of `events`, from the index `from` on, from matcher time to stream time.
    fn to_stream_time(&self, events: &mut [LiveEvent], from: usize) {
        let base = self.base_seconds();
        if base > 0.0 {
            for event in events.iter_mut().skip(from) {
                event.known_at += base;
                event.airing.detected.shift_query(base);
            }
        }
    }
}
