//! Airings: combines the results of the windows and reports each play of a recording once, as the track that explains
//! the play best.
//!
//! Each track is followed separately. Stretches of a track that continue each other are one play of the track; plays of
//! one recording at the same time are versions of one airing. Recordings then compete for the query's peaks, the best
//! one first.

use std::collections::VecDeque;

use super::copies::Recordings;
use super::play::{AcceptedAlignment, AiringVersions, FollowedTrace, TrackPlay};
use super::primary::choose;
use super::query::{Query, Window};
use super::trace::Trace;
use super::window::WindowMatches;
use crate::index::TrackNumber;

/// Additional evidence (natural logarithm) that a song needs if another song plays for most of its time, because two
/// songs at the same time are a thousand times less likely than one. At half this value, the factor is 32, so more
/// wrong second songs are reported where two songs share material; at twice this value, the factor is a million, so
/// masked second songs are missed.
const SIMULTANEOUS_LOG_P: f64 = -6.9;
/// Returns all airings of a query, in order of time. `limit` is the highest accepted log-probability of chance.
pub(crate) fn airings<'a>(
    windows: &'a [Window<'a>],
    found: &'a [WindowMatches],
    recordings: &Recordings,
    query: &Query<'_>,
    limit: f64,
) -> Vec<AiringVersions<'a>> {
    let is_single_window = windows.len() == 1;
    let mut tracks: Vec<(TrackNumber, Vec<AcceptedAlignment<'a>>)> = Vec::new();
    for seed in seeds(windows, found) {
        let number = seed.one.reference.number;
        match tracks.iter_mut().find(|(track, _)| *track == number) {
            Some((_, seeds)) => seeds.push(seed),
            None => tracks.push((number, vec![seed])),
        }
    }
    let free = vec![false; query.peaks.len()];
    let mut plays: Vec<Vec<TrackPlay<'a>>> = Vec::new();
    for (number, seeds) in tracks {
        let followed = follow(&seeds, query, is_single_window);
        for track_play in track_plays(followed, query, &free, limit) {
            add_to_plays(&mut plays, track_play, |other| recordings.are_same_recording(other, number));
        }
    }
    let plays = merge_versions(plays);
    let mut airings = share_peaks(plays, recordings, query, limit);
    airings.sort_by(|a, b| a.primary.from().total_cmp(&b.primary.from()));
    airings
}

/// Returns the accepted alignments of all windows, including copies, best first.
fn seeds<'a>(windows: &'a [Window<'a>], found: &'a [WindowMatches]) -> Vec<AcceptedAlignment<'a>> {
    let mut seeds = Vec::new();
    for (found, window) in found.iter().zip(windows) {
        for explanation in &found.accepted {
            // Copies support each other: the evidence of one applies to the recording.
            let log_p = explanation.log_p;
            seeds.extend(explanation.alignments().map(|one| AcceptedAlignment { one, log_p, window }));
        }
    }
    seeds.sort_by(|a, b| a.log_p.total_cmp(&b.log_p));
    seeds
}

/// Follows the alignments `seeds` of one track to both ends of their airings. Each line is followed once.
/// `is_single_window` is true if the query has only one window. The result is sorted by falling evidence.
fn follow<'a>(
    seeds: &[AcceptedAlignment<'a>],
    query: &Query<'_>,
    is_single_window: bool,
) -> Vec<FollowedTrace<'a>> {
    let free = vec![false; query.peaks.len()];
    let mut followed: Vec<FollowedTrace<'a>> = Vec::new();
    for seed in seeds {
        if followed.iter().any(|piece| piece.trace.covers(seed.one, seed.window)) {
            continue;
        }
        if let Some(mut trace) = Trace::follow((seed.one, seed.log_p), seed.window, query, &free) {
            if is_single_window {
                // The only window is the whole query, so the evidence of the trace is already corrected for the choice
                // of the ends.
                trace.choices = 1.0;
            }
            followed.push(FollowedTrace { trace, seed: *seed });
        }
    }
    followed.sort_by(|a, b| a.trace.log_p().total_cmp(&b.trace.log_p()));
    followed
}

