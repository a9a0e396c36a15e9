//! Songs with degraded audio.

use rayon::prelude::*;
use refrain_core::index::TrackNumber;
use refrain_testkit::effects::{Noise, add_babble, add_noise, clip, crop, gain, phone, reverb, speed};

use crate::songs::{SONGS, find, format_match, format_matches, length, song_catalog};

/// Returns the number of clips of 10 s that are found at their position (within 0.2 s), and descriptions of the
/// others.
fn found(damage: impl Fn(&[f32], u64) -> Vec<f32> + Sync) -> (usize, Vec<String>) {
    let miss = |song: usize| {
        let damaged = damage(&crop(&song_catalog().songs[song], 4.0, 10.0), song as u64);
        let matches = find(&damaged);
        let right = matches.found.len() == 1
            && matches.found[0].track == TrackNumber(song as u32)
            && (matches.found[0].reference_start - matches.found[0].query_start - 4.0).abs() < 0.2;
        (!right).then(|| format!("song {song}:{}", format_matches(&matches)))
    };
    let missed: Vec<String> = (0..SONGS).into_par_iter().filter_map(miss).collect();
    (SONGS - missed.len(), missed)
}

#[test]
fn clips_in_noise_of_equal_level_are_found() {
    for colour in [Noise::White, Noise::Pink] {
        let (right, missed) = found(|samples, seed| add_noise(samples, colour, 0.0, seed));
        assert_eq!(right, SONGS, "{colour:?}: {}", missed.concat());
    }
}

#[test]
fn clips_under_speech_of_equal_level_are_found() {
    let (right, missed) = found(|samples, seed| add_babble(samples, 0.0, seed));
    assert_eq!(right, SONGS, "{}", missed.concat());
}

#[test]
fn telephone_reverberant_overdriven_and_quiet_clips_are_found() {
    let (right, missed) = found(|samples, _| phone(samples));
    assert_eq!(right, SONGS, "telephone: {}", missed.concat());
    let (right, missed) = found(|samples, seed| reverb(samples, 0.8, 0.5, seed));
    assert_eq!(right, SONGS, "room: {}", missed.concat());
    let (right, missed) = found(|samples, _| clip(samples, 18.0));
    assert_eq!(right, SONGS, "overdriven: {}", missed.concat());
    let (right, missed) = found(|samples, _| gain(samples, -45.0));
    assert_eq!(right, SONGS, "quiet: {}", missed.concat());
}

#[test]
fn speed_changes_up_to_two_per_cent_are_found_and_measured() {
    for factor in [0.98, 0.99, 1.01, 1.02] {
        [4usize, 5, 19, 29].par_iter().for_each(|&song| {
            let samples = speed(&crop(&song_catalog().songs[song], 4.0, 10.0), factor);
            let matches = find(&samples);
            assert_eq!(matches.found.len(), 1, "song {song} at {factor}:{}", format_matches(&matches));
            let row = &matches.found[0];
            let cents = 1200.0 * f64::log2(factor);
            let right = row.track == TrackNumber(song as u32)
                && (row.speed - factor).abs() < 0.001
                && (row.pitch_cents - cents).abs() < 2.0
                && (row.reference_start - 4.0 - factor * row.query_start).abs() < 0.05
                && row.query_start < 0.1
                && (row.query_end - 10.0 / factor).abs() < 0.1;
            assert!(right, "song {song} at {factor}: {} {}", format_match(row), row.pitch_cents);
        });
    }
}

#[test]
fn clips_at_two_thirds_to_one_and_a_half_times_the_speed_are_found_and_measured() {
    for factor in [1.0 / 1.5, 0.75, 0.85, 1.2, 1.35, 1.5] {
        [4usize, 5, 19, 29].par_iter().for_each(|&song| {
            let samples = speed(&crop(&song_catalog().songs[song], 4.0, 10.0 * factor), factor);
            let matches = find(&samples);
            assert_eq!(matches.found.len(), 1, "song {song} at {factor}:{}", format_matches(&matches));
            let row = &matches.found[0];
            let right = row.track == TrackNumber(song as u32)
                && (row.speed - factor).abs() < 0.002
                && (row.pitch_cents - 1200.0 * f64::log2(factor)).abs() < 10.0
                && (row.reference_start - 4.0 - factor * row.query_start).abs() < 0.1;
            assert!(right, "song {song} at {factor}: {} {}", format_match(row), row.pitch_cents);
        });
    }
}

#[test]
fn a_whole_song_at_another_speed_is_one_match() {
    for (song, factor) in [(0, 0.98), (16, 1.02)] {
        let matches = find(&speed(&song_catalog().songs[song], factor));
        assert_eq!(matches.found.len(), 1, "{}", format_matches(&matches));
        let row = &matches.found[0];
        assert!((row.speed - factor).abs() < 0.0005, "{}", format_match(row));
        assert!(row.query_start < 0.1 && row.reference_start < 0.1, "{}", format_match(row));
        assert!((row.query_end - length(song) / factor).abs() < 0.1, "{}", format_match(row));
    }
}

#[test]
fn the_false_positive_probability_grows_with_the_noise() {
    let p = |snr: f64| {
        let noisy = add_noise(&crop(&song_catalog().songs[7], 4.0, 6.0), Noise::Pink, snr, 1);
        find(&noisy).found.first().map_or(1.0, |row| row.false_positive_probability)
    };
    let found = [30.0, 12.0, 0.0, -6.0, -30.0].map(p);
    assert!(found.is_sorted(), "{found:?}");
    assert_eq!(found[4], 1.0);
}
