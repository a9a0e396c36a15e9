//! How a stream is cut changes nothing.

use std::sync::OnceLock;

use proptest::prelude::*;
use refrain_core::fingerprint::Constellation;
use refrain_core::matching::live::{LiveEvent, LiveEventKind};
use refrain_testkit::effects::{Clip, add_babble, overlay};

use super::{Stream, finals};
use crate::songs::{airings, clip, library, query, unknown, whole};

/// Cuts, a silence, a song that nobody knows, two at once, speech, a replay: everything that a decision is made about.
fn stream() -> &'static Constellation {
    static STREAM: OnceLock<Constellation> = OnceLock::new();
    STREAM.get_or_init(|| {
        let stranger: &'static [f32] = unknown(2, 9.0).leak();
        let stranger = Clip { samples: stranger, from: 0.0, seconds: 9.0, fade: 0.0 };
        let clips = [
            (0, clip(0, 4.0, 9.0)),
            (1, clip(1, 2.0, 7.0)),
            (2, Clip { fade: -4.3, ..clip(2, 0.0, 14.0) }),
            (usize::MAX, stranger),
            (3, whole(3)),
            (3, whole(3)),
            (4, Clip { fade: 5.0, ..clip(4, 0.0, 15.0) }),
        ];
        let samples = airings(&clips).0.samples;
        let samples = overlay(&samples, &library().songs[5][..441_000], 65.0, -2.0);
        query(&add_babble(&samples, 9.0, 1))
    })
}

fn whole_stream() -> &'static [LiveEvent] {
    static EVENTS: OnceLock<Vec<LiveEvent>> = OnceLock::new();
    EVENTS.get_or_init(|| Stream::default().peaks(stream(), &[]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shifting_the_segments_changes_no_event(
        first in 0u32..2000,
        lengths in prop::collection::vec(prop_oneof![0u32..5, 1u32..200, 100u32..3000], 1..60),
    ) {
        let cuts: Vec<u32> = lengths
            .iter()
            .scan(first, |at, length| {
                *at += length;
                Some(*at)
            })
            .collect();
        let events = Stream::default().peaks(stream(), &cuts);
        prop_assert_eq!(events, whole_stream());
    }
}

#[test]
fn the_stream_of_that_test_holds_all_kinds_of_events() {
    let events: Vec<_> = whole_stream().iter().map(|event| (0.0, event.clone())).collect();
    let songs: Vec<u32> = finals(&events).iter().map(|row| row.track.0).collect();
    assert_eq!(songs, [0, 1, 2, 3, 5, 3, 4], "{}", super::table(&events));
    assert!(events.iter().filter(|(_, event)| event.kind == LiveEventKind::Update).count() >= 8);
}
