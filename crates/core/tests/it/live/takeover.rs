//! A stream that another matcher takes over.

use refrain_core::index::Snapshot;
use refrain_core::matching::Match;
use refrain_core::matching::live::{Airing, LiveEventKind, LiveMatcher, LiveSettings};
use refrain_testkit::effects::add_babble;

use super::{Stream, Told, finals, table};
use crate::songs::{RATE, airings, length, library, whole};

/// Matches the first `seconds` of a stream. Returns its events, its open airings and the number of the last airing.
fn first_part(samples: &[f32], seconds: f64) -> (Vec<Told>, Vec<Airing>, u64) {
    let mut stream = Stream::default();
    stream.push(&library().snapshot, &samples[..(seconds * RATE) as usize]).unwrap();
    let state = stream.matcher.state();
    (stream.told, state.airings, state.last_airing)
}

/// Returns the events of another matcher that continues at `from` seconds and assumes that it started `off` seconds
/// later.
fn second_part(
    samples: &[f32],
    from: f64,
    off: f64,
    known: (&[Airing], u64),
    snapshot: &Snapshot,
) -> Vec<Told> {
    let moved: Vec<Airing> = known
        .0
        .iter()
        .map(|airing| Airing {
            heard: Match {
                query_start: airing.heard.query_start - from - off,
                query_end: airing.heard.query_end - from - off,
                ..airing.heard.clone()
            },
            ..airing.clone()
        })
        .collect();
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
        let rest = second_part(&samples, 15.0, off, (&open, last), &library().snapshot);
        let first = &rest.first().unwrap().1;
        assert_eq!((first.airing, first.kind), (1, LiveEventKind::Final), "{}", table(&rest));
        events.extend(rest.into_iter().map(|(pushed, mut event)| {
            event.heard.query_start += 15.0;
            event.heard.query_end += 15.0;
            (pushed, event)
        }));
        let rows = finals(&events);
        assert_eq!(rows.iter().map(|row| row.track.0).collect::<Vec<_>>(), [1, 2], "{}", table(&events));
        assert!((rows[0].query_start + off).abs() < exact, "{}", table(&events));
        assert!((rows[0].query_end - length(1)).abs() < 1.0, "{}", table(&events));
        assert!(rows[0].expected_peaks > 400 && rows[0].matched_peaks > 200, "{}", table(&events));
    }
}

#[test]
fn an_airing_continues_after_all_audio_before_it_is_processed_again() {
    let (mix, _) = airings(&[(1, whole(1)), (2, whole(2))]);
    let start = length(1);
    let mut one_matcher = Stream::default();
    one_matcher.push(&library().snapshot, &mix.samples).unwrap();
    let events = one_matcher.finish(&library().snapshot);
    let undisturbed = finals(&events);
    // A playlist is read again from its start, or from within the airing.
    for (open_seconds, from) in
        [(4.0, 0.0), (9.0, 0.0), (16.0, 0.0), (16.0, start - 6.0), (16.0, start + 0.5), (16.0, start + 8.0)]
    {
        let (_, open, last) = first_part(&mix.samples, start + open_seconds);
        assert_eq!(open.last().unwrap().heard.track.0, 2, "{open:#?}");
        let open = &open[open.len() - 1..];
        let rest = second_part(&mix.samples, from, 0.0, (open, last), &library().snapshot);
        let of_second: Vec<_> = rest.iter().filter(|(_, event)| event.heard.track.0 == 2).collect();
        let [(_, last)] = of_second[..] else { panic!("{}", table(&rest)) };
        assert_eq!((last.kind, last.airing), (LiveEventKind::Final, open[0].id), "{}", table(&rest));
        let heard = &last.heard;
        assert!((heard.query_start + from - start).abs() < 0.5, "{}", table(&rest));
        assert!((heard.query_end + from - start - length(2)).abs() < 1.0, "{}", table(&rest));
        // No sound is in two segments or counted twice.
        let segments = heard.segments.iter().map(|segment| segment.query_end - segment.query_start);
        let length = heard.query_end - heard.query_start;
        assert!((segments.sum::<f64>() - length).abs() < 1.5, "{:?}", heard.segments);
        let undisturbed = undisturbed.iter().find(|row| row.track.0 == 2).unwrap();
        let counts = (heard.expected_peaks, undisturbed.expected_peaks);
        assert!(counts.0.abs_diff(counts.1) < counts.1 / 8, "{counts:?} from {from}");
        let of_first: Vec<_> =
            rest.iter().filter(|(_, event)| event.heard.track.0 == 1).map(|(_, event)| event.kind).collect();
        let expected: &[_] = if from < start { &[LiveEventKind::Start, LiveEventKind::Final] } else { &[] };
        assert_eq!(of_first, expected, "{}", table(&rest));
    }
}

#[test]
fn an_airing_ends_if_its_song_is_gone() {
    let (mix, _) = airings(&[(1, whole(1)), (2, whole(2))]);
    let (_, open, last) = first_part(&mix.samples, 12.0);
    // In the meantime the next song began, the track was removed, or no more audio follows.
    let removed = Snapshot::from_tracks(&library().tracks[2..]).unwrap();
    for (from, snapshot) in
        [(40.0, &library().snapshot), (15.0, &removed), (mix.samples.len() as f64 / RATE, &removed)]
    {
        let rest = second_part(&mix.samples, from, 0.0, (&open, last), snapshot);
        let ends: Vec<_> = rest.iter().filter(|(_, event)| event.airing == 1).collect();
        assert_eq!(ends.len(), 1, "{}", table(&rest));
        assert_eq!(ends[0].1.kind, LiveEventKind::Final);
        assert!(
            (ends[0].1.heard.query_end - (open[0].heard.query_end - from)).abs() < 1e-6,
            "{}",
            table(&rest)
        );
        assert!(
            rest.iter().all(|(_, event)| event.airing == 1 || event.heard.track.0 == 2),
            "{}",
            table(&rest)
        );
    }
}

#[test]
fn a_replay_does_not_continue_an_airing() {
    let song = &library().songs[1];
    let (_, open, last) = first_part(song, 22.0);
    // The song begins again at the take-over, far from the position at which it should continue.
    let rest = second_part(song, 0.0, 22.0, (&open, last), &library().snapshot);
    let kinds: Vec<_> = rest.iter().map(|(_, event)| (event.kind, event.airing)).collect();
    let expected = [(LiveEventKind::Final, 1), (LiveEventKind::Start, 2), (LiveEventKind::Final, 2)];
    assert_eq!(kinds, expected, "{}", table(&rest));
}
