//! Live matching: follows a stream, finds each song within seconds and reports it once, with its exact start and end.
//!
//! ```text
//! peaks ─► history (60 s) ─┬─► open airings: verified against their own track ─► lost or ended: Final
//!                          └─► unexplained peaks: searched by schedule ─────────► found: Start
//! ```
//!
//! Decisions are made at fixed times of the stream, every half second, and use only the peaks before that time. So the
//! events do not depend on how the stream was cut into segments.
//!
//! An airing is one play of one recording: a stretch of the stream that matches a stretch of a track, or several
//! stretches where audio of the stream is lost or repeated (`matching/splice.rs`). It continues through speech of up to
//! 10 s and through silence of up to 30 s, if the track continues within 30 s of its expected position. If a song
//! starts again from its beginning, one airing ends and another one starts. Other catalog entries of the recording are
//! never reported in addition.

mod admit;
mod decisions;
mod event;
mod evidence;
mod history;
mod resume;
mod search_schedule;
mod settings;
mod stream_airings;
mod tracking;

use std::sync::Weak;

use crate::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use crate::index::{IndexError, Snapshot};

use super::MatchSettings;
use super::line::{FINE, PeakOutcome};
use super::query::Query;
use super::significance::Chance;
use super::window::Buffers;

pub use event::{Airing, EventKind, LiveEvent, LiveState};
pub use settings::LiveSettings;

use history::{History, is_silent, oldest, since};
use resume::ResumedAiring;
use search_schedule::{SearchSchedule, is_recent};
use stream_airings::StreamAirings;

/// Ticks between decisions: 0.5 s. At half this value, events are up to 0.25 s earlier at twice the cost; at twice this
/// value, they are up to 0.5 s later.
const DECISION_TICKS: u32 = 86;
/// Length of the most recent audio on which chance is measured (10 s, in ticks). At half this value, the statistics of
/// chance are noisy; at twice this value, they lag after a change of the music.
const CHANCE_WINDOW_TICKS: f64 = 10.0 * TICKS_PER_SECOND;

/// Reusable buffers of matchers. One instance per thread serves any number of streams, if all of them search one
/// catalog.
#[derive(Debug, Default)]
pub struct LiveBuffers {
    search: Buffers,
    chance: Chance,
    outcomes: Vec<PeakOutcome>,
    unexplained: Vec<Peak>,
}

/// Matches one stream against the catalog.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::{Constellation, Peak};
/// use refrain_core::index::{Snapshot, TrackNumber};
/// use refrain_core::matching::live::{EventKind, LiveBuffers, LiveMatcher, LiveSettings};
///
/// # fn track(seed: u32) -> Constellation {
/// #     let mut state = seed;
/// #     let mut random = |limit: u32| {
/// #         state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
/// #         (state >> 8) % limit
/// #     };
/// #     let mut peaks: Vec<_> = (0..900)
/// #         .map(|_| Peak { time: random(5_160), frequency: 100 + random(3_000) as u16, rank: random(4) as u8 })
/// #         .collect();
/// #     peaks.sort_by_key(|peak| (peak.time, peak.frequency));
/// #     Constellation::new(30.0, peaks)
/// # }
/// let index = Snapshot::from_tracks(&[(TrackNumber(1), track(1))])?;
/// let (mut buffers, mut events) = (LiveBuffers::default(), Vec::new());
/// let mut matcher = LiveMatcher::new(LiveSettings::default());
/// // A stream that plays the track once. Its peaks arrive second by second.
/// let stream = track(1);
/// for second in stream.peaks.chunk_by(|a, b| a.time / 172 == b.time / 172) {
///     let until = (second[0].time / 172 + 1) * 172;
///     matcher.push(second, until, &index, &mut buffers, &mut events)?;
/// }
/// matcher.finish(&Constellation::new(30.0, Vec::new()), &index, &mut buffers, &mut events)?;
///
/// let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
/// assert_eq!(kinds, [EventKind::Start, EventKind::Final]);
/// assert_eq!(events[1].airing.detected.track, TrackNumber(1));
/// assert!((events[1].airing.detected.query_end - 30.0).abs() < 1.0);
/// # Ok::<(), refrain_core::index::IndexError>(())
/// ```
#[derive(Debug)]
pub struct LiveMatcher {
    settings: LiveSettings,
    /// Settings of three searches: at all scales, at some scales, and at the original scale only.
    searches: [MatchSettings; 3],
    history: History,
    /// Time up to which all peaks have been received, in ticks.
    ready: u32,
    /// Time of the last decision, in ticks.
    decided: u32,
    search_schedule: SearchSchedule,
    stream_airings: StreamAirings,
    /// Identity of the snapshot of the last decision. Another identity means that tracks may have been removed.
    snapshot_identity: Weak<()>,
}

