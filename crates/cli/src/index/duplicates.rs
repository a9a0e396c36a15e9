//! Detection of near-duplicates: tracks with the same audio from other files.

use anyhow::Result;
use refrain_app::audio_file::shared_audio;
use refrain_catalog::{NearDuplicate, Track};
use refrain_core::fingerprint::Constellation;

use crate::output::{clean, format_duration};
use crate::search::Searcher;

/// A track in the catalog that was not yet compared with the other tracks.
pub(super) struct UncomparedTrack {
    pub(super) track: Track,
    pub(super) constellation: Constellation,
}

/// Returns links to the earlier tracks that share audio with a new track.
pub(super) fn find(uncompared: &UncomparedTrack, searcher: &Searcher<'_>) -> Result<Vec<NearDuplicate>> {
    shared_audio(uncompared.track.number, &uncompared.constellation, |probe, effort| {
        searcher.same_sound(probe, effort)
    })
}

/// Returns the message about a near-duplicate.
pub(super) fn message(track: &Track, of: &str, seconds: f64) -> String {
    format!(
        "refrain: {} sounds like {} for about {} of its {}; both are kept and linked",
        clean(&track.source),
        clean(of),
        format_duration(seconds),
        format_duration(track.seconds)
    )
}
