//! Following a stream: each song is found within seconds, locked, and told once, with its exact ends.
//!
//! ```text
//! peaks ─► history (60 s) ─┬─► open airings: verified against their own track ─► lost or over: Final
//!                          └─► what none explains: searched by plan (hunt) ─► found: Start
//! ```
//!
//! Decisions are made at fixed times of the stream, every half second, and look only at the peaks before. So how
//! the stream was cut into segments changes no event.
//!
//! An airing is one play of one recording: a stretch of the stream and the stretch of a track beside it, or several where
//! sound of the stream is lost or repeated (`matching/splice.rs`). It lives through speech of up to 10 s and through silence
//! of up to 30 s, if the track goes on within 30 s of where it would be. A song that begins from its start again ends
//! one airing and begins another. Other catalog entries of the recording are never reported beside it.

mod admit;
mod chains;
mod event;
mod history;
mod hunt;
mod locked;
mod resume;
mod settings;

use std::sync::Weak;

use crate::fingerprint::relief::UNKNOWN;
use crate::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use crate::index::{IndexError, Snapshot};

use super::MatchSettings;
use super::line::Outcome;
use super::rivals::Repeats;
use super::significance::Chance;
use super::trace::Query;
use super::verify::{FINE, Window};
use super::window::{Buffers, Found, WindowSearch, log_hypotheses};

pub use event::{Airing, LiveEvent, LiveEventKind, LiveState};
pub use settings::LiveSettings;

use chains::Chains;
use history::{History, is_silent, oldest, since};
use hunt::{Hunt, Look, Plan, SEARCHES_PER_HOUR, is_fresh};
use resume::Sought;

/// Ticks from decision to decision: 0.5 s.
const DECISION: u32 = 86;
/// What chance finds is measured on so much of the latest sound (10 s, ticks).
const MEASURED: f64 = 10.0 * TICKS_PER_SECOND;
/// Evidence counts for so much: pieces of one maker share loops and beats, and in hours of a stream their bars meet in
/// every way. Set on 1.5 hours of music beside a catalogue of the same makers.
const TRUSTED: f64 = 0.5;
/// Unpacked tracks that the buffers keep: about 40 MB.
const MOST_LOADED: usize = 600;

/// What matchers need while they work. One for each thread serves any number of streams, as long as all search
/// one catalogue.
#[derive(Debug, Default)]
pub struct LiveBuffers {
    search: Buffers,
    chance: Chance,
    outcomes: Vec<Outcome>,
    unexplained: Vec<Peak>,
}

/// Follows one stream.
#[derive(Debug)]
pub struct LiveMatcher {
    settings: LiveSettings,
    /// For searches that try all scales, some in turn, and none.
    searches: [MatchSettings; 3],
    history: History,
    /// Time up to which all peaks are known, and that of the last decision, ticks.
    ready: u32,
    decided: u32,
    hunt: Hunt,
    chains: Chains,
    /// The snapshot of the last decision.
    seen: Weak<()>,
}

impl LiveMatcher {
    /// A matcher at the start of a stream.
    #[must_use]
    pub fn new(settings: LiveSettings) -> Self {
        Self {
            searches: [settings.thorough(), settings.in_turn(), settings.plain()],
            settings,
            history: History::default(),
            ready: 0,
            decided: 0,
            hunt: Hunt::default(),
            chains: Chains::default(),
            seen: Weak::new(),
        }
    }

    /// A matcher that continues a stream which another one had followed. `airings` are those that were going on, in a
    /// time that starts at 0 with the first sample of this matcher: earlier times are negative, and times of sound that is
    /// processed again are positive. They are looked for where they should be, and their chains continue without another
    /// `Start`. Those that are not found within 12 s of their last known end get their `Final`. `last_airing` is the highest
    /// number that was given.
    ///
    /// # Errors
    /// [`IndexError`] if a track cannot be read.
    pub fn resume(
        settings: LiveSettings,
        airings: &[Airing],
        last_airing: u64,
        snapshot: &Snapshot,
    ) -> Result<Self, IndexError> {
        let mut this = Self::new(settings);
        this.chains.last = airings.iter().map(|airing| airing.id).fold(last_airing, u64::max);
        let sought = airings.iter().map(|airing| Sought::new(airing.clone(), snapshot));
        this.chains.sought = sought.collect::<Result<_, _>>()?;
        Ok(this)
    }

