//! Copies: catalog entries of one recording.
//!
//! A catalog contains many recordings several times: album, single and compilation, other encodings, edits, versions
//! without the voice. Their alignments in a query support each other and never compete. To decide if two alignments
//! play the same recording, the two tracks are compared directly, along their lines in the query. So noise in the query
//! has no effect and no link in the catalog is needed.

use std::collections::HashMap;

use crate::index::TrackNumber;

use super::line::{FINE, Line, PeakOutcome, Tolerance, compare, fit};
use super::reference::Reference;
use super::verify::Alignment;

/// Minimum fraction of peaks in which two tracks agree if one is a copy or a version of the other. Tracks that share
/// only a beat agree in fewer peaks. At half this value, tracks with the same beat count as copies and support each
/// other's wrong matches; at twice this value, versions without the voice (about half of the peaks agree) compete with
/// their original.
const MIN_COPY_AGREEMENT: f64 = 0.35;
/// Minimum number of peaks in the common stretch of two tracks for a comparison: about half a second of audio. At half
/// this value, a few common notes make two tracks copies; at twice this value, copies that overlap for less than a
/// second are not recognized.
const MIN_COMPARED_PEAKS: usize = 12;
/// Minimum fraction of explained peaks that two alignments have in common before their tracks are compared, relative to
/// the alignment that explains fewer peaks. Unrelated alignments share fewer peaks, and this test costs a hundredth of
/// the comparison. At half this value, more unrelated tracks are compared without result; at twice this value, copies
/// in noise, which explain different peaks, may be missed.
const MIN_SHARED_PEAKS: f64 = 0.15;

/// Tolerance for the first comparison of two tracks whose offset is only known to the precision of a bin of votes (8
/// ticks). At half this value, offsets at the border of a bin are not found; at twice this value, chance hits distort
/// the fit.
const COARSE: Tolerance = Tolerance { time: 8.0, frequency: 8.0, relative: 0.004 };

/// Returns the line that maps times of the track `other` to times of the track `one`, given the lines of both tracks in
/// the same query.
fn between(one: &Line, other: &Line) -> Line {
    let speed = one.speed / other.speed;
    Line { offset: one.offset - speed * other.offset, speed, pitch: one.pitch / other.pitch }
}

/// Returns the line of another track in a query, given the line `one` of the first track in the query, and the line
/// `between` the two tracks.
fn through(one: &Line, between: &Line) -> Line {
    let speed = one.speed / between.speed;
    Line { offset: (one.offset - between.offset) / between.speed, speed, pitch: one.pitch / between.pitch }
}

/// Returns the fraction of the peaks of the track `one` that the track `other` has, too, within `span` (start and end
/// in the query, in ticks). `one_line` and `other_line` are the lines of the tracks in the query. Only the time in
/// which both tracks have audio is compared; `None` if `one` has fewer than [`MIN_COMPARED_PEAKS`] peaks in this time.
pub(crate) fn agreement(
    (one, one_line): (&Reference, &Line),
    (other, other_line): (&Reference, &Line),
    span: (f64, f64),
    outcomes: &mut Vec<PeakOutcome>,
) -> Option<f64> {
    // An edit may lack audio that the other track has. Where one of the two tracks has no audio, missing peaks are not
    // evidence.
    let from = span.0.max(one_line.query(0.0)).max(other_line.query(0.0));
    let to = span.1.min(one_line.query(one.ticks)).min(other_line.query(other.ticks));
    if to <= from {
        return None;
    }
    let span = (other_line.reference(from), other_line.reference(to));
    compare(&one.peaks, &other.peaks, &between(one_line, other_line), span, FINE, outcomes);
    if outcomes.len() < MIN_COMPARED_PEAKS {
        return None;
    }
    let found = outcomes.iter().filter(|o| o.query.is_some()).count();
    Some(found as f64 / outcomes.len() as f64)
}

/// Returns true if an agreement is at least [`MIN_COPY_AGREEMENT`], as for copies or versions of one recording; false
/// for `None`.
pub(crate) fn is_same_audio(agreement: Option<f64>) -> bool {
    agreement.is_some_and(|part| part >= MIN_COPY_AGREEMENT)
}

/// Returns true if two alignments may be copies: the explained peaks of the query that they have in common are at least
/// the fraction [`MIN_SHARED_PEAKS`] of the smaller set. `one` and `other` are the sets of the peaks that each
/// alignment explains, with one bit per peak.
pub(crate) fn may_be_copies(one: &[u64], other: &[u64]) -> bool {
    let count = |set: &[u64]| set.iter().map(|bits| bits.count_ones()).sum::<u32>();
    let shared = shared_peaks(one, other);
    shared > 0 && f64::from(shared) >= MIN_SHARED_PEAKS * f64::from(count(one).min(count(other)))
}

