//! Explains why an input did not match.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Match;

use super::{DisplayOptions, Identification};
use crate::output::{clock, format_duration};

/// Peak amplitude below which the explanation is that the input is too quiet (-66 dBFS). Recordings below this level
/// are not louder than their noise floor. The search has no such limit. With -60 dBFS, quiet classical music would get
/// this explanation wrongly; with -72 dBFS, 16-bit noise with a peak of 10 quantization steps would not get it.
const MIN_PEAK_AMPLITUDE: f32 = 0.0005;

/// Length in seconds below which the explanation is that the input is too short. Most shorter clips have too few
/// landmarks to exclude a chance match; the search itself has no such limit. With 1 s, clips of 1.5 s would not get
/// this explanation. With 4 s, clips of 3 s, which are often found, would get it wrongly.
const MIN_SECONDS: f64 = 2.0;

/// Returns the reasons why an input did not match, the most likely reason first. The list is never empty.
pub(super) fn reasons(
    result: &Identification,
    tracks: &HashMap<TrackNumber, Track>,
    options: DisplayOptions,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if options.tracks == 0 {
        reasons.push("the catalog has no tracks; add some with `refrain index FOLDER`".to_owned());
    }
    if result.peak < MIN_PEAK_AMPLITUDE {
        let level = if result.peak > 0.0 {
            format!("the loudest sample is {:.0} dB below full scale", -20.0 * result.peak.log10())
        } else {
            "every sample is zero".to_owned()
        };
        reasons.push(format!("silent or too quiet: {level}"));
    // This follows the check of the level: silence has no peaks either, and its level is the better explanation.
    } else if result.matches.query_peaks == 0 {
        reasons.push("nothing tonal: the audio has no spectral peaks".to_owned());
    }
    if result.seconds < MIN_SECONDS {
        reasons.push(format!(
            "too short: {} of sound; at least {} are needed",
            format_duration(result.seconds),
            format_duration(MIN_SECONDS)
        ));
    }
    for rejected in &result.matches.rejected {
        reasons.push(candidate(
            &rejected.best,
            tracks.get(&rejected.best.track),
            options.false_positive_rate,
        ));
    }
    if reasons.is_empty() {
        reasons.push(format!(
            "no match among {} tracks: none shares enough landmarks with the {} spectral peaks of the input",
            options.tracks, result.matches.query_peaks
        ));
    }
    reasons
}

fn candidate(best: &Match, track: Option<&Track>, limit: f64) -> String {
    let name = track.map_or_else(|| "a removed track".to_owned(), title);
    let probability = best.false_positive_probability;
    let factor = probability / limit;
    let failed = if factor > 1.0 {
        format!("is chance with probability {probability:.2e}, {factor:.1} times the accepted {limit:.0e}")
    } else {
        format!("is chance with probability {probability:.2e}, but other tracks explain the same peaks")
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

/// Returns the title of a track, followed by the artist in parentheses if the track has one. A track without a title is
/// named by its file.
pub(crate) fn title(track: &Track) -> String {
    let song = song(track);
    match &track.metadata.artist {
        Some(artist) => format!("{song} ({artist})"),
        None => song,
    }
}

/// Returns the title of a track, or its file name if it has none.
pub(crate) fn song(track: &Track) -> String {
    track
        .metadata
        .title
        .clone()
        .unwrap_or_else(|| track.source.rsplit(['/', '\\']).next().unwrap_or(&track.source).to_owned())
}