    /// Takes the next peaks of the stream, of [`crate::fingerprint::Density::Query`], in order of time (ticks since the
    /// stream's first sample): all before `ready_until` that were not pushed yet. Adds what happened to `out`.
    ///
    /// Missing sound is time that passes without peaks. Another snapshot may be given at any time.
    ///
    /// # Errors
    /// [`IndexError`] if a part of the index that a search touched is damaged. That search is left out; the matcher
    /// stays usable.
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
        while self.ready - self.decided >= DECISION {
            self.decided += DECISION;
            let decided = self.decide(snapshot, buffers, out);
            self.history.forget(f64::from(self.decided));
            decided?;
        }
        Ok(())
    }

    /// Ends the stream: takes its last peaks, and its length in seconds, as
    /// [`crate::fingerprint::Fingerprinter::finish`] gives them. All airings get their `Final`.
    ///
    /// # Errors
    /// As [`Self::push`]; all events are in `out` nevertheless.
    pub fn finish(
        mut self,
        rest: &Constellation,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let end = (rest.seconds * TICKS_PER_SECOND) as u32;
        let mut result = self.push(&rest.peaks, end, snapshot, buffers, out);
        while self.ready - self.decided >= DECISION {
            // After an error there are decisions left.
            result = result.and(self.push(&[], end, snapshot, buffers, out));
        }
        self.decided = self.ready;
        let at = f64::from(self.decided);
        let peaks = self.history.at(at);
        buffers.measure(peaks, at);
        let query = Query { peaks, from: oldest(at), to: at, chance: &buffers.chance };
        self.chains.extend(&query, &mut buffers.outcomes);
        if let Some(plan) = self.hunt.last(at) {
            result = result.and(self.search(plan, snapshot, buffers, out));
        }
        let peaks = self.history.at(at);
        let query = Query { peaks, from: oldest(at), to: at, chance: &buffers.chance };
        self.chains.close(&query, true, &mut buffers.outcomes, out);
        result
    }

    /// What the stream is doing.
    #[must_use]
    pub fn state(&self) -> LiveState {
        let at = f64::from(self.decided);
        let silent = is_silent(self.history.at(at), at);
        let heard = self.chains.last_heard().is_some_and(|heard| is_fresh(heard, at));
        let unknown_since = (!silent && !heard).then(|| self.hunt.since() / TICKS_PER_SECOND);
        LiveState {
            decided_until: at / TICKS_PER_SECOND,
            airings: self.chains.airings(),
            last_airing: self.chains.last,
            silent,
            unknown_since,
        }
    }

    /// Makes the decisions of one moment.
    fn decide(
        &mut self,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let at = f64::from(self.decided);
        let lost = self.forget_removed(snapshot, out);
        let peaks = self.history.at(at);
        if !self.chains.is_idle() {
            buffers.measure(peaks, at);
            let query = Query { peaks, from: oldest(at), to: at, chance: &buffers.chance };
            let correction = log_hypotheses(snapshot, SEARCHES_PER_HOUR as usize);
            self.chains.seek(&query, correction, &mut buffers.outcomes, out);
            self.chains.extend(&query, &mut buffers.outcomes);
            self.chains.close(&query, false, &mut buffers.outcomes, out);
        }
        let heard = self.chains.last_heard();
        let plan = self.hunt.plan(u64::from(self.decided), heard, is_silent(peaks, at));
        let searched = plan.map_or(Ok(()), |plan| self.search(plan, snapshot, buffers, out));
        if let Some(seconds) = self.settings.update_seconds {
            self.chains.update(at, seconds * TICKS_PER_SECOND, out);
        }
        lost.and(searched)
    }

    /// Ends the airings of tracks that a new snapshot does not hold.
    fn forget_removed(&mut self, snapshot: &Snapshot, out: &mut Vec<LiveEvent>) -> Result<(), IndexError> {
        let new = std::sync::Arc::downgrade(snapshot.identity());
        if Weak::ptr_eq(&self.seen, &new) {
            return Ok(());
        }
        let mut gone = Vec::new();
        for airing in self.chains.airings() {
            if snapshot.find(airing.heard.track)?.is_none() {
                gone.push(airing.heard.track);
            }
        }
        self.seen = new;
        self.chains.drop_tracks(f64::from(self.decided), |track| gone.contains(&track), out);
        Ok(())
    }

    fn search(
        &mut self,
        Plan { look, from }: Plan,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let at = f64::from(self.decided);
        let peaks = self.history.at(at);
        buffers.measure(peaks, at);
        let LiveBuffers { search, chance, outcomes, unexplained } = buffers;
        let latest = Query { peaks: since(peaks, from), from, to: at, chance };
        self.chains.unexplained(&latest, outcomes, unexplained);
        let correction = log_hypotheses(snapshot, SEARCHES_PER_HOUR as usize);
        let accepted = self.settings.false_events_per_hour.max(f64::MIN_POSITIVE).ln();
        let limit = (accepted - correction) / TRUSTED;
        let [thorough, in_turn, plain] = &self.searches;
        let settings = match look {
            Look::Thorough => thorough,
            Look::InTurn => in_turn,
            Look::Glance | Look::Plain => plain,
        };
        let window = Window { peaks: unexplained, from: from.floor(), to: at, relief: &UNKNOWN };
        search.references.trim(MOST_LOADED);
        let mut searching =
            WindowSearch::with(std::mem::take(search), snapshot, settings, (limit, Repeats::IN_STREAMS))
                .with_all_copies();
        let found = match look {
            Look::Glance => searching.glance(&window),
            _ => searching.find(&window),
        };
        *search = searching.into_buffers();
        let Found { accepted, .. } = found?;
        let query = Query { peaks, from: oldest(at), to: at, chance };
        for explanation in &accepted {
            self.chains.admit(explanation, &window, &query, (limit, correction), outcomes, out);
        }
        Ok(())
    }
}

impl LiveBuffers {
    /// Measures what chance finds now.
    fn measure(&mut self, peaks: &[Peak], at: f64) {
        let from = (at - MEASURED).max(0.0);
        self.chance.measure(since(peaks, from), at - from, FINE);
    }
}
