//! When an unexplained stretch of a stream is searched, and how hard.
//!
//! All times are counted in ticks of the matcher ([`super::DECISION`]) since the stretch began, so that the plan
//! depends on the sound alone.

use crate::fingerprint::TICKS_PER_SECOND;

use super::DECISION;

/// A stretch is searched as soon as it is so long (2 s), in decisions …
const FIRST: u64 = 4;
/// … then at each decision, as a whole, until it is so long (6 s) …
const YOUNG: u64 = 12;
/// … and then every so often (1 s), or less often (3 s) when it is long (60 s), the last part of it (ticks).
const GLANCE_EVERY: u64 = 2;
const GLANCE_LATE_EVERY: u64 = 6;
const LONG: u64 = 120;
const GLANCE: f64 = 5.0 * TICKS_PER_SECOND;
/// What speech or noise cover, or another speed hides, is looked for in the last 10 s (ticks), when the stretch has
/// these lengths (6, 10, 14, 20, 25 and 32 s) …
const FULL: f64 = 10.0 * TICKS_PER_SECOND;
/// … or, at no other scale, in more of it (18 s): evidence adds up …
const FULLER: f64 = 18.0 * TICKS_PER_SECOND;
const FULL_AT: [(u64, Look); 6] = [
    (12, Look::Plain),
    (20, Look::Thorough),
    (28, Look::Plain),
    (40, Look::Plain),
    (50, Look::InTurn),
    (64, Look::Plain),
];
/// … and then every so often (20 s), at some of the other scales every fourth time.
const FULL_EVERY: u64 = 40;
/// While an airing is heard, what it does not explain is looked at every so often (3 s), the last part of it (ticks).
const BESIDE_EVERY: u64 = 6;
const BESIDE: f64 = 6.0 * TICKS_PER_SECOND;

/// Searches of an hour, at most: the accepted number of false events is shared by so many.
pub(super) const SEARCHES_PER_HOUR: f64 = 3600.0 * TICKS_PER_SECOND / DECISION as f64;

/// How hard to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// For what is heard well.
    Glance,
    /// Under noise and speech.
    Plain,
    /// At some of the other scales too.
    InTurn,
    /// At all of them.
    Thorough,
}

/// What to search, ticks of the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    pub(super) look: Look,
    pub(super) from: f64,
}

/// Plans searches.
#[derive(Debug, Default)]
pub(super) struct Hunt {
    /// Start of the stretch that nothing explains, ticks.
    since: f64,
}

impl Hunt {
    /// What to search at a time (ticks). `heard` is the latest time at which an airing was heard.
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

    /// The last search of a stream that ends at a time.
    pub(super) fn last(&self, now: f64) -> Option<Plan> {
        let long = now - self.since >= (FIRST * u64::from(DECISION)) as f64;
        long.then(|| Plan { look: Look::InTurn, from: self.since.max(now - FULL) })
    }

    /// Start of the stretch that nothing explains, ticks.
    pub(super) fn since(&self) -> f64 {
        self.since
    }
}

/// How hard to look at a stretch of so many decisions, if at all.
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

/// An airing that was heard so long ago (1.2 s, ticks) is heard no more, or not now.
const FRESH: f64 = 1.2 * TICKS_PER_SECOND;

/// Whether what was heard last at a time is heard at another one.
pub(super) fn is_fresh(heard: f64, now: f64) -> bool {
    now - heard < FRESH
}
