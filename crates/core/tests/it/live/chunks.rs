//! Results do not depend on how a stream is split into pieces.

use std::sync::OnceLock;

use proptest::prelude::*;
use refrain_core::fingerprint::{Constellation, TICKS_PER_SECOND};
use refrain_core::matching::live::{EventKind, LiveBuffers, LiveEvent};
use refrain_testkit::effects::{MixClip, add_babble, overlay};

use super::{Stream, finals, new_matcher};
use crate::songs::{airings, clip, query, song_catalog, unknown, whole};

/// Returns a stream with everything that needs a decision: cuts, silence, an unknown song, two songs at once, speech,
/// a replay.
fn stream() -> &'static Constellation {
    static STREAM: OnceLock<Constellation> = OnceLock::new();
    STREAM.get_or_init(|| {
        let unknown_song: &'static [f32] = unknown(2, 9.0).leak();
        let unknown_song = MixClip { samples: unknown_song, from: 0.0, seconds: 9.0, fade: 0.0 };
        let clips = [
            (0, clip(0, 4.0, 9.0)),
            (1, clip(1, 2.0, 7.0)),
            (2, MixClip { fade: -4.3, ..clip(2, 0.0, 14.0) }),
            (usize::MAX, unknown_song),
            (3, whole(3)),
            (3, whole(3)),
            (4, MixClip { fade: 5.0, ..clip(4, 0.0, 15.0) }),
        ];
        let samples = airings(&clips).0.samples;
        let samples = overlay(&samples, &song_catalog().songs[5][..441_000], 65.0, -2.0);
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
    fn events_do_not_depend_on_segment_boundaries(
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
fn the_test_stream_contains_all_kinds_of_events() {
    let events: Vec<_> = whole_stream().iter().map(|event| (0.0, event.clone())).collect();
    let songs: Vec<u32> = finals(&events).iter().map(|row| row.track.0).collect();
    assert_eq!(songs, [0, 1, 2, 3, 5, 3, 4], "{}", super::format_matches(&events));
    assert!(events.iter().filter(|(_, event)| event.kind == EventKind::Update).count() >= 8);
}

#[test]
fn shared_buffers_do_not_change_the_events_of_streams() {
    let other = query(&[unknown(50, 20.0), song_catalog().songs[9].clone()].concat());
    let snapshot = &song_catalog().snapshot;
    let mut buffers = LiveBuffers::default();
    let mut run = [(stream(), 0), (&other, 0)].map(|(peaks, next)| (peaks, next, new_matcher(), Vec::new()));
    let end = (stream().seconds * TICKS_PER_SECOND) as u32;
    for until in (500..end).step_by(500) {
        for (constellation, next, matcher, events) in &mut run {
            let ready = constellation.peaks.partition_point(|p| p.time < until);
            matcher.push(&constellation.peaks[*next..ready], until, snapshot, &mut buffers, events).unwrap();
            *next = ready;
        }
    }
    let [(constellation, next, matcher, mut events), (.., others)] = run;
    let rest = Constellation::new(constellation.seconds, constellation.peaks[next..].to_vec());
    matcher.finish(&rest, snapshot, &mut buffers, &mut events).unwrap();
    assert_eq!(events, whole_stream());
    assert!(others.iter().any(|event| event.kind == EventKind::Final && event.airing.detected.track.0 == 9));
}

#[test]
fn matchers_and_buffers_can_be_sent_to_other_threads() {
    fn can_be_sent<T: Send>(_: &T) {}
    can_be_sent(&new_matcher());
    can_be_sent(&LiveBuffers::default());
}
