//! The same sound under another name.

use std::collections::BTreeMap;

use anyhow::Result;
use refrain_catalog::{NearDuplicate, Track, TrackNumber};
use refrain_core::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use refrain_core::matching::Match;

use super::run::Fresh;
use crate::output::hours;
use crate::search::Searcher;

/// Share of the shorter of two tracks that must be the same sound: "most of it". Songs that share a sample
/// or a loop stay below, an edit with a longer intro above.
const SAME_SHARE: f64 = 0.5;

/// Length in seconds of the stretch from the middle that is looked for first: a track that is there as a
/// whole is there in its middle, and this costs a fraction.
const PROBE_SECONDS: f64 = 30.0;

/// Tracks that sound like this one, the other one always being the earlier.
pub(super) fn find(fresh: &Fresh, searcher: &Searcher<'_>) -> Result<Vec<NearDuplicate>> {
    let own = fresh.track.number;
    let probe = middle(&fresh.constellation);
    let others = |found: &[Match]| found.iter().any(|found| found.track < own);
    if !others(&searcher.identify(&probe)?.found) {
        return Ok(Vec::new());
    }
    let mut shared: BTreeMap<TrackNumber, f64> = BTreeMap::new();
    for found in searcher.identify(&fresh.constellation)?.found {
        *shared.entry(found.track).or_default() += found.query_end - found.query_start;
    }
    let same = |track: TrackNumber, seconds: f64| track < own && seconds >= SAME_SHARE * fresh.track.seconds;
    let same = shared.into_iter().filter(|(track, seconds)| same(*track, *seconds));
    Ok(same.map(|(of, seconds)| NearDuplicate { track: own, of, seconds }).collect())
}

/// What a person reads about it.
pub(super) fn message(track: &Track, of: &str, seconds: f64) -> String {
    format!(
        "refrain: {} sounds like {of} for {} of its {}; both are kept and linked",
        track.source,
        hours(seconds),
        hours(track.seconds)
    )
}

/// Peaks of the middle of a sound, moved to start at 0.
fn middle(whole: &Constellation) -> Constellation {
    if whole.seconds <= PROBE_SECONDS {
        return whole.clone();
    }
    let from = ((whole.seconds - PROBE_SECONDS) / 2.0 * TICKS_PER_SECOND) as u32;
    let to = from.saturating_add((PROBE_SECONDS * TICKS_PER_SECOND) as u32);
    let inside = whole.peaks.iter().filter(|peak| (from..to).contains(&peak.time));
    let peaks = inside.map(|peak| Peak { time: peak.time - from, ..*peak }).collect();
    Constellation { seconds: PROBE_SECONDS, peaks }
}
