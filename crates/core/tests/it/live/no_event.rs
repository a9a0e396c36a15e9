//! Streams without known songs, and catalogs that change.

use rayon::prelude::*;
use refrain_core::index::Snapshot;
use refrain_core::matching::live::EventKind;
use refrain_testkit::effects::{Noise, babble, noise};

use super::{Stream, finals, follow, format_matches, of_kind};
use crate::songs::{RATE, song_catalog, unknown};

#[test]
fn unknown_music_speech_and_noise_give_no_event() {
    (0..12u64).into_par_iter().for_each(|number| {
        let samples = match number % 4 {
            0 => babble((60.0 * RATE) as usize, number),
            1 => noise(Noise::Pink, (40.0 * RATE) as usize, number),
            _ => unknown(20 + number, 60.0),
        };
        let events = follow(&samples);
        assert!(events.is_empty(), "{number}: {}", format_matches(&events));
    });
}

#[test]
fn silence_gives_no_event_and_a_silent_state() {
    let mut stream = Stream::default();
    stream.push(&song_catalog().snapshot, &vec![0.0; 30 * 44_100]).unwrap();
    let state = stream.matcher.state();
    assert!(state.silent && state.unknown_since.is_none() && state.airings.is_empty());
    assert!((28.5..30.0).contains(&state.decided_until), "{}", state.decided_until);
    assert!(stream.finish(&song_catalog().snapshot).is_empty());
    assert!(follow(&[]).is_empty());
}

#[test]
fn the_state_shows_unknown_audio_and_open_airings() {
    let mut stream = Stream::default();
    stream.push(&song_catalog().snapshot, &unknown(40, 10.0)).unwrap();
    let state = stream.matcher.state();
    assert!(!state.silent && state.unknown_since.is_some_and(|since| since < 1.0), "{state:?}");
    stream.push(&song_catalog().snapshot, &song_catalog().songs[6][..8 * 44_100]).unwrap();
    let state = stream.matcher.state();
    assert_eq!(state.airings.len(), 1, "{state:?}");
    let airing = &state.airings[0];
    assert!(airing.detected.track.0 == 6 && state.unknown_since.is_none() && state.last_airing == airing.id);
    assert!((airing.detected.query_start - 10.0).abs() < 0.3, "{state:?}");
    assert!((airing.reference_end - airing.detected.query_end + 10.0).abs() < 0.1, "{state:?}");
}

#[test]
fn the_airing_of_a_removed_track_ends_and_an_added_track_is_found() {
    let tracks = &song_catalog().tracks;
    let without = |removed: usize| {
        let rest: Vec<_> = tracks.iter().filter(|(n, _)| n.0 as usize != removed).cloned().collect();
        Snapshot::from_tracks(&rest).unwrap()
    };
    let (no_seven, no_six) = (without(7), without(6));
    let mut stream = Stream::default();
    stream.push(&no_seven, &song_catalog().songs[6][..9 * 44_100]).unwrap();
    assert_eq!(stream.matcher.state().airings.len(), 1);
    stream.push(&no_six, &song_catalog().songs[6][9 * 44_100..16 * 44_100]).unwrap();
    assert!(stream.matcher.state().airings.is_empty());
    stream.push(&no_six, &song_catalog().songs[7]).unwrap();
    let events = stream.finish(&no_six);
    let songs: Vec<u32> = finals(&events).iter().map(|row| row.track.0).collect();
    assert_eq!(songs, [6, 7], "{}", format_matches(&events));
    let ended = of_kind(&events, EventKind::Final).next().unwrap();
    assert!((9.0..10.5).contains(&ended.0) && (7.0..9.1).contains(&ended.1.airing.detected.query_end));
}
