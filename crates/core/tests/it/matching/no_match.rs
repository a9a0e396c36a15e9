//! Queries that contain no song of the catalog.

use rayon::prelude::*;
use refrain_core::fingerprint::{Constellation, Peak};
use refrain_core::index::Snapshot;
use refrain_core::matching::{MatchSettings, Matches, identify};
use refrain_testkit::effects::{Noise, babble, crop, noise};

use crate::songs::{find, find_in, format_matches, song_catalog, unknown};

#[test]
fn unknown_songs_match_nothing() {
    (0..16u64).into_par_iter().for_each(|number| {
        let matches = find(&unknown(number, 20.0));
        assert!(matches.found.is_empty(), "unknown {number}:{}", format_matches(&matches));
        assert!(!matches.rejected.is_empty() && matches.rejected.len() <= 5);
        assert!(
            matches
                .rejected
                .iter()
                .all(|r| r.best.false_positive_probability > MatchSettings::default().false_positive_rate)
        );
    });
}

#[test]
fn noise_and_speech_match_nothing() {
    (0..4u64).into_par_iter().for_each(|seed| {
        let ten = 10 * 44_100;
        for samples in [noise(Noise::White, ten, seed), noise(Noise::Pink, ten, seed), babble(ten, seed)] {
            let matches = find(&samples);
            assert!(
                matches.found.is_empty() && matches.query_peaks > 0,
                "{seed}:{}",
                format_matches(&matches)
            );
        }
    });
}

#[test]
fn silence_direct_current_and_empty_queries_match_nothing() {
    for samples in [vec![], vec![0.0; 100], vec![0.0; 441_000], vec![0.7; 441_000], vec![0.0; 2_000_000]] {
        let matches = find(&samples);
        assert!(matches.found.is_empty());
        assert!(matches.query_peaks < 300, "{}", matches.query_peaks);
    }
    assert_eq!(find(&[]), Matches::default());
}

#[test]
fn very_short_clips_match_no_other_song() {
    for seconds in [0.01, 0.1, 0.2, 0.4] {
        let matches = find(&crop(&song_catalog().songs[1], 7.0, seconds));
        assert!(matches.found.iter().all(|row| row.track.0 == 1), "{}", format_matches(&matches));
    }
}

#[test]
fn an_empty_catalog_finds_nothing() {
    let song = &song_catalog().songs[0];
    for empty in [Snapshot::default(), Snapshot::from_tracks(&[]).unwrap()] {
        assert_eq!(empty.tracks(), 0);
        let matches = find_in(&empty, song);
        assert!(matches.found.is_empty() && matches.rejected.is_empty() && matches.query_peaks > 0);
    }
}

#[test]
fn inconsistent_constellations_cause_no_error() {
    let peak = |time, frequency, rank| Peak { time, frequency, rank };
    let odd = [
        Constellation::new(0.0, (0..500).map(|i| peak(i * 9, 700, 0)).collect()),
        Constellation::new(1e9, (0..500).map(|i| peak(i * 9, 4095, 0)).collect()),
        Constellation::new(12.0, vec![peak(5, 0, 255); 2000]),
        Constellation::new(12.0, vec![peak(u32::MAX, u16::MAX, 0); 50]),
    ];
    for query in odd.iter().filter(|query| query.seconds < 1e6) {
        let _ = identify(&song_catalog().snapshot, query, &MatchSettings::default()).unwrap();
    }
}