/// Returns the number of peaks that are in both sets `one` and `other`, which have one bit per peak of the query.
pub(crate) fn shared_peaks(one: &[u64], other: &[u64]) -> u32 {
    one.iter().zip(other).map(|(a, b)| (a & b).count_ones()).sum()
}

/// Returns the line of another track that plays the same recording as `one` between two times of the query (ticks), and
/// the fraction of peaks that agree. `near` is the line of the other track, off by some ticks. The returned line is
/// fitted to the peaks of the two tracks, which are free of noise. `None` if the tracks do not agree.
pub(crate) fn line_of_copy(
    one: &Alignment,
    (other, near): (&Reference, &Line),
    span: (f64, f64),
    outcomes: &mut Vec<PeakOutcome>,
) -> Option<(Line, f64)> {
    let between = between(&one.line, near);
    let times = (near.reference(span.0), near.reference(span.1));
    compare(&one.reference.peaks, &other.peaks, &between, times, COARSE, outcomes);
    let line = through(&one.line, &fit(&one.reference.peaks, &other.peaks, outcomes, &between));
    let part = agreement((&one.reference, &one.line), (other, &line), span, outcomes)?;
    (part >= MIN_COPY_AGREEMENT).then_some((line, part))
}

/// Returns the agreement of two alignments of different tracks that play the same recording at the same place, or
/// `None` if they do not. The agreement is the fraction of peaks that agree in the part where both alignments are
/// significant. Each line was fitted to the noisy query separately, so the lines may differ by some ticks.
pub(crate) fn copy_agreement(
    one: &Alignment,
    other: &Alignment,
    outcomes: &mut Vec<PeakOutcome>,
) -> Option<f64> {
    if one.reference.number == other.reference.number {
        return None;
    }
    let span = (one.part.0.max(other.part.0), one.part.1.min(other.part.1));
    let part = agreement((&one.reference, &one.line), (&other.reference, &other.line), span, outcomes);
    part.filter(|part| *part >= MIN_COPY_AGREEMENT)
        .or_else(|| Some(line_of_copy(one, (&other.reference, &other.line), span, outcomes)?.1))
}

/// Groups of tracks that carry the same recording (union-find). They contain only the links between copies that the
/// search has found.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recordings {
    parents: HashMap<TrackNumber, TrackNumber>,
}

impl Recordings {
    /// Returns the lowest number of the tracks that carry the same recording as `track`.
    pub(crate) fn of(&self, mut track: TrackNumber) -> TrackNumber {
        while let Some(parent) = self.parents.get(&track) {
            track = *parent;
        }
        track
    }

    /// Records that two tracks carry the same recording.
    pub(crate) fn link(&mut self, one: TrackNumber, other: TrackNumber) {
        let (one, other) = (self.of(one), self.of(other));
        if one != other {
            // The lower number is the root, so the result does not depend on the order of the links.
            self.parents.insert(one.max(other), one.min(other));
        }
    }

    /// Adds the links that another search has found.
    pub(crate) fn add(&mut self, other: &Self) {
        other.parents.iter().for_each(|(one, parent)| self.link(*one, *parent));
    }

    /// Returns true if two tracks carry the same recording.
    pub(crate) fn are_same_recording(&self, one: TrackNumber, other: TrackNumber) -> bool {
        one == other || self.of(one) == self.of(other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_join_tracks_transitively_and_keep_the_lowest_number() {
        let mut recordings = Recordings::default();
        for (one, other) in [(7, 5), (9, 7), (3, 9)] {
            recordings.link(TrackNumber(one), TrackNumber(other));
        }
        assert!(recordings.are_same_recording(TrackNumber(9), TrackNumber(5)));
        assert_eq!(recordings.of(TrackNumber(7)), TrackNumber(3));
        assert!(!recordings.are_same_recording(TrackNumber(4), TrackNumber(5)));
    }

    proptest! {
        #[test]
        fn line_between_two_tracks_is_consistent_with_their_lines_in_the_query(
            (a, b) in (-1e4f64..1e4, -1e4f64..1e4), (v, w) in (0.6f64..1.6, 0.6f64..1.6), query in 0f64..1e5,
        ) {
            let one = Line { offset: a, speed: v, pitch: 1.1 };
            let other = Line { offset: b, speed: w, pitch: 0.9 };
            let through = between(&one, &other);
            prop_assert!((through.reference(other.reference(query)) - one.reference(query)).abs() < 1e-6);
            let again = super::through(&one, &through);
            prop_assert!((again.reference(query) - other.reference(query)).abs() < 1e-6);
            prop_assert!((again.pitch - other.pitch).abs() < 1e-9);
        }
    }
}
