//! Ends of airings in worn sound.

use refrain_testkit::effects::add_babble;

use super::{finals, follow, table};
use crate::songs::{airings, clip};

/// Starts and ends of three clips under speech that is so much (dB) weaker than the music are off by less (seconds).
fn under_speech(snr_db: f64, close: f64) {
    for first in [3, 11, 26] {
        let (mix, songs) = airings(&[0, 1, 2].map(|i| (first + i, clip(first + i, 2.0, 17.0))));
        let events = follow(&add_babble(&mix.samples, snr_db, first as u64));
        let rows = finals(&events);
        let found: Vec<_> = rows.iter().map(|row| row.track.0 as usize).collect();
        assert_eq!(found, songs, "{}", table(&events));
        for (row, airing) in rows.iter().zip(&mix.airings) {
            let errors = [row.query_start - airing.start, row.query_end - airing.start - airing.seconds];
            assert!(errors.iter().all(|error| error.abs() < close), "{errors:?}{}", table(&events));
        }
    }
}

#[test]
fn speech_below_the_music_hides_no_end() {
    under_speech(6.0, 1.0);
}

#[test]
fn speech_above_the_music_hides_ends_a_little() {
    under_speech(-6.0, 1.5);
}
