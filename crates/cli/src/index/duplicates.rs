//! The same sound under another name.

use anyhow::Result;
use refrain_catalog::{NearDuplicate, Track};
use refrain_service::sound::near_duplicates;

use super::run::Fresh;
use crate::output::hours;
use crate::search::Searcher;

/// Tracks that sound like this one, the other one always being the earlier.
pub(super) fn find(fresh: &Fresh, searcher: &Searcher<'_>) -> Result<Vec<NearDuplicate>> {
    near_duplicates(fresh.track.number, &fresh.constellation, |probe| searcher.same_sound(probe))
}

/// What a person reads about it.
pub(super) fn message(track: &Track, of: &str, seconds: f64) -> String {
    format!(
        "refrain: {} sounds like {of} for about {} of its {}; both are kept and linked",
        track.source,
        hours(seconds),
        hours(track.seconds)
    )
}
