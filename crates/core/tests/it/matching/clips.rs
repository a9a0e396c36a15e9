//! Queries of one song.

use std::collections::HashSet;

use rayon::prelude::*;
use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{MatchSettings, Matches, identify};
use refrain_testkit::effects::crop;

use crate::songs::{SONGS, find, find_in, format_match, format_matches, length, query, rows, song_catalog};

/// Tolerance of ends and positions in seconds.
const TOLERANCE_SECONDS: f64 = 0.1;

/// Checks that this section of a song is the only match and covers the whole query.
fn assert_only(matches: &Matches, song: usize, from: f64, seconds: f64) {
    let rows = rows(matches);
    let [row] = rows.as_slice() else {
        panic!(
            "song {song} from {from} for {seconds} s gave {} rows:{}",
            rows.len(),
            format_matches(matches)
        );
    };
    let place = row.reference_start - row.query_start;
    let right = row.track == TrackNumber(song as u32)
        && (place - from).abs() < TOLERANCE_SECONDS
        && row.query_start < TOLERANCE_SECONDS
        && (row.query_end - seconds).abs() < TOLERANCE_SECONDS
        && (row.speed - 1.0).abs() < 0.05 / seconds;
    assert!(right, "song {song} from {from} for {seconds} s: {}", format_match(row));
}

#[test]
fn a_clean_clip_of_two_seconds_or_more_is_found_at_its_place() {
    let cases: Vec<_> = (0..SONGS)
        .flat_map(|song| [2.0, 3.0, 5.0, 10.0].map(|seconds| (song, seconds)))
        .flat_map(|(song, seconds)| [3.37, 9.11].map(|from| (song, from, seconds)))
        .collect();
    cases.par_iter().for_each(|&(song, from, seconds)| {
        assert_only(&find(&crop(&song_catalog().songs[song], from, seconds)), song, from, seconds);
    });
}

#[test]
fn a_whole_song_is_one_match_from_its_start_to_its_end() {
    (0..SONGS).into_par_iter().for_each(|song| {
        let matches = find(&song_catalog().songs[song]);
        assert_only(&matches, song, 0.0, length(song));
        let row = &matches.found[0];
        assert!(row.matched_peaks > row.expected_peaks * 9 / 10, "{}", format_match(row));
        assert!(row.aligned_landmarks > row.matched_peaks, "{row:?}");
        assert!(row.pitch_cents.abs() < 1.0, "{row:?}");
    });
}

#[test]
fn only_matches_below_the_false_positive_rate_are_found() {
    let clip = query(&crop(&song_catalog().songs[3], 6.0, 3.0));
    let found = |rate: f64| {
        let settings = MatchSettings { false_positive_rate: rate, ..MatchSettings::default() };
        identify(&song_catalog().snapshot, &clip, &settings).unwrap()
    };
    let by_default = found(MatchSettings::default().false_positive_rate);
    let p = by_default.found[0].false_positive_probability;
    assert!(p < MatchSettings::default().false_positive_rate && p > 0.0, "{p}");
    assert_eq!(found(p * 10.0).found.len(), 1);
    let strict = found(p / 10.0);
    assert!(strict.found.is_empty());
    assert_eq!(strict.rejected[0].best.track, TrackNumber(3));
}

#[test]
fn shorter_clips_have_a_higher_false_positive_probability() {
    let p = |seconds: f64| {
        find(&crop(&song_catalog().songs[8], 5.0, seconds)).found[0].false_positive_probability
    };
    let found = [10.0, 5.0, 3.0, 2.0].map(p);
    assert!(found.is_sorted(), "{found:?}");
}

/// Returns a snapshot of the catalog with one more track.
fn with(number: u32, samples: &[f32]) -> Snapshot {
    let mut tracks = song_catalog().tracks.clone();
    tracks.push((TrackNumber(number), Fingerprinter::fingerprint(Density::Reference, samples)));
    Snapshot::from_tracks(&tracks).unwrap()
}

#[test]
fn one_of_two_copies_is_found_and_the_other_is_its_alternative() {
    let song = &song_catalog().songs[5];
    let limit = MatchSettings::default().false_positive_rate;
    // An exact copy, and one with other samples in every frame.
    for (snapshot, exact) in [(with(100, song), true), (with(100, &song[300..]), false)] {
        for samples in [crop(song, 8.0, 10.0), song.clone()] {
            let matches = find_in(&snapshot, &samples);
            assert_eq!(matches.found.len(), 1, "{}", format_matches(&matches));
            let mut both = [matches.found[0].track.0, matches.alternatives[0].best.track.0];
            assert!(!exact || both == [5, 100], "the first of equal tracks is found: {both:?}");
            both.sort_unstable();
            assert_eq!(both, [5, 100]);
            let p = matches.alternatives[0].best.false_positive_probability;
            assert_eq!(matches.alternatives[0].of, matches.found[0].track);
            assert!(p < limit, "a copy is not a coincidence: {p}");
            assert_eq!(find_in(&snapshot, &samples), matches);
        }
    }
}

#[test]
fn each_rejected_track_is_reported_once() {
    for song in 0..8 {
        let rejected = find(&song_catalog().songs[song]).rejected;
        let tracks: HashSet<_> = rejected.iter().map(|r| r.best.track).collect();
        assert_eq!(tracks.len(), rejected.len());
        assert!(!tracks.contains(&TrackNumber(song as u32)), "a found track is not a rejected candidate");
    }
}

#[test]
fn a_loop_is_found_as_its_song_from_start_to_end() {
    // Two seconds of a song, eight times: any repetition may match, but the whole must be covered once.
    let bar = crop(&song_catalog().songs[6], 8.0, 2.0);
    let song: Vec<f32> = std::iter::repeat_n(&bar, 8).flatten().copied().collect();
    let snapshot = with(200, &song);
    let matches = find_in(&snapshot, &song);
    let row = matches.found.iter().find(|row| row.track == TrackNumber(200));
    let row = row.unwrap_or_else(|| panic!("{}", format_matches(&matches)));
    assert!(
        row.query_start < TOLERANCE_SECONDS && (row.query_end - 16.0).abs() < TOLERANCE_SECONDS,
        "{}",
        format_matches(&matches)
    );
    assert!(row.reference_start < TOLERANCE_SECONDS, "{}", format_matches(&matches));
    let clip = find_in(&snapshot, &song[3 * 44_100..9 * 44_100]);
    let row = clip.found.iter().find(|row| row.track == TrackNumber(200)).unwrap();
    let phase = (row.reference_start - row.query_start - 3.0).rem_euclid(2.0);
    assert!(phase.min(2.0 - phase) < TOLERANCE_SECONDS, "{}", format_matches(&clip));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let queries = [song_catalog().songs[2].clone(), crop(&song_catalog().songs[9], 4.0, 12.0)];
    for samples in &queries {
        let query = query(samples);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| identify(&song_catalog().snapshot, &query, &MatchSettings::default()).unwrap())
        };
        assert_eq!(with(1), with(7));
    }
}
