//! Queries of several songs.

use refrain_core::index::TrackNumber;
use refrain_core::matching::{Match, Matches};
use refrain_testkit::effects::{Mix, MixClip, overlay};

use crate::songs::{
    RATE, SONGS, airings, clip, find, format_matches, length, rows, song_catalog, unknown, whole,
};

/// Number of a song that is in no catalog.
const UNKNOWN: usize = usize::MAX;

/// Checks that the matches are the airings of known songs, in order. Returns each match with its errors: start, end
/// and position in seconds, and speed.
fn timeline<'a>(mix: &Mix, songs: &[usize], matches: &'a Matches) -> Vec<(&'a Match, [f64; 4])> {
    let truth: Vec<_> = mix.airings.iter().filter(|airing| songs[airing.clip] != UNKNOWN).collect();
    let rows = rows(matches);
    let found: Vec<_> = rows.iter().map(|row| row.track.0 as usize).collect();
    let expected: Vec<_> = truth.iter().map(|airing| songs[airing.clip]).collect();
    assert_eq!(found, expected, "{}", format_matches(matches));
    let with_errors = |(row, airing): (&'a Match, &&refrain_testkit::effects::ClipTiming)| {
        let place = airing.song_start - airing.start;
        let errors = [
            row.query_start - airing.start,
            row.query_end - airing.start - airing.seconds,
            row.reference_start - row.query_start - place,
            row.speed - 1.0,
        ];
        (row, errors)
    };
    rows.into_iter().zip(&truth).map(with_errors).collect()
}

