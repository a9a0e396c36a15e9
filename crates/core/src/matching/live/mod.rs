//! Live matching: follows a stream, finds each song within seconds and reports it once, with its exact start and end.
//!
//! ```text
//! peaks ─► history (60 s) ─┬─► open airings: verified against their own track ─► lost or ended: Final
//!                          └─► unexplained peaks: searched by schedule ─────────► found: Start
//! ```
//!
//! Decisions are made at fixed times of the stream, every half second, and use only the peaks before that time. So the events
//! do not depend on how the stream was cut into segments.
//!
//! An airing is one play of one recording: a stretch of the stream that matches a stretch of a track, or several stretches
//! where audio of the stream is lost or repeated (`matching/splice.rs`). It continues through speech of up to 10 s and
//! through silence of up to 30 s, if the track continues within 30 s of its expected position. If a song starts again from
//! its beginning, one airing ends and another one starts. Other catalog entries of the recording are never reported in
//! addition.

mod admit;
mod event;
mod history;
mod resume;
mod search_schedule;
mod settings;
mod stream_airings;
mod tracking;

use std::sync::Weak;

use crate::fingerprint::relief::UNKNOWN;
use crate::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use crate::index::{IndexError, Snapshot};

use super::MatchSettings;
use super::competitors::SelfSimilarity;
use super::line::PeakOutcome;
use super::significance::Chance;
use super::trace::Query;
use super::verify::{FINE, Window};
use super::window::{Buffers, WindowMatches, WindowSearch, log_hypotheses};

pub use event::{Airing, LiveEvent, LiveEventKind, LiveState};
pub use settings::LiveSettings;

use history::{History, is_silent, oldest, since};
use resume::ResumedAiring;
use search_schedule::{PlannedSearch, SEARCHES_PER_HOUR, SearchEffort, SearchSchedule, is_recent};
use stream_airings::StreamAirings;

/// Ticks between decisions: 0.5 s. At half of it, events are 0.25 s earlier at twice the cost; at twice, 0.5 s later.
const DECISION_TICKS: u32 = 86;
/// Length of the most recent audio on which chance is measured (10 s, in ticks). At half of it, the statistics of
/// chance are noisy; at twice, they lag after a change of the music.
const CHANCE_WINDOW_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// Factor on the evidence in streams. Pieces by one artist share loops and beats, and in hours of a stream their bars
/// coincide in many ways. Tuned on 1.5 hours of music with a catalog by the same artists. At half of it, songs need
/// twice the evidence and are found later; at 1, as in files, such music gives more false events.
const EVIDENCE_WEIGHT: f64 = 0.5;
/// Maximum number of unpacked tracks in the buffers: 40 MB; at twice, 80 MB. With half, tracks are unpacked more often.
const MAX_LOADED_TRACKS: usize = 600;

/// Reusable buffers of matchers. One instance per thread serves any number of streams, if all of them search one catalog.
#[derive(Debug, Default)]
pub struct LiveBuffers {
    search: Buffers,
    chance: Chance,
    outcomes: Vec<PeakOutcome>,
    unexplained: Vec<Peak>,
}

/// Matches one stream against the catalog.
#[derive(Debug)]
pub struct LiveMatcher {
    settings: LiveSettings,
    /// Settings of searches that try all scales, some scales, and no other scales.
    searches: [MatchSettings; 3],
    history: History,
    /// Time up to which all peaks have been received, in ticks.
    ready: u32,
    /// Time of the last decision, in ticks.
    decided: u32,
    search_schedule: SearchSchedule,
    stream_airings: StreamAirings,
    /// Identity of the snapshot used for the last decision.
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

    /// Creates a matcher that continues a stream of another matcher. `airings` are the airings that were open. Their times
    /// start at 0 with the first sample of this matcher: earlier times are negative, and times of audio that is processed
    /// again are positive. The airings are searched at their expected places and continue without another
    /// `Start`. Airings that are not found within 12 s after their last known end get a `Final`. `last_airing` is the highest
    /// airing number that has been assigned.
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

    /// Processes the next peaks of the stream, with [`crate::fingerprint::Density::Query`], in order of time (ticks since the
    /// first sample of the stream). `peaks` must contain all peaks before `ready_until` that were not pushed yet. Adds the
    /// resulting events to `out`.
    ///
    /// Missing audio is time that passes without peaks. Each call may use a different snapshot.
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
            // An error ends `push` early, so decisions may be left.
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