/// Returns the plays of one track from its `followed` stretches, which are sorted by falling evidence. A track plays
/// only once at a time, so a stretch that overlaps a better one is followed again without the query's peaks in the time
/// of the better one. Otherwise a repetitive track would also match a beat too early or too late, with peaks of the
/// query that its sparse constellation does not contain. Peaks marked in `used` belong to other tracks.
fn track_plays<'a>(
    followed: Vec<FollowedTrace<'a>>,
    query: &Query<'_>,
    used: &[bool],
    limit: f64,
) -> Vec<TrackPlay<'a>> {
    let mut pieces: Vec<FollowedTrace<'a>> = Vec::new();
    for FollowedTrace { trace, seed } in followed {
        let mut excluded = used.to_vec();
        pieces
            .iter()
            .for_each(|other| mark_stretch(&mut excluded, query, (other.trace.from, other.trace.to)));
        let explained =
            |trace: &Trace| trace.outcomes.iter().filter_map(|o| o.query).all(|q| !excluded[q as usize]);
        // A stretch that uses excluded peaks is followed again without them. The stretch may become shorter or
        // disappear.
        let remaining = if explained(&trace) {
            Some(trace)
        } else {
            Trace::follow((seed.one, seed.log_p), seed.window, query, &excluded)
        };
        let Some(trace) = remaining.filter(|trace| trace.is_airing() && trace.log_p() <= limit) else {
            continue;
        };
        match pieces.iter_mut().find(|other| other.trace.continues(&trace)) {
            // Only a fade or noise separates the two traces, so they are one stretch.
            Some(other) => other.trace.join(&trace),
            None => pieces.push(FollowedTrace { trace, seed }),
        }
    }
    splice(pieces)
}

/// Combines stretches of one track into plays: stretches that continue each other are one play.
fn splice(mut pieces: Vec<FollowedTrace<'_>>) -> Vec<TrackPlay<'_>> {
    pieces.sort_by(|a, b| a.trace.from.total_cmp(&b.trace.from));
    let mut track_plays: Vec<TrackPlay<'_>> = Vec::new();
    for piece in pieces {
        let continues = |track_play: &&mut TrackPlay<'_>| {
            track_play.pieces.last().is_some_and(|FollowedTrace { trace: last, .. }| {
                piece.trace.jump_from((&last.line, last.from, last.to)).is_some()
            })
        };
        match track_plays.iter_mut().rev().find(continues) {
            Some(track_play) => track_play.pieces.push(piece),
            None => track_plays.push(TrackPlay { pieces: vec![piece] }),
        }
    }
    track_plays
}

/// Sets the entries of `excluded` to true for all peaks of the query between the times `from` and `to` (ticks).
fn mark_stretch(excluded: &mut [bool], query: &Query<'_>, (from, to): (f64, f64)) {
    let at = |time: f64| query.peaks.partition_point(|p| f64::from(p.time) < time);
    let (from, to) = (at(from), at(to));
    excluded[from..to.max(from)].fill(true);
}

/// Adds a play of a track to `plays`, a list of groups; each group contains plays of one recording. The play and all
/// groups of its recording that contain a simultaneous play become one group. Without such groups, the play starts a
/// new group. `is_recording` returns true for the tracks that carry the recording of the play.
fn add_to_plays<'a>(
    plays: &mut Vec<Vec<TrackPlay<'a>>>,
    track_play: TrackPlay<'a>,
    is_recording: impl Fn(TrackNumber) -> bool,
) {
    let belongs = |play: &Vec<TrackPlay<'a>>| {
        is_recording(play[0].track()) && play.iter().any(|other| other.is_simultaneous(&track_play))
    };
    let (mut same, others): (Vec<_>, Vec<_>) = plays.drain(..).partition(belongs);
    *plays = others;
    let mut play: Vec<TrackPlay<'a>> = same.drain(..).flatten().collect();
    play.push(track_play);
    plays.push(play);
}