impl LiveMatcher {
    /// Creates a matcher at the start of a stream.
    #[must_use]
    pub fn new(settings: LiveSettings) -> Self {
        Self {
            searches: [settings.all_scales(), settings.some_scales(), settings.original_scale()],
            settings,
            history: History::default(),
            ready: 0,
            decided: 0,
            search_schedule: SearchSchedule::default(),
            stream_airings: StreamAirings::default(),
            snapshot_identity: Weak::new(),
        }
    }

    /// Creates a matcher that continues a stream of another matcher. `airings` are the airings that were open. Their
    /// times count from the first sample of this matcher: earlier times are negative, and times in audio that is
    /// processed again are positive. The airings are searched at their expected places and continue without another
    /// `Start`. Airings that are not found within 12 s after their last known end get a `Final`. `last_airing` is the
    /// highest airing number that has been assigned, or 0 if there was none.
    ///
    /// # Errors
    /// Returns [`IndexError`] if a track cannot be read.
    pub fn resume(
        settings: LiveSettings,
        airings: &[Airing],
        last_airing: u64,
        snapshot: &Snapshot,
    ) -> Result<Self, IndexError> {
        let mut this = Self::new(settings);
        this.stream_airings.last = airings.iter().map(|airing| airing.id).fold(last_airing, u64::max);
        let resumed = airings.iter().map(|airing| ResumedAiring::new(airing.clone(), snapshot));
        this.stream_airings.resumed = resumed.collect::<Result<_, _>>()?;
        Ok(this)
    }

    /// Processes the next peaks of the stream, with [`crate::fingerprint::Density::Query`], in order of time (ticks
    /// since the first sample of the stream). `peaks` must contain all peaks before `ready_until` that were not pushed
    /// yet. Adds the resulting events to `out`.
    ///
    /// If audio is missing, call this function with the time after the gap as `ready_until`, and without peaks in the
    /// gap. Each call may use a different snapshot.
    ///
    /// # Errors
    /// Returns [`IndexError`] if a part of the index that a search read is damaged. That search is skipped; the matcher
    /// remains usable.
    pub fn push(
        &mut self,
        peaks: &[Peak],
        ready_until: u32,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        self.history.add(peaks);
        self.ready = self.ready.max(ready_until);
        while self.ready - self.decided >= DECISION_TICKS {
            self.decided += DECISION_TICKS;
            let decided = self.decide(snapshot, buffers, out);
            self.history.prune(f64::from(self.decided));
            decided?;
        }
        Ok(())
    }

    /// Ends the stream: processes its last peaks and its length in seconds, as returned by
    /// [`crate::fingerprint::Fingerprinter::finish`]. All airings get a `Final`.
    ///
    /// # Errors
    /// Returns the errors of [`Self::push`]. All events are added to `out` even if there is an error.
    pub fn finish(
        mut self,
        rest: &Constellation,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let end = (rest.seconds * TICKS_PER_SECOND) as u32;
        let mut result = self.push(&rest.peaks, end, snapshot, buffers, out);
        while self.ready - self.decided >= DECISION_TICKS {
            // An error ends `push` early, so some decisions may not have been made yet.
            result = result.and(self.push(&[], end, snapshot, buffers, out));
        }
        self.decided = self.ready;
        let at = f64::from(self.decided);
        let peaks = self.history.at(at);
        buffers.measure(peaks, at);
        let query = Query { peaks, from: oldest(at), to: at, chance: &buffers.chance };
        self.stream_airings.extend(&query, &mut buffers.outcomes);
        if let Some(plan) = self.search_schedule.last(at) {
            result = result.and(self.search(plan, snapshot, buffers, out));
        }
        let peaks = self.history.at(at);
        let query = Query { peaks, from: oldest(at), to: at, chance: &buffers.chance };
        self.stream_airings.close(&query, true, &mut buffers.outcomes, out);
        result
    }

    /// Returns the state of the stream.
    #[must_use]
    pub fn state(&self) -> LiveState {
        let at = f64::from(self.decided);
        let silent = is_silent(self.history.at(at), at);
        let detected = self.stream_airings.last_detected().is_some_and(|detected| is_recent(detected, at));
        let unknown_since = (!silent && !detected).then(|| self.search_schedule.since() / TICKS_PER_SECOND);
        LiveState {
            decided_until: at / TICKS_PER_SECOND,
            airings: self.stream_airings.airings(),
            last_airing: self.stream_airings.last,
            silent,
            unknown_since,
        }
    }
}

impl LiveBuffers {
    /// Measures chance on the last 10 s ([`CHANCE_WINDOW_TICKS`]) before the time `at` (ticks).
    fn measure(&mut self, peaks: &[Peak], at: f64) {
        let from = (at - CHANCE_WINDOW_TICKS).max(0.0);
        self.chance.measure(since(peaks, from), at - from, FINE);
    }
}
