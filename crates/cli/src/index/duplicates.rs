//! Detection of near-duplicates: tracks that share most of their audio.

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

/// Returns links from a new track to the earlier tracks that share audio with it.
pub(super) fn find(uncompared: &UncomparedTrack, searcher: &Searcher<'_>) -> Result<Vec<NearDuplicate>> {
    shared_audio(uncompared.track.number, &uncompared.constellation, |probe, effort| {
        searcher.same_sound(probe, effort)
    })
}

/// Returns the message that `track` shares `seconds` of its audio with the track whose source is `of`.
pub(super) fn message(track: &Track, of: &str, seconds: f64) -> String {
    format!(
        "refrain: {} sounds like {} for about {} of its {}; both are kept and linked",
        clean(&track.source),
        clean(of),
        format_duration(seconds),
        format_duration(track.seconds)
    )
}
