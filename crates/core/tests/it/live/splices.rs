//! Streams with lost or repeated audio, and catalogs with copies.

use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::Match;

use super::{Stream, finals, follow, format_matches};
use crate::songs::{RATE, length, song_catalog, whole};
use refrain_testkit::effects::mix;

fn part(song: usize, from: f64, to: f64) -> &'static [f32] {
    &song_catalog().songs[song][(from * RATE) as usize..(to * RATE) as usize]
}

/// Returns the only airing of a stream.
fn only(samples: &[f32]) -> Match {
    let events = follow(samples);
    let rows = finals(&events);
    assert_eq!(rows.len(), 1, "{}", format_matches(&events));
    rows[0].clone()
}

#[test]
fn lost_or_repeated_audio_continues_an_airing() {
    for (song, at, to) in
        [(1, 9.0, 9.1), (2, 9.0, 10.0), (3, 9.0, 12.0), (4, 9.0, 8.9), (5, 9.0, 7.0), (12, 9.0, 16.0)]
    {
        let row = only(&[part(song, 0.0, at), part(song, to, length(song))].concat());
        let end = at + length(song) - to;
        assert!(row.query_start.abs() < 0.3 && (row.query_end - end).abs() < 0.5, "{row:?}");
        let jumps: Vec<f64> = row.jumps().collect();
        assert!(jumps.len() == 1 && (jumps[0] - (to - at)).abs() < 0.05, "{at} to {to}: {jumps:?}");
    }
}

#[test]
fn silence_of_fifteen_seconds_in_a_song_is_part_of_its_airing() {
    let silence = vec![0.0; (15.0 * RATE) as usize];
    for to in [10.0, 13.0] {
        let row = only(&[part(8, 0.0, 10.0), &silence, part(8, to, length(8))].concat());
        assert!((row.query_end - (25.0 + length(8) - to)).abs() < 0.5, "{row:?}");
        assert_eq!(row.segments.len(), 2);
    }
}

#[test]
fn a_song_that_begins_from_its_start_again_is_a_new_airing() {
    let events = follow(&[part(10, 0.0, 14.0), part(10, 0.0, 14.0)].concat());
    assert_eq!(finals(&events).len(), 2, "{}", format_matches(&events));
}

#[test]
fn each_song_is_reported_once_in_a_catalog_of_copies() {
    let songs = [1, 6, 11, 16];
    let mut tracks = song_catalog().tracks.clone();
    for (i, song) in songs.iter().enumerate() {
        let samples = &song_catalog().songs[*song];
        let late = [vec![0.0; (3.0 * RATE) as usize], samples[100..].to_vec()].concat();
        for (j, copy) in [samples[300..].to_vec(), late].iter().enumerate() {
            let number = TrackNumber(100 + 2 * i as u32 + j as u32);
            tracks.push((number, Fingerprinter::fingerprint(Density::Reference, copy)));
        }
    }
    let snapshot = Snapshot::from_tracks(&tracks).unwrap();
    let mut stream = Stream::default();
    stream.push(&snapshot, &mix(&songs.map(whole)).samples).unwrap();
    let events = stream.finish(&snapshot);
    let found: Vec<_> = finals(&events).iter().map(|row| row.track.0 as usize).collect();
    assert_eq!(found, songs, "{}", format_matches(&events));
}
