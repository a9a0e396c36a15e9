//! Ends of airings in degraded audio.

use refrain_testkit::effects::{MixClip, add_babble};

use super::{finals, follow, format_matches};
use crate::songs::{airings, clip};

/// Returns the absolute errors in seconds of the starts and ends of songs, in ascending order. The songs have pauses
/// between them, and speech that is `snr_db` dB weaker is added.
fn under_speech(snr_db: f64) -> Vec<f64> {
    let mut errors = Vec::new();
    for first in [3, 11, 26] {
        let songs = [0, 1, 2].map(|i| (first + i, MixClip { fade: -2.0, ..clip(first + i, 0.0, 17.0) }));
        let (mix, songs) = airings(&songs);
        let events = follow(&add_babble(&mix.samples, snr_db, first as u64));
        let rows = finals(&events);
        let found: Vec<_> = rows.iter().map(|row| row.track.0 as usize).collect();
        assert_eq!(found, songs, "{}", format_matches(&events));
        for (row, airing) in rows.iter().zip(&mix.airings) {
            let ends = [row.query_start - airing.start, row.query_end - airing.start - airing.seconds];
            errors.extend(ends.map(f64::abs));
        }
    }
    errors.sort_by(f64::total_cmp);
    errors
}

#[test]
fn speech_below_the_music_hides_few_ends() {
    let errors = under_speech(6.0);
    assert!(errors[15] < 0.5 && errors[17] < 1.5, "{errors:?}");
}

#[test]
fn speech_above_the_music_hides_some_ends() {
    // Speech masks quiet beginnings and ends.
    let errors = under_speech(-6.0);
    assert!(errors[8] < 0.3 && errors[14] < 1.5, "{errors:?}");
}