    /// Makes the decisions for the current time.
    fn decide(
        &mut self,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let at = f64::from(self.decided);
        let lost = self.end_removed_tracks(snapshot, out);
        let peaks = self.history.at(at);
        if !self.stream_airings.is_idle() {
            buffers.measure(peaks, at);
            let query = Query { peaks, from: oldest(at), to: at, chance: &buffers.chance };
            let correction = log_hypotheses(snapshot, SEARCHES_PER_HOUR as usize);
            self.stream_airings.find_resumed(&query, correction, &mut buffers.outcomes, out);
            self.stream_airings.extend(&query, &mut buffers.outcomes);
            self.stream_airings.close(&query, false, &mut buffers.outcomes, out);
        }
        let detected = self.stream_airings.last_detected();
        let plan = self.search_schedule.plan(u64::from(self.decided), detected, is_silent(peaks, at));
        let searched = plan.map_or(Ok(()), |plan| self.search(plan, snapshot, buffers, out));
        if let Some(seconds) = self.settings.update_seconds {
            self.stream_airings.update(at, seconds * TICKS_PER_SECOND, out);
        }
        lost.and(searched)
    }

    /// Ends the airings of tracks that a new snapshot does not contain.
    fn end_removed_tracks(
        &mut self,
        snapshot: &Snapshot,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let new = std::sync::Arc::downgrade(snapshot.identity());
        if Weak::ptr_eq(&self.snapshot_identity, &new) {
            return Ok(());
        }
        let mut removed_tracks = Vec::new();
        for airing in self.stream_airings.airings() {
            if snapshot.find(airing.detected.track)?.is_none() {
                removed_tracks.push(airing.detected.track);
            }
        }
        self.snapshot_identity = new;
        self.stream_airings.end_tracks(f64::from(self.decided), |track| removed_tracks.contains(&track), out);
        Ok(())
    }

    /// Searches the unexplained peaks of the stream from a time on and starts or continues airings.
    fn search(
        &mut self,
        PlannedSearch { effort, from }: PlannedSearch,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let at = f64::from(self.decided);
        let peaks = self.history.at(at);
        buffers.measure(peaks, at);
        let LiveBuffers { search, chance, outcomes, unexplained } = buffers;
        let latest = Query { peaks: since(peaks, from), from, to: at, chance };
        self.stream_airings.unexplained(&latest, outcomes, unexplained);
        let correction = log_hypotheses(snapshot, SEARCHES_PER_HOUR as usize);
        let accepted = self.settings.false_events_per_hour.max(f64::MIN_POSITIVE).ln();
        let limit = (accepted - correction) / EVIDENCE_WEIGHT;
        let [all_scales, some_scales, original_scale] = &self.searches;
        let settings = match effort {
            SearchEffort::AllScales => all_scales,
            SearchEffort::SomeScales => some_scales,
            SearchEffort::ClearOnly | SearchEffort::OriginalScale => original_scale,
        };
        let window = Window { peaks: unexplained, from: from.floor(), to: at, relief: &UNKNOWN };
        search.references.trim(MAX_LOADED_TRACKS);
        let mut searching = WindowSearch::with(
            std::mem::take(search),
            snapshot,
            settings,
            (limit, SelfSimilarity::IN_STREAMS),
        )
        .with_all_copies();
        let found = match effort {
            SearchEffort::ClearOnly => searching.find_clear(&window),
            _ => searching.find(&window),
        };
        *search = searching.into_buffers();
        let WindowMatches { accepted, .. } = found?;
        let query = Query { peaks, from: oldest(at), to: at, chance };
        for explanation in &accepted {
            self.stream_airings.admit(explanation, &window, &query, (limit, correction), outcomes, out);
        }
        Ok(())
    }
}

impl LiveBuffers {
    /// Measures chance on the most recent audio.
    fn measure(&mut self, peaks: &[Peak], at: f64) {
        let from = (at - CHANCE_WINDOW_TICKS).max(0.0);
        self.chance.measure(since(peaks, from), at - from, FINE);
    }
}