/// Checks the timeline of clips that are played one after the other: ends within 0.2 s, positions within 0.1 s.
fn check(clips: &[(usize, MixClip<'static>)]) {
    check_within(clips, 0.2);
}

fn check_within(clips: &[(usize, MixClip<'static>)], tolerance: f64) {
    let (mix, songs) = airings(clips);
    let matches = find(&mix.samples);
    for (row, [start, end, place, speed]) in timeline(&mix, &songs, &matches) {
        let right =
            start.abs() < tolerance && end.abs() < tolerance && place.abs() < 0.1 && speed.abs() < 0.002;
        assert!(
            right,
            "song {}: off by {start:.3}, {end:.3}, {place:.3}:{}",
            row.track.0,
            format_matches(&matches)
        );
    }
}

fn after(gap: f64, clip: MixClip<'static>) -> MixClip<'static> {
    MixClip { fade: -gap, ..clip }
}

#[test]
fn songs_back_to_back_are_each_found_once() {
    for first in (0..SONGS).step_by(4) {
        check(&[0, 1, 2, 3].map(|i| (first + i, whole(first + i))));
    }
}

#[test]
fn songs_joined_by_hard_cuts_meet_at_the_cuts() {
    check(&[
        (4, clip(4, 5.0, 10.0)),
        (5, clip(5, 3.0, 8.0)),
        (6, clip(6, 2.0, 12.0)),
        (7, clip(7, 8.0, 6.0)),
    ]);
    // In a sparse or sustained passage, a cut is located only to the next peak.
    for group in 0..4 {
        let cut = |i: usize| {
            let song = (group * 8 + i) * 5 % SONGS;
            (song, clip(song, 1.3 + 0.6 * i as f64, 5.0 + 1.1 * ((i * 3 + group) % 7) as f64))
        };
        check_within(&[0, 1, 2, 3, 4, 5, 6, 7].map(cut), 0.5);
    }
}

#[test]
fn silence_between_songs_belongs_to_neither() {
    check(&[
        (8, whole(8)),
        (9, after(6.0, whole(9))),
        (10, after(0.5, whole(10))),
        (11, after(20.0, whole(11))),
    ]);
}

#[test]
fn an_unknown_song_between_songs_is_a_gap() {
    let unknown_song: &'static [f32] = unknown(1, 14.0).leak();
    let unknown_song = MixClip { samples: unknown_song, from: 0.0, seconds: 14.0, fade: 0.0 };
    check(&[(8, whole(8)), (UNKNOWN, unknown_song), (9, whole(9)), (UNKNOWN, unknown_song)]);
}

#[test]
fn a_song_played_twice_is_two_matches() {
    check(&[(10, whole(10)), (10, whole(10))]);
    check(&[(10, clip(10, 0.0, 12.0)), (10, clip(10, 0.0, 14.0))]);
    check(&[(12, clip(12, 8.0, 10.0)), (12, clip(12, 1.0, 12.0))]);
    check(&[(3, whole(3)), (4, whole(4)), (3, whole(3))]);
}

#[test]
fn an_interrupted_song_is_one_match_of_two_segments() {
    let parts = |song| [clip(song, 0.0, 12.0), clip(song, 12.0, 8.0)];
    let only = |clips: &[(usize, MixClip<'static>)], song: usize| {
        let matches = find(&airings(clips).0.samples);
        let of_song = matches.found.iter().filter(|row| row.track == TrackNumber(song as u32));
        let segments: Vec<_> = of_song.map(|row| row.segments.len()).collect();
        assert_eq!(segments, [2], "{}", format_matches(&matches));
        matches.found.len()
    };
    for song in [11, 20, 30] {
        let [before, behind] = parts(song);
        assert_eq!(only(&[(song, before), (12, clip(12, 4.0, 6.0)), (song, behind)], song), 2);
        assert_eq!(only(&[(song, before), (song, after(5.0, behind))], song), 1);
        assert_eq!(only(&[(song, before), (song, MixClip { from: 14.5, seconds: 6.0, ..behind })], song), 1);
    }
}

#[test]
fn two_songs_at_once_are_both_found_including_their_overlap() {
    for (one, other) in [(13, 14), (2, 25), (9, 18)] {
        // The middle of one song overlaps the beginning of the other. Neither is faded.
        let base = &song_catalog().songs[one][..(18.0 * RATE) as usize];
        let top = &song_catalog().songs[other][..(16.0 * RATE) as usize];
        let mut samples = base.to_vec();
        samples.resize((24.0 * RATE) as usize, 0.0);
        let matches = find(&overlay(&samples, top, 8.0, 0.0));
        let rows = rows(&matches);
        let found: Vec<_> = rows.iter().map(|row| row.track.0 as usize).collect();
        assert_eq!(found, [one, other], "{}", format_matches(&matches));
        let ends = [
            rows[0].query_start,
            rows[0].query_end - 18.0,
            rows[1].query_start - 8.0,
            rows[1].query_end - 24.0,
        ];
        // The other song may mask the outermost peaks.
        assert!(ends.iter().all(|off| off.abs() < 1.5), "{ends:?}:{}", format_matches(&matches));
        assert!((rows[1].reference_start - rows[1].query_start + 8.0).abs() < 0.1);
    }
}

#[test]
fn a_mix_of_thirty_songs_is_thirty_matches_in_order() {
    let faded = |song: usize| (song, MixClip { fade: if song > 0 { 4.0 } else { 0.0 }, ..whole(song) });
    let clips: Vec<_> = (0..30).map(faded).collect();
    let (mix, songs) = airings(&clips);
    let matches = find(&mix.samples);
    let rows = timeline(&mix, &songs, &matches);
    assert_eq!(rows.len(), 30);
    for (row, [start, end, place, speed]) in rows {
        // A song is detected from some point of its fade on.
        let right = (-0.1..4.0).contains(&start) && (-4.0..0.1).contains(&end);
        assert!(right, "song {}: {start} {end}", row.track.0);
        assert!(place.abs() < 0.1 && speed.abs() < 0.001, "song {}: {place} {speed}", row.track.0);
    }
}

#[test]
fn matches_of_one_track_never_overlap() {
    // Repetitive songs also match themselves a beat too early or too late.
    for song in 0..SONGS {
        let twice = [song_catalog().songs[song].as_slice(), &song_catalog().songs[song]].concat();
        let matches = find(&twice);
        assert!(matches.found.iter().all(|row| row.track == TrackNumber(song as u32)));
        assert_eq!(matches.found.len(), 2, "{}", format_matches(&matches));
        assert!((rows(&matches)[1].query_start - length(song)).abs() < 0.1, "{}", format_matches(&matches));
    }
}
