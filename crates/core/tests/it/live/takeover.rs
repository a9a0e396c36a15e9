//! A stream that another matcher takes over.

use refrain_core::index::Snapshot;
use refrain_core::matching::live::{Airing, EventKind, LiveMatcher, LiveSettings};
use refrain_testkit::effects::add_babble;

use super::{EmittedEvent, Stream, finals, format_matches};
use crate::songs::{RATE, airings, length, song_catalog, whole};

/// Matches the first `seconds` of a stream. Returns its events, its open airings and the number of the last airing.
fn first_part(samples: &[f32], seconds: f64) -> (Vec<EmittedEvent>, Vec<Airing>, u64) {
    let mut stream = Stream::default();
    stream.push(&song_catalog().snapshot, &samples[..(seconds * RATE) as usize]).unwrap();
    let state = stream.matcher.state();
    (stream.emitted, state.airings, state.last_airing)
}

/// Returns the events of another matcher that continues at `from` seconds and assumes that it started `off` seconds
/// later.
fn second_part(
    samples: &[f32],
    from: f64,
    off: f64,
    known: (&[Airing], u64),
    snapshot: &Snapshot,
) -> Vec<EmittedEvent> {
    let mut moved = known.0.to_vec();
    moved.iter_mut().for_each(|airing| airing.detected.shift_query(-from - off));
    let matcher = LiveMatcher::resume(LiveSettings::default(), &moved, known.1, snapshot).unwrap();
    let mut stream = Stream::of(matcher);
    stream.push(snapshot, &samples[(from * RATE) as usize..]).unwrap();
    stream.finish(snapshot)
}

#[test]
fn an_airing_continues_in_another_matcher() {
    let (mix, _) = airings(&[(1, whole(1)), (2, whole(2))]);
    // A gap of 3 s, clocks that differ by up to a second, speech.
    for (off, samples, exact) in [
        (0.0, mix.samples.clone(), 0.3),
        (0.9, mix.samples.clone(), 0.3),
        (-0.8, add_babble(&mix.samples, 3.0, 1), 1.0),
    ] {
        let (mut events, open, last) = first_part(&samples, 12.0);
        let rest = second_part(&samples, 15.0, off, (&open, last), &song_catalog().snapshot);
        let first = &rest.first().unwrap().1;
        assert_eq!((first.airing.id, first.kind), (1, EventKind::Final), "{}", format_matches(&rest));
        events.extend(rest.into_iter().map(|(pushed, mut event)| {
            event.airing.detected.shift_query(15.0);
            (pushed, event)
        }));
        let rows = finals(&events);
        assert_eq!(
            rows.iter().map(|row| row.track.0).collect::<Vec<_>>(),
            [1, 2],
            "{}",
            format_matches(&events)
        );
        assert!((rows[0].query_start + off).abs() < exact, "{}", format_matches(&events));
        assert!((rows[0].query_end - length(1)).abs() < 1.0, "{}", format_matches(&events));
        assert!(rows[0].expected_peaks > 400 && rows[0].matched_peaks > 200, "{}", format_matches(&events));
    }
}

#[test]
fn an_airing_continues_after_all_audio_before_it_is_processed_again() {
    let (mix, _) = airings(&[(1, whole(1)), (2, whole(2))]);
    let start = length(1);
    let mut one_matcher = Stream::default();
    one_matcher.push(&song_catalog().snapshot, &mix.samples).unwrap();
    let events = one_matcher.finish(&song_catalog().snapshot);
    let uninterrupted = finals(&events);
    // A playlist is read again from its start, or from within the airing.
    for (open_seconds, from) in
        [(4.0, 0.0), (9.0, 0.0), (16.0, 0.0), (16.0, start - 6.0), (16.0, start + 0.5), (16.0, start + 8.0)]
    {
        let (_, open, last) = first_part(&mix.samples, start + open_seconds);
        assert_eq!(open.last().unwrap().detected.track.0, 2, "{open:#?}");
        let open = &open[open.len() - 1..];
        let rest = second_part(&mix.samples, from, 0.0, (open, last), &song_catalog().snapshot);
        let of_second: Vec<_> = rest.iter().filter(|(_, event)| event.airing.detected.track.0 == 2).collect();
        let [(_, last)] = of_second[..] else { panic!("{}", format_matches(&rest)) };
        assert_eq!((last.kind, last.airing.id), (EventKind::Final, open[0].id), "{}", format_matches(&rest));
        let detected = &last.airing.detected;
        assert!((detected.query_start + from - start).abs() < 0.5, "{}", format_matches(&rest));
        assert!((detected.query_end + from - start - length(2)).abs() < 1.0, "{}", format_matches(&rest));
        // No sound is in two segments or counted twice.
        let segments = detected.segments.iter().map(|segment| segment.query_end - segment.query_start);
        let length = detected.query_end - detected.query_start;
        assert!((segments.sum::<f64>() - length).abs() < 1.5, "{:?}", detected.segments);
        let uninterrupted = uninterrupted.iter().find(|row| row.track.0 == 2).unwrap();
        let counts = (detected.expected_peaks, uninterrupted.expected_peaks);
        assert!(counts.0.abs_diff(counts.1) < counts.1 / 8, "{counts:?} from {from}");
        let of_first: Vec<_> = rest
            .iter()
            .filter(|(_, event)| event.airing.detected.track.0 == 1)
            .map(|(_, event)| event.kind)
            .collect();
        let expected: &[_] = if from < start { &[EventKind::Start, EventKind::Final] } else { &[] };
        assert_eq!(of_first, expected, "{}", format_matches(&rest));
    }
}

#[test]
fn an_airing_that_is_not_found_again_ends() {
    let (mix, _) = airings(&[(1, whole(1)), (2, whole(2))]);
    let (_, open, last) = first_part(&mix.samples, 12.0);
    // In the meantime the next song began, the track was removed, or no more audio follows.
    let removed = Snapshot::from_tracks(&song_catalog().tracks[2..]).unwrap();
    for (from, snapshot) in
        [(40.0, &song_catalog().snapshot), (15.0, &removed), (mix.samples.len() as f64 / RATE, &removed)]
    {
        let rest = second_part(&mix.samples, from, 0.0, (&open, last), snapshot);
        let ends: Vec<_> = rest.iter().filter(|(_, event)| event.airing.id == 1).collect();
        assert_eq!(ends.len(), 1, "{}", format_matches(&rest));
        assert_eq!(ends[0].1.kind, EventKind::Final);
        assert!(
            (ends[0].1.airing.detected.query_end - (open[0].detected.query_end - from)).abs() < 1e-6,
            "{}",
            format_matches(&rest)
        );
        assert!(
            rest.iter().all(|(_, event)| event.airing.id == 1 || event.airing.detected.track.0 == 2),
            "{}",
            format_matches(&rest)
        );
    }
}

#[test]
fn a_replay_does_not_continue_an_airing() {
    let song = &song_catalog().songs[1];
    let (_, open, last) = first_part(song, 22.0);
    // The song begins again at the take-over, far from the position at which it should continue.
    let rest = second_part(song, 0.0, 22.0, (&open, last), &song_catalog().snapshot);
    let kinds: Vec<_> = rest.iter().map(|(_, event)| (event.kind, event.airing.id)).collect();
    let expected = [(EventKind::Final, 1), (EventKind::Start, 2), (EventKind::Final, 2)];
    assert_eq!(kinds, expected, "{}", format_matches(&rest));
}
