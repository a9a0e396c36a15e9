//! Catalogs that contain a recording several times.

use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::Matches;
use refrain_testkit::effects::{MixClip, add_babble, mix, speed};

use crate::songs::{RATE, clip, find, find_in, format_matches, song_catalog};

/// Track number of the first copy.
const FIRST_COPY: u32 = 100;

/// Returns a snapshot of the catalog with more tracks, numbered from [`FIRST_COPY`].
fn with(copies: &[Vec<f32>]) -> Snapshot {
    let mut tracks = song_catalog().tracks.clone();
    for (i, samples) in copies.iter().enumerate() {
        let constellation = Fingerprinter::fingerprint(Density::Reference, samples);
        tracks.push((TrackNumber(FIRST_COPY + i as u32), constellation));
    }
    Snapshot::from_tracks(&tracks).unwrap()
}

fn cut(samples: &[f32], from: f64, seconds: f64) -> Vec<f32> {
    samples[(from * RATE) as usize..((from + seconds) * RATE) as usize].to_vec()
}

/// Returns a song with silence before it.
fn delayed(song: usize, seconds: f64) -> Vec<f32> {
    let mut samples = vec![0.0; (seconds * RATE) as usize];
    samples.extend_from_slice(&song_catalog().songs[song]);
    samples
}

/// Returns a copy as another encoder would make it: other samples in each frame, and a little noise.
fn reencoded(song: usize, number: usize) -> Vec<f32> {
    let mut samples = song_catalog().songs[song][37 * number..].to_vec();
    let mut state = number as u32 + 1;
    for sample in &mut samples {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample += 0.002 * (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32;
    }
    samples
}

/// Returns the track of each match and the number of its alternatives.
fn tracks(matches: &Matches) -> Vec<(u32, usize)> {
    let row =
        |(i, row): (usize, &refrain_core::matching::Match)| (row.track.0, matches.alternatives_of(i).count());
    matches.found.iter().enumerate().map(row).collect()
}

#[test]
fn copies_with_silence_in_front_are_alternatives_of_one_match() {
    for silence in [2.0, 20.0, 60.0] {
        let snapshot = with(&[delayed(5, silence)]);
        for samples in [song_catalog().songs[5].clone(), cut(&song_catalog().songs[5], 6.0, 10.0)] {
            let matches = find_in(&snapshot, &samples);
            assert_eq!(matches.found.len(), 1, "{silence} s:{}", format_matches(&matches));
            let other = &matches.alternatives[0].best;
            let row = &matches.found[0];
            let mut places = [(row.track.0, row.reference_start), (other.track.0, other.reference_start)];
            places.sort_by_key(|place| place.0);
            assert!((places[1].1 - places[0].1 - silence).abs() < 0.1, "{places:?}");
        }
    }
}

#[test]
fn all_of_twenty_copies_are_reported() {
    let copies: Vec<_> = (1..=20).map(|i| reencoded(7, i)).collect();
    let snapshot = with(&copies);
    let noisy = add_babble(&cut(&song_catalog().songs[7], 4.0, 10.0), 3.0, 5);
    for samples in [cut(&song_catalog().songs[7], 4.0, 10.0), song_catalog().songs[7].clone(), noisy] {
        assert_eq!(tracks(&find_in(&snapshot, &samples)), [(7, 20)], "the first indexed is primary");
    }
}

#[test]
fn the_primary_is_the_same_from_clip_to_clip() {
    let snapshot = with(&[reencoded(9, 1), reencoded(9, 2), delayed(9, 1.0)]);
    for from in 0..12 {
        let matches = find_in(&snapshot, &cut(&song_catalog().songs[9], f64::from(from), 6.0));
        assert_eq!(tracks(&matches), [(9, 3)], "from {from}:{}", format_matches(&matches));
    }
}

#[test]
fn an_edit_or_its_original_is_primary_depending_on_which_is_played() {
    let song = &song_catalog().songs[12];
    let edit = [cut(song, 0.0, 9.0), cut(song, 14.0, 8.0)].concat();
    let snapshot = with(std::slice::from_ref(&edit));
    let matches = find_in(&snapshot, &edit);
    assert_eq!(tracks(&matches), [(FIRST_COPY, 1)], "{}", format_matches(&matches));
    assert!(matches.found[0].query_end - matches.found[0].query_start > 16.5, "{}", format_matches(&matches));
    assert_eq!(tracks(&find_in(&snapshot, song)), [(12, 1)]);
}

#[test]
fn a_copy_at_another_speed_does_not_double_a_song() {
    let snapshot = with(&[speed(&song_catalog().songs[3], 1.04), speed(&song_catalog().songs[3], 0.985)]);
    for factor in [1.0, 1.04, 1.02, 0.985] {
        let matches = find_in(&snapshot, &speed(&song_catalog().songs[3], factor));
        assert_eq!(matches.found.len(), 1, "{factor}:{}", format_matches(&matches));
    }
}

#[test]
fn copies_do_not_reduce_the_evidence_of_a_match() {
    let copies: Vec<_> = (1..=5).map(|i| reencoded(11, i)).collect();
    let snapshot = with(&copies);
    for seed in 0..6 {
        let samples = add_babble(&cut(&song_catalog().songs[11], 2.0 + seed as f64, 8.0), -4.0, seed);
        let (without_copies, with_copies) = (find(&samples), find_in(&snapshot, &samples));
        assert!(
            with_copies.found.len() >= without_copies.found.len(),
            "{seed}:{}{}",
            format_matches(&without_copies),
            format_matches(&with_copies)
        );
        assert!(with_copies.found.len() <= 1, "{seed}:{}", format_matches(&with_copies));
    }
}

#[test]
fn a_cross_fade_of_two_songs_with_copies_gives_both_songs_once() {
    let snapshot = with(&[reencoded(14, 1), delayed(14, 3.0), reencoded(15, 1), delayed(15, 3.0)]);
    let clips = [clip(14, 0.0, 16.0), MixClip { fade: 4.0, ..clip(15, 2.0, 16.0) }];
    let matches = find_in(&snapshot, &mix(&clips).samples);
    let mut songs = Vec::new();
    for row in &matches.found {
        songs.push(match row.track.0 {
            14 | 100 | 101 => 14,
            15 | 102 | 103 => 15,
            other => other,
        });
    }
    assert_eq!(songs, [14, 15], "{}", format_matches(&matches));
}
