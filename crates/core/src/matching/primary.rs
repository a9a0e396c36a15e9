//! Selection of the primary track: if several tracks carry the recording of an airing, the primary is the track that is
//! reported.
//!
//! The choice is the same for different clips of a recording and for any order of the candidates. The criteria are, in
//! this order:
//!
//! 1. The fraction of the track's peaks that are found must be about as high as that of the best track. So a version
//!    without the voice is not reported if the version with the voice is played.
//! 2. The longest explanation.
//! 3. The fewest pieces: an edit is reported if the edit is played, not the original with a jump.
//! 4. The original speed and pitch before a changed one.
//! 5. The longest audio, because that track can explain a stream for the longest time.
//! 6. The track that was indexed first.

use std::cmp::Reverse;

use super::play::{AiringVersions, TrackPlay};
use super::trace::Trace;
use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;

/// Minimum fraction of found peaks with which a track counts as equally good, relative to that of the best track. Other
/// encodings of a recording agree in nine tenths of their peaks, versions in half. At half this value, a version
/// without the voice can be reported for the original; near 1, noise decides between equal encodings.
const MIN_FOUND_RATIO: f64 = 0.75;
/// Explanations that are shorter than the longest one by at most this (1 s, in ticks) count as equally long. At half
/// this value, an edge that noise hides decides between copies; at twice this value, an edit that explains up to 2 s
/// more of the airing is not preferred.
const LENGTH_TOLERANCE_TICKS: f64 = TICKS_PER_SECOND;
/// Tracks whose audio is shorter than the longest one by at most this (2 s, in ticks) count as equally long. At half
/// this value, silence and differences between encoders decide between copies; at twice this value, versions that
/// differ by one bar count as equal, and the first one indexed is reported.
const AUDIO_TOLERANCE_TICKS: f64 = 2.0 * TICKS_PER_SECOND;

/// Properties of a track's play on which the choice of the primary depends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) track: TrackNumber,
    /// Fraction of the track's expected peaks that were found.
    pub(crate) found: f64,
    /// Time from the first to the last peak that the play explains, in ticks; silence at the start of a copy does not
    /// count.
    pub(crate) length: f64,
    pub(crate) pieces: usize,
    /// True if speed or pitch differ from those of the track by more than 1 %.
    pub(crate) is_changed: bool,
    /// Time from the track's first to its last peak, in ticks.
    pub(crate) audio_ticks: f64,
}

impl Choice {
    /// Returns the properties of one track's traces, which are in order of time. `None` if `traces` is empty or
    /// explains no peak.
    pub(crate) fn of<'a>(traces: &(impl Iterator<Item = &'a Trace> + Clone)) -> Option<Self> {
        let first = traces.clone().next()?;
        let last = traces.clone().last()?;
        let sum = |count: fn(&Trace) -> u32| traces.clone().map(count).sum::<u32>();
        let peaks = &first.reference.peaks;
        let audio_ticks = peaks.last().map_or(0.0, |last| f64::from(last.time - peaks[0].time));
        Some(Self {
            track: first.reference.number,
            found: f64::from(sum(|trace| trace.evidence.found))
                / f64::from(sum(|trace| trace.evidence.expected).max(1)),
            length: last.peaks_span()?.1 - first.peaks_span()?.0,
            pieces: traces.clone().count(),
            is_changed: traces.clone().any(|trace| trace.line.is_changed()),
            audio_ticks,
        })
    }
}

/// Returns the index of the choice that becomes the primary, or `None` if there are no choices.
pub(crate) fn best(choices: &[Choice]) -> Option<usize> {
    let found = choices.iter().map(|one| one.found).fold(0.0, f64::max);
    let good = choices.iter().enumerate().filter(|(_, one)| one.found >= MIN_FOUND_RATIO * found);
    let longest = good.clone().map(|(_, one)| one.length).fold(0.0, f64::max);
    let long = good.filter(|(_, one)| one.length >= longest - LENGTH_TOLERANCE_TICKS);
    let simple = |one: &Choice| (one.pieces, one.is_changed);
    let simplest = long.clone().map(|(_, one)| simple(one)).min()?;
    let plain = long.filter(|(_, one)| simple(one) == simplest);
    let audio_ticks = plain.clone().map(|(_, one)| one.audio_ticks).fold(0.0, f64::max);
    let mut last = plain.filter(|(_, one)| one.audio_ticks >= audio_ticks - AUDIO_TOLERANCE_TICKS);
    let first = last.next()?;
    let best = last.fold(first, |a, b| {
        // The length breaks ties between several plays of one track, rounded so that the last digits of a fit do not
        // decide.
        let rank = |one: &Choice| (one.track, Reverse((one.length * 16.0) as u64));
        if rank(b.1) < rank(a.1) { b } else { a }
    });
    Some(best.0)
}

