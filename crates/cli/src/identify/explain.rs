//! Why an input did not match.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Match;

use super::{Answer, Show};
use crate::output::{clock, hours};

/// Below this peak (-66 dBFS, one bit in 11) recordings are their own noise floor.
const TOO_QUIET: f32 = 0.0005;

/// Below this length in seconds most clips have too few landmarks to rule out chance.
const TOO_SHORT: f64 = 2.0;

/// The reasons, most likely first; never empty.
pub(super) fn reasons(answer: &Answer, tracks: &HashMap<TrackNumber, Track>, show: Show) -> Vec<String> {
    let mut reasons = Vec::new();
    if show.tracks == 0 {
        reasons.push("the catalogue has no tracks yet: refrain index FOLDER".to_owned());
    }
    if answer.peak < TOO_QUIET {
        let level = if answer.peak > 0.0 {
            format!("its loudest sample is at {:.0} dB below full scale", -20.0 * answer.peak.log10())
        } else {
            "every sample is zero".to_owned()
        };
        reasons.push(format!("silent or too quiet: {level}"));
    } else if answer.matches.query_peaks == 0 {
        reasons.push("there is nothing tonal in it: no spectral peaks".to_owned());
    }
    if answer.seconds < TOO_SHORT {
        reasons.push(format!(
            "too short: {} of sound, at least {} are needed",
            hours(answer.seconds),
            hours(TOO_SHORT)
        ));
    }
    for rejected in &answer.matches.rejected {
        reasons.push(candidate(&rejected.best, tracks.get(&rejected.best.track), show.false_positive_rate));
    }
    if reasons.is_empty() {
        reasons.push(format!(
            "none of {} tracks shares enough landmarks with its {} spectral peaks",
            show.tracks, answer.matches.query_peaks
        ));
    }
    reasons
}

fn candidate(best: &Match, track: Option<&Track>, limit: f64) -> String {
    let name = track.map_or_else(|| "a track that is gone".to_owned(), title);
    let probability = best.false_positive_probability;
    let factor = probability / limit;
    let failed = if factor > 1.0 {
        format!("is chance with probability {probability:.2e}, {factor:.1} times the accepted {limit:.0e}")
    } else {
        format!("is chance with probability {probability:.2e}, but others explain the same peaks")
    };
    format!(
        "nearest: {name} at {} of the song, from {} to {}: {failed}; {} landmarks aligned, {} of {} peaks found",
        clock(best.reference_start),
        clock(best.query_start),
        clock(best.query_end),
        best.aligned_landmarks,
        best.matched_peaks,
        best.expected_peaks,
    )
}

/// A track's title and artist, or its file name.
pub(crate) fn title(track: &Track) -> String {
    let song = song(track);
    match &track.metadata.artist {
        Some(artist) => format!("{song} ({artist})"),
        None => song,
    }
}

/// A track's title, or its file name.
pub(crate) fn song(track: &Track) -> String {
    track
        .metadata
        .title
        .clone()
        .unwrap_or_else(|| track.source.rsplit(['/', '\\']).next().unwrap_or(&track.source).to_owned())
}
