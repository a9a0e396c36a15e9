//! Events of airings and their delay.

use refrain_core::fingerprint::{Density, Fingerprinter, TICKS_PER_SECOND};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::live::EventKind;
use refrain_testkit::compose;
use refrain_testkit::effects::{Mix, MixClip, babble, overlay, speed};

use super::{EmittedEvent, Stream, finals, follow, format_matches, of_kind};
use crate::songs::{RATE, airings, clip, length, query, song_catalog, unknown, whole};

/// Number of a song that is in no catalog.
const UNKNOWN: usize = usize::MAX;

fn after(gap: f64, clip: MixClip<'static>) -> MixClip<'static> {
    MixClip { fade: -gap, ..clip }
}

/// Checks the events of clips that are played one after the other: ends (within `tolerance` seconds), positions, and
/// the delay of the start event (below `max_delay` seconds).
fn check(clips: &[(usize, MixClip<'static>)], tolerance: f64, max_delay: f64) -> Vec<EmittedEvent> {
    let (Mix { samples, airings }, songs) = airings(clips);
    let events = follow(&samples);
    let rows = finals(&events);
    let truth: Vec<_> = airings.iter().filter(|airing| songs[airing.clip] != UNKNOWN).collect();
    let found: Vec<_> = rows.iter().map(|row| row.track.0 as usize).collect();
    assert_eq!(found, truth.iter().map(|a| songs[a.clip]).collect::<Vec<_>>(), "{}", format_matches(&events));
    for ((row, airing), (emitted, _)) in rows.iter().zip(&truth).zip(of_kind(&events, EventKind::Start)) {
        let (start, end) = (row.query_start - airing.start, row.query_end - airing.start - airing.seconds);
        let place = row.reference_start - row.query_start - (airing.song_start - airing.start);
        let late = emitted - airing.start;
        let right = start.abs() < tolerance && end.abs() < tolerance && place.abs() < 0.1 && late < max_delay;
        assert!(
            right,
            "{}: {start:.3} {end:.3} {place:.3} {late:.2}{}",
            row.track.0,
            format_matches(&events)
        );
        assert!(
            (row.speed - 1.0).abs() < 0.003 && row.pitch_cents.abs() < 5.0,
            "{}",
            format_matches(&events)
        );
    }
    events
}

#[test]
fn songs_back_to_back_are_each_reported_once_and_soon() {
    for first in (0..32).step_by(8) {
        check(&[0, 1, 2, 3, 4].map(|i| (first + i, whole(first + i))), 0.35, 4.0);
    }
}

#[test]
fn hard_cuts_are_located_within_half_a_second() {
    for group in 0..4 {
        let cut = |i: usize| {
            let song = (group * 8 + i) * 5 % 32;
            (song, clip(song, 1.3 + 0.6 * i as f64, 7.0 + 1.1 * ((i * 3 + group) % 7) as f64))
        };
        check(&[0, 1, 2, 3, 4, 5, 6, 7].map(cut), 0.5, 4.5);
    }
}

#[test]
fn silence_between_songs_belongs_to_neither() {
    let clips =
        [(8, whole(8)), (9, after(6.0, whole(9))), (10, after(0.5, whole(10))), (11, after(20.0, whole(11)))];
    check(&clips, 0.2, 4.0);
}

#[test]
fn a_song_between_unknown_ones_is_found_equally_soon() {
    let unknown_song: &'static [f32] = unknown(1, 25.0).leak();
    let unknown_song = MixClip { samples: unknown_song, from: 0.0, seconds: 25.0, fade: 0.0 };
    let clips = [
        (UNKNOWN, unknown_song),
        (8, whole(8)),
        (UNKNOWN, unknown_song),
        (9, whole(9)),
        (UNKNOWN, unknown_song),
    ];
    check(&clips, 0.3, 4.5);
}

#[test]
fn a_song_played_again_is_another_airing() {
    check(&[(10, whole(10)), (10, whole(10))], 0.2, 4.0);
    check(&[(10, clip(10, 5.0, 12.0)), (10, clip(10, 0.0, 12.0))], 0.5, 4.0);
}

#[test]
fn a_cross_fade_is_two_overlapping_airings() {
    for (one, other) in [(13, 14), (20, 21), (6, 7)] {
        let (mix, _) = airings(&[(one, whole(one)), (other, MixClip { fade: 8.0, ..whole(other) })]);
        let events = follow(&mix.samples);
        let rows = finals(&events);
        let found: Vec<_> = rows.iter().map(|row| row.track.0 as usize).collect();
        assert_eq!(found, [one, other], "{}", format_matches(&events));
        let (cut, end) = (mix.airings[1].start, length(one));
        assert!((cut - 0.2..cut + 4.0).contains(&rows[1].query_start), "{}", format_matches(&events));
        assert!((cut + 4.0..end + 0.3).contains(&rows[0].query_end), "{}", format_matches(&events));
    }
}

#[test]
fn a_drop_out_does_not_end_an_airing() {
    for (song, seconds) in [(15, 3.0), (16, 5.0), (17, 8.0)] {
        let mut samples = song_catalog().songs[song].clone();
        let from = (9.0 * RATE) as usize;
        samples[from..from + (seconds * RATE) as usize].fill(0.0);
        let events = follow(&samples);
        let rows = finals(&events);
        assert_eq!(rows.len(), 1, "{}", format_matches(&events));
        let (start, end) = (rows[0].query_start, rows[0].query_end - length(song));
        assert!(start.abs() < 0.2 && end.abs() < 0.3, "{}", format_matches(&events));
    }
}

#[test]
fn speech_over_music_does_not_end_an_airing() {
    for song in [15, 18, 22] {
        // Speech 6 dB above the music.
        let music = &song_catalog().songs[song];
        let events = follow(&overlay(music, &babble((9.0 * RATE) as usize, 5), 8.0, 6.0));
        let rows = finals(&events);
        assert_eq!(rows.len(), 1, "{}", format_matches(&events));
        let (start, end) = (rows[0].query_start, rows[0].query_end - length(song));
        assert!(start.abs() < 0.2 && end.abs() < 0.3, "{}", format_matches(&events));
    }
}

#[test]
fn a_changed_speed_is_tracked() {
    for factor in [0.97, 1.03, 1.0005] {
        let songs = [19, 23].map(|song| song_catalog().songs[song].as_slice()).concat();
        let events = follow(&speed(&songs, factor));
        let rows = finals(&events);
        let found: Vec<_> = rows.iter().map(|row| row.track.0).collect();
        assert_eq!(found, [19, 23], "{}", format_matches(&events));
        let cut = length(19) / factor;
        assert!(rows.iter().all(|row| (row.speed - factor).abs() < 0.001), "{}", format_matches(&events));
        let edges = [rows[0].query_start, rows[0].query_end - cut, rows[1].query_start - cut];
        assert!(edges.iter().all(|edge| edge.abs() < 0.5), "{}", format_matches(&events));
    }
}

#[test]
fn a_song_that_repeats_itself_is_one_airing() {
    // The same 9 s twice, then other audio: which of the two is playing can be decided only at its end.
    let song = |number: usize, from: f64, seconds: f64| {
        let at = |time: f64| (time * RATE) as usize;
        &song_catalog().songs[number][at(from)..at(from + seconds)]
    };
    let track = [song(24, 3.0, 9.0), song(24, 3.0, 9.0), song(29, 4.0, 10.0)].concat();
    let reference = Fingerprinter::fingerprint(Density::Reference, &track);
    let mut tracks = song_catalog().tracks[..20].to_vec();
    tracks.push((TrackNumber(100), reference));
    let snapshot = Snapshot::from_tracks(&tracks).unwrap();
    for from in [0.0, 9.0] {
        let mut stream = Stream::default();
        stream.push(&snapshot, &track[(from * RATE) as usize..]).unwrap();
        let events = stream.finish(&snapshot);
        let rows = finals(&events);
        assert_eq!(rows.len(), 1, "{}", format_matches(&events));
        let end = track.len() as f64 / RATE - from;
        assert!(
            (rows[0].reference_start - from).abs() < 0.2 && rows[0].query_start < 0.2,
            "{}",
            format_matches(&events)
        );
        assert!((rows[0].query_end - end).abs() < 0.3, "{}", format_matches(&events));
    }
}

#[test]
fn a_long_song_is_tracked_despite_clock_drift() {
    let song = compose(77, 200.0).samples;
    let reference = Fingerprinter::fingerprint(Density::Reference, &song);
    let mut tracks = song_catalog().tracks[..12].to_vec();
    tracks.push((TrackNumber(100), reference));
    let snapshot = Snapshot::from_tracks(&tracks).unwrap();
    // One part in two thousand too fast, and too slow from the middle on: 1.7 ticks per 20 s, 8.6 in each half.
    let mut detected = query(&song);
    let middle = 100.0 * TICKS_PER_SECOND;
    for peak in &mut detected.peaks {
        let time = f64::from(peak.time);
        peak.time =
            (if time < middle { time / 1.0005 } else { middle / 1.0005 + (time - middle) / 0.9995 }) as u32;
    }
    let events = Stream::default().peaks_in(&snapshot, &detected, &[]);
    let events: Vec<EmittedEvent> = events.into_iter().map(|event| (0.0, event)).collect();
    let rows = finals(&events);
    assert_eq!(rows.len(), 1, "{}", format_matches(&events));
    assert!(
        rows[0].query_start < 0.2 && (rows[0].query_end - 200.0).abs() < 0.3,
        "{}",
        format_matches(&events)
    );
    assert!((rows[0].speed - 1.0).abs() < 1e-4, "{}", format_matches(&events));
}
