//! The search schedule: when an unexplained stretch of a stream is searched, and with which effort.
//!
//! Ages are counted in decisions ([`super::DECISION`]) since the stretch began, so that the schedule depends only on the
//! audio.

use crate::fingerprint::TICKS_PER_SECOND;

use super::DECISION;

/// Minimum age of a stretch for its first search (2 s, in decisions).
const FIRST: u64 = 4;
/// Up to this age (6 s, in decisions) the whole stretch is searched at every decision.
const YOUNG: u64 = 12;
/// Interval of the later glances (1 s, in decisions).
const GLANCE_EVERY: u64 = 2;
/// Interval of the glances at a long stretch (3 s, in decisions).
const GLANCE_LATE_EVERY: u64 = 6;
/// Age from which a stretch is long (60 s, in decisions).
const LONG: u64 = 120;
/// Length of the last part of the stretch that a later glance searches (5 s, in ticks).
const GLANCE: f64 = 5.0 * TICKS_PER_SECOND;
/// Maximum length that a full search at other scales covers (10 s, in ticks).
const FULL: f64 = 10.0 * TICKS_PER_SECOND;
/// Maximum length that a full search without other scales covers (18 s, in ticks). It is longer because evidence adds up.
const FULLER: f64 = 18.0 * TICKS_PER_SECOND;
/// Ages (6, 10, 14, 20, 25 and 32 s, in decisions) at which a full search is made, with its effort. Full searches find
/// recordings under speech or noise, or at another speed.
const FULL_AT: [(u64, Look); 6] = [
    (12, Look::Plain),
    (20, Look::Thorough),
    (28, Look::Plain),
    (40, Look::Plain),
    (50, Look::InTurn),
    (64, Look::Plain),
];
/// Interval of full searches after the ages in [`FULL_AT`] (20 s, in decisions). Every fourth of them tries some of the other
/// scales.
const FULL_EVERY: u64 = 40;
/// Interval of glances at unexplained audio while an airing is detected (3 s, in decisions).
const BESIDE_EVERY: u64 = 6;
/// Length of the last part of the stream that such a glance searches (6 s, in ticks).
const BESIDE: f64 = 6.0 * TICKS_PER_SECOND;

/// Maximum number of searches per hour. The accepted number of false events is divided among them.
pub(super) const SEARCHES_PER_HOUR: f64 = 3600.0 * TICKS_PER_SECOND / DECISION as f64;

/// Effort of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Searches for clearly audible songs.
    Glance,
    /// Also searches for songs under noise and speech.
    Plain,
    /// Also tries some of the other scales; consecutive searches try different ones.
    InTurn,
    /// Also tries all other scales.
    Thorough,
}

/// A planned search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    /// Effort of the search.
    pub(super) look: Look,
    /// Start of the window in the stream, in ticks; the window ends at the current time.
    pub(super) from: f64,
}

/// Plans searches.
#[derive(Debug, Default)]
pub(super) struct Hunt {
    /// Start of the stretch that no airing explains, in ticks.
    since: f64,
}

impl Hunt {
    /// Returns the search to make at a time (ticks), if any. `heard` is the latest time at which an airing was detected.
    pub(super) fn plan(&mut self, at: u64, heard: Option<f64>, silent: bool) -> Option<Plan> {
        let now = at as f64;
        if silent {
            self.since = now;
            return None;
        }
        self.since = self.since.max(heard.unwrap_or(0.0)).min(now);
        if heard.is_some_and(|heard| is_fresh(heard, now)) {
            let due = (at / u64::from(DECISION)).is_multiple_of(BESIDE_EVERY);
            return due.then(|| Plan { look: Look::Glance, from: (now - BESIDE).max(0.0) });
        }
        let age = ((now - self.since) / f64::from(DECISION)) as u64;
        let look = look_at(age)?;
        let longest = match look {
            Look::Glance if age > YOUNG => GLANCE,
            Look::Plain => FULLER,
            _ => FULL,
        };
        Some(Plan { look, from: self.since.max(now - longest) })
    }

    /// Returns the last search of a stream that ends at a time (ticks), if the unexplained stretch is long enough.
    pub(super) fn last(&self, now: f64) -> Option<Plan> {
        let long = now - self.since >= (FIRST * u64::from(DECISION)) as f64;
        long.then(|| Plan { look: Look::InTurn, from: self.since.max(now - FULL) })
    }

    /// Returns the start of the stretch that no airing explains, in ticks.
    pub(super) fn since(&self) -> f64 {
        self.since
    }
}

/// Returns the effort for a stretch of this age (in decisions), or `None` if it is not searched.
fn look_at(age: u64) -> Option<Look> {
    if let Some((_, look)) = FULL_AT.iter().find(|(at, _)| *at == age) {
        return Some(*look);
    }
    match age {
        0..FIRST => None,
        FIRST..YOUNG => Some(Look::Glance),
        _ if age.is_multiple_of(4 * FULL_EVERY) => Some(Look::InTurn),
        _ if age.is_multiple_of(FULL_EVERY) => Some(Look::Plain),
        _ if age < LONG => age.is_multiple_of(GLANCE_EVERY).then_some(Look::Glance),
        _ => age.is_multiple_of(GLANCE_LATE_EVERY).then_some(Look::Glance),
    }
}

/// An airing counts as currently detected until this time after its last detection (1.2 s, in ticks).
const FRESH: f64 = 1.2 * TICKS_PER_SECOND;

/// Returns true if an airing that was last detected at `heard` still counts as detected at `now` (both in ticks).
pub(super) fn is_fresh(heard: f64, now: f64) -> bool {
    now - heard < FRESH
}
