//! The search schedule: when an unexplained stretch of a stream is searched, and with which effort.
//!
//! A clear-only search finds only clearly audible songs at their original speed; a full search also finds songs under
//! noise and speech. Ages are counted in decisions ([`super::DECISION_TICKS`]) since the stretch began, so that the
//! schedule depends only on the audio.

use crate::fingerprint::TICKS_PER_SECOND;

use super::DECISION_TICKS;

/// Minimum age of a stretch for its first search (2 s, in decisions). At half this value, searches of 1 s of audio cost
/// time and find nothing; at twice this value, songs are reported 2 s later.
const FIRST_DECISIONS: u64 = 4;
/// Up to this age (6 s, in decisions) the whole stretch is searched at every decision. At half this value, songs with a
/// quiet beginning are found a second or two later; at twice this value, each unknown stretch costs more clear-only
/// searches.
const YOUNG_DECISIONS: u64 = 12;
/// Interval of the later clear-only searches (1 s, in decisions). At half this value, clear-only searches cost twice as
/// much; at twice this value, songs are found up to a second later.
const CLEAR_INTERVAL_DECISIONS: u64 = 2;
/// Interval of the clear-only searches at a long stretch (3 s, in decisions). At half this value, streams of unknown
/// music or speech cost nearly twice as much; at twice this value, a song that begins without a gap is found up to 3 s
/// later.
const LATE_INTERVAL_DECISIONS: u64 = 6;
/// Age from which a stretch is long (60 s, in decisions). At half this value, the slower schedule begins earlier and
/// songs after short unknown stretches are found later; at twice this value, unknown music costs more.
const LONG_DECISIONS: u64 = 120;
/// Length of the last part of the stretch that a later clear-only search searches (5 s, in ticks). At half this value,
/// a clear-only search has too little evidence for many songs; at twice this value, audio before the start of a song
/// dilutes its evidence.
const CLEAR_WINDOW_TICKS: f64 = 5.0 * TICKS_PER_SECOND;
/// Maximum length that a full search at other scales covers (10 s, in ticks). It equals the windows of files. At half
/// this value, changed songs in noise are not found; at twice this value, a search of the ladder costs up to twice as
/// much.
const SCALES_WINDOW_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// Maximum length that a full search without other scales covers (18 s, in ticks). It is longer because evidence adds
/// up. At half this value, songs under speech are not found; at twice this value, searches cost more. It exceeds the
/// margin between tracks in the index (16 s): a track that begins in the last 2 s of the window is not found by this
/// search.
const ORIGINAL_WINDOW_TICKS: f64 = 18.0 * TICKS_PER_SECOND;
/// Ages (6, 10, 14, 20, 25 and 32 s, in decisions) at which a full search is made, with its effort. Full searches find
/// recordings under speech or noise, or at another speed. The intervals grow, because audio in which several searches
/// found nothing is probably not in the catalog. With half of the searches, songs under speech are found later; with
/// twice as many, unknown stretches cost more.
const FULL_SEARCHES: [(u64, SearchEffort); 6] = [
    (12, SearchEffort::OriginalScale),
    (20, SearchEffort::AllScales),
    (28, SearchEffort::OriginalScale),
    (40, SearchEffort::OriginalScale),
    (50, SearchEffort::SomeScales),
    (64, SearchEffort::OriginalScale),
];
/// Interval of full searches after the ages in [`FULL_SEARCHES`] (20 s, in decisions). Every fourth of them tries some
/// of the other scales. At half this value, unknown music costs nearly twice as much; at twice this value, a song that
/// only a full search finds can be found 20 s later.
const FULL_INTERVAL_DECISIONS: u64 = 40;
/// Interval of clear-only searches at unexplained audio while an airing is detected (3 s, in decisions). At half this
/// value, streams with a tracked song are searched twice as often; at twice this value, the next song of a cross-fade
/// is found up to 3 s later.
const TRACKING_INTERVAL_DECISIONS: u64 = 6;
/// Length of the last part of the stream that a clear-only search examines while an airing is detected (6 s, in ticks).
/// At half this value, a song under another one has too little evidence; at twice this value, audio before the start of
/// the song dilutes its evidence.
const TRACKING_WINDOW_TICKS: f64 = 6.0 * TICKS_PER_SECOND;

/// Maximum number of searches per hour. The accepted number of false events is divided among them.
pub(super) const SEARCHES_PER_HOUR: f64 = 3600.0 * TICKS_PER_SECOND / DECISION_TICKS as f64;

