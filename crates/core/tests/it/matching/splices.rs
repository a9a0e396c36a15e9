//! Songs with lost or repeated sections.

use refrain_core::matching::Match;

use crate::songs::{RATE, find, format_matches, length, song_catalog};

/// Returns a song that jumps from `at` to `to` (seconds): the section between them is lost, or repeated if `to` is
/// earlier.
fn spliced(song: usize, at: f64, to: f64) -> Vec<f32> {
    let samples = &song_catalog().songs[song];
    [&samples[..(at * RATE) as usize], &samples[(to * RATE) as usize..]].concat()
}

/// Checks that a spliced song is one match whose segments meet at the splice.
fn check(song: usize, at: f64, to: f64) {
    let matches = find(&spliced(song, at, to));
    let [row] = matches.found.as_slice() else { panic!("{at} to {to}:{}", format_matches(&matches)) };
    let end = length(song) - to + at;
    assert!(
        row.query_start.abs() < 0.2 && (row.query_end - end).abs() < 0.3,
        "{end}:{}",
        format_matches(&matches)
    );
    assert_eq!(row.segments.len(), 2, "{:?}", row.segments);
    let jumps: Vec<f64> = row.jumps().collect();
    assert!((jumps[0] - (to - at)).abs() < 0.05, "{at} to {to}: {jumps:?}");
    assert!((row.segments[1].query_start - at).abs() < 1.0, "{:?}", row.segments);
}

#[test]
fn lost_audio_splits_a_match_into_segments_not_into_matches() {
    for (song, lost) in [(1, 0.1), (2, 0.5), (3, 1.0), (4, 3.0), (5, 7.0)] {
        check(song, 8.0, 8.0 + lost);
    }
}

#[test]
fn repeated_audio_splits_a_match_into_segments_not_into_matches() {
    for (song, again) in [(1, 0.1), (2, 1.0), (3, 3.0)] {
        check(song, 9.0, 9.0 - again);
    }
}

#[test]
fn a_song_that_is_cut_twice_is_one_match_of_three_segments() {
    let samples = &song_catalog().songs[6];
    let part = |from: f64, to: f64| &samples[(from * RATE) as usize..(to * RATE) as usize];
    let matches = find(&[part(0.0, 7.0), part(7.4, 14.0), part(13.0, 19.0)].concat());
    let [Match { segments, .. }] = matches.found.as_slice() else { panic!("{}", format_matches(&matches)) };
    assert_eq!(segments.len(), 3, "{segments:?}");
}