/// Combines plays of the tracks of one recording into an airing: the primary, and the longest simultaneous play of each
/// other track as a version. Also returns the plays at other times. Returns `None` if no play can be the primary.
pub(crate) fn choose(
    mut track_plays: Vec<TrackPlay<'_>>,
) -> Option<(AiringVersions<'_>, Vec<TrackPlay<'_>>)> {
    let traces = |track_play: &TrackPlay<'_>| Choice::of(&track_play.pieces.iter().map(|piece| &piece.trace));
    let choices: Vec<Choice> = track_plays.iter().filter_map(traces).collect();
    let primary = track_plays.swap_remove(best(&choices)?);
    let (mut simultaneous, rest): (Vec<_>, Vec<_>) =
        track_plays.into_iter().partition(|track_play| track_play.is_simultaneous(&primary));
    simultaneous.sort_by(|a, b| {
        let length = |track_play: &TrackPlay<'_>| track_play.to() - track_play.from();
        length(b).total_cmp(&length(a)).then(a.track().cmp(&b.track()))
    });
    let mut versions: Vec<TrackPlay<'_>> = Vec::new();
    for track_play in simultaneous {
        let known = |other: &TrackPlay<'_>| other.track() == track_play.track();
        if !known(&primary) && !versions.iter().any(known) {
            versions.push(track_play);
        }
    }
    versions.sort_by(|a, b| a.log_p().total_cmp(&b.log_p()).then(a.track().cmp(&b.track())));
    Some((AiringVersions { primary, versions }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice(track: u32, found: f64, seconds: f64) -> Choice {
        Choice {
            track: TrackNumber(track),
            found,
            length: seconds * TICKS_PER_SECOND,
            pieces: 1,
            is_changed: false,
            audio_ticks: 180.0 * TICKS_PER_SECOND,
        }
    }

    fn track(choices: &[Choice]) -> u32 {
        choices[best(choices).unwrap()].track.0
    }

    #[test]
    fn of_equal_copies_the_first_indexed_is_primary() {
        assert_eq!(track(&[choice(9, 0.9, 10.0), choice(4, 0.85, 10.0), choice(7, 0.95, 9.9)]), 4);
    }

    #[test]
    fn the_longest_explanation_of_fewest_pieces_is_primary() {
        let edit = choice(9, 0.9, 42.0);
        let original = Choice { pieces: 2, ..choice(4, 0.9, 42.0) };
        assert_eq!(track(&[original, edit]), 9);
        assert_eq!(track(&[choice(4, 0.9, 30.0), edit]), 9);
    }

    #[test]
    fn a_version_that_explains_half_of_the_sound_is_not_primary() {
        assert_eq!(track(&[choice(4, 0.5, 10.0), choice(9, 0.9, 10.0)]), 9);
    }

    #[test]
    fn longer_tracks_and_unchanged_ones_are_preferred() {
        let long = Choice { audio_ticks: 300.0 * TICKS_PER_SECOND, ..choice(9, 0.9, 10.0) };
        assert_eq!(track(&[choice(4, 0.9, 10.0), long]), 9);
        let changed = Choice { is_changed: true, ..long };
        assert_eq!(track(&[choice(4, 0.9, 10.0), changed]), 4);
    }

    proptest! {
        #[test]
        fn the_choice_does_not_depend_on_the_order(
            values in prop::collection::vec((0.1f64..1.0, 5f64..12.0, 1usize..3, any::<bool>(), 100f64..200.0), 1..8),
            turn in 0usize..8,
        ) {
            let mut choices: Vec<Choice> = values.iter().enumerate().map(|(i, v)| Choice {
                pieces: v.2,
                is_changed: v.3,
                audio_ticks: v.4 * TICKS_PER_SECOND,
                ..choice(i as u32, v.0, v.1)
            }).collect();
            let first = track(&choices);
            let turn = turn % choices.len();
            choices.rotate_left(turn);
            prop_assert_eq!(track(&choices), first);
        }
    }
}