/// Merges groups of plays of one recording, which are recognized by a comparison of the tracks along the followed
/// lines. The comparison in the windows misses a copy at another speed whose line was not fitted.
fn merge_versions(plays: Vec<Vec<TrackPlay<'_>>>) -> Vec<Vec<TrackPlay<'_>>> {
    let mut merged: Vec<Vec<TrackPlay<'_>>> = Vec::new();
    let mut outcomes = Vec::new();
    for play in plays {
        let mut same = |other: &&mut Vec<TrackPlay<'_>>| {
            other
                .iter()
                .any(|one| play.iter().any(|track_play| track_play.plays_the_same(one, &mut outcomes)))
        };
        match merged.iter_mut().find(|other| same(other)) {
            Some(other) => other.extend(play),
            None => merged.push(play),
        }
    }
    merged
}

/// Assigns peaks that several recordings explain to the best recording, and returns the airings. The other recordings
/// are followed again without these peaks, and without the whole time in which their own recording already plays.
fn share_peaks<'a>(
    mut plays: Vec<Vec<TrackPlay<'a>>>,
    recordings: &Recordings,
    query: &Query<'_>,
    limit: f64,
) -> Vec<AiringVersions<'a>> {
    let log_p = |play: &[TrackPlay<'_>]| play.iter().map(TrackPlay::log_p).fold(0.0, f64::min);
    plays.sort_by(|a, b| log_p(a).total_cmp(&log_p(b)));
    let mut used = vec![false; query.peaks.len()];
    let mut airings: Vec<AiringVersions<'a>> = Vec::new();
    let mut plays = VecDeque::from(plays);
    while let Some(play) = plays.pop_front() {
        let recording = recordings.of(play[0].track());
        let mut excluded = used.clone();
        let playing = airings.iter().filter(|airing| recordings.of(airing.primary.track()) == recording);
        for track_play in playing.flat_map(|airing| std::iter::once(&airing.primary).chain(&airing.versions))
        {
            mark_stretch(&mut excluded, query, (track_play.from(), track_play.to()));
        }
        let mut remaining: Vec<TrackPlay<'a>> = Vec::new();
        for track_play in play {
            if track_play.explained().any(|q| excluded[q as usize]) {
                remaining.extend(track_plays(track_play.pieces, query, &excluded, limit));
            } else {
                remaining.push(track_play);
            }
        }
        let Some((airing, rest)) = choose(remaining) else { continue };
        plays.extend((!rest.is_empty()).then_some(rest));
        let is_simultaneous = airings.iter().any(|other| airing.primary.is_within(&other.primary));
        if is_simultaneous && airing.primary.log_p() > limit + SIMULTANEOUS_LOG_P {
            continue;
        }
        for track_play in std::iter::once(&airing.primary).chain(&airing.versions) {
            track_play.explained().for_each(|q| used[q as usize] = true);
        }
        airings.push(airing);
    }
    airings
}

/// If one airing follows another one without a gap, sets the end of the earlier airing and the start of the later one
/// to the same time, within the bounds of that end and that start. The airings must be in order of time.
pub(crate) fn join_neighbors(airings: &mut [AiringVersions<'_>]) {
    for i in 1..airings.len() {
        let (before, after) = airings.split_at_mut(i);
        let (Some(before), Some(after)) = (before.last_mut(), after.first_mut()) else { continue };
        let (last, first) = (before.primary.pieces.last_mut(), after.primary.pieces.first_mut());
        let (Some(last), Some(first)) = (last, first) else { continue };
        if let Some(cut) = last.trace.ends[1].meets(first.trace.ends[0]) {
            (last.trace.to, first.trace.from) = (cut, cut);
        }
    }
}