/// Effort of a search. Each variant includes the searches of the variants before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchEffort {
    /// Searches for clearly audible songs at their original speed.
    ClearOnly,
    /// Also searches for songs under noise and speech.
    OriginalScale,
    /// Also tries some of the other scales; consecutive searches try different ones.
    SomeScales,
    /// Also tries all other scales.
    AllScales,
}

/// A planned search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PlannedSearch {
    /// Effort of the search.
    pub(super) effort: SearchEffort,
    /// Start of the window in the stream, in ticks; the window ends at the current time.
    pub(super) from: f64,
}

/// Plans searches.
#[derive(Debug, Default)]
pub(super) struct SearchSchedule {
    /// Start of the stretch that no airing explains, in ticks.
    since: f64,
}

impl SearchSchedule {
    /// Returns the search to make at the time `at` (ticks), or `None` if none is due. `detected` is the latest time
    /// (ticks) at which an airing was detected, or `None` if there was none. `silent` is true if the last second is
    /// silent.
    pub(super) fn plan(&mut self, at: u64, detected: Option<f64>, silent: bool) -> Option<PlannedSearch> {
        let now = at as f64;
        if silent {
            // Silence contains nothing to search, so the unexplained stretch begins after it.
            self.since = now;
            return None;
        }
        // The start is limited to now, because an airing can be found with an end that is slightly later than the
        // decision.
        self.since = self.since.max(detected.unwrap_or(0.0)).min(now);
        if detected.is_some_and(|detected| is_recent(detected, now)) {
            // The interval is counted from the start of the stream, not of the airing, so that the schedule does not
            // depend on when the airing was found.
            let due = (at / u64::from(DECISION_TICKS)).is_multiple_of(TRACKING_INTERVAL_DECISIONS);
            return due.then(|| PlannedSearch {
                effort: SearchEffort::ClearOnly,
                from: (now - TRACKING_WINDOW_TICKS).max(0.0),
            });
        }
        let age = ((now - self.since) / f64::from(DECISION_TICKS)) as u64;
        let effort = effort_at(age)?;
        let max_length = match effort {
            SearchEffort::ClearOnly if age > YOUNG_DECISIONS => CLEAR_WINDOW_TICKS,
            SearchEffort::OriginalScale => ORIGINAL_WINDOW_TICKS,
            _ => SCALES_WINDOW_TICKS,
        };
        Some(PlannedSearch { effort, from: self.since.max(now - max_length) })
    }

    /// Returns the last search of a stream that ends at the time `now` (ticks), or `None` if the unexplained stretch is
    /// shorter than 2 s.
    pub(super) fn last(&self, now: f64) -> Option<PlannedSearch> {
        let long = now - self.since >= (FIRST_DECISIONS * u64::from(DECISION_TICKS)) as f64;
        long.then(|| PlannedSearch {
            effort: SearchEffort::SomeScales,
            from: self.since.max(now - SCALES_WINDOW_TICKS),
        })
    }

    /// Returns the start of the stretch that no airing explains, in ticks.
    pub(super) fn since(&self) -> f64 {
        self.since
    }
}

/// Returns the effort for a stretch of this age (in decisions), or `None` if no search is due.
fn effort_at(age: u64) -> Option<SearchEffort> {
    if let Some((_, effort)) = FULL_SEARCHES.iter().find(|(at, _)| *at == age) {
        return Some(*effort);
    }
    match age {
        0..FIRST_DECISIONS => None,
        FIRST_DECISIONS..YOUNG_DECISIONS => Some(SearchEffort::ClearOnly),
        _ if age.is_multiple_of(4 * FULL_INTERVAL_DECISIONS) => Some(SearchEffort::SomeScales),
        _ if age.is_multiple_of(FULL_INTERVAL_DECISIONS) => Some(SearchEffort::OriginalScale),
        _ if age < LONG_DECISIONS => {
            age.is_multiple_of(CLEAR_INTERVAL_DECISIONS).then_some(SearchEffort::ClearOnly)
        }
        _ => age.is_multiple_of(LATE_INTERVAL_DECISIONS).then_some(SearchEffort::ClearOnly),
    }
}

/// An airing counts as currently detected until this time after its last detection (1.2 s, in ticks). It covers two
/// decisions, so that a single decision at which the airing is masked changes nothing. At half this value, the schedule
/// switches at every short break; at twice this value, the search for the next song begins a second later.
const RECENT_TICKS: f64 = 1.2 * TICKS_PER_SECOND;

/// Returns true if an airing that was last detected at `detected` still counts as detected at `now` (both in ticks).
pub(super) fn is_recent(detected: f64, now: f64) -> bool {
    now - detected < RECENT_TICKS
}
