//! Tests of the processing of one stream, without a network.

use refrain_catalog::Detection;
use refrain_core::matching::live::{LiveBuffers, LiveSettings};
use refrain_monitor::{EventKind, StreamWorker};
use refrain_stream::{ClockSource, DecoderSettings, Delivery, Gap, GapReason, HlsSegment};
use refrain_testkit::RATE;
use refrain_testkit::origin::Clip;

use crate::songs::{BROADCAST, SECONDS, SILENCE, library, segments};

/// Time of day of the stream's start, seconds since 1970.
const EPOCH: f64 = 1_700_000_000.0;

fn delivery(sequence: usize, clip: &Clip, time: f64) -> Delivery {
    Delivery::HlsSegment(HlsSegment {
        bytes: clip.bytes.clone(),
        init: None,
        sequence: sequence as u64,
        seconds: clip.seconds,
        rendition: 0,
        discontinuity: false,
        program_date_time: Some(EPOCH + time),
        first_listed: EPOCH + time + clip.seconds + 7.0,
        backlog: Some(0.0),
        ad: false,
        part: false,
    })
}

fn run(deliveries: impl IntoIterator<Item = Delivery>) -> (Vec<Detection>, StreamWorker) {
    let mut worker = StreamWorker::new("x".into(), DecoderSettings::default(), LiveSettings::default());
    let (mut buffers, mut events) = (LiveBuffers::default(), Vec::new());
    let snapshot = &library().snapshot;
    for delivery in deliveries {
        worker.process(delivery, snapshot, &mut buffers, &mut events).unwrap();
    }
    worker.finish(snapshot, &mut buffers, &mut events).unwrap();
    assert!(worker.airings().is_empty());
    (events, worker)
}

fn in_order(clips: &[Clip]) -> Vec<Delivery> {
    let mut time = 0.0;
    let next = |(k, clip): (usize, &Clip)| {
        let delivery = delivery(k, clip, time);
        time += clip.seconds;
        delivery
    };
    clips.iter().enumerate().map(next).collect()
}

/// Returns the track, the start and the end of each final event, after checking the events of each airing.
fn finals(events: &[Detection]) -> Vec<(u32, f64, f64)> {
    let of = |kind| events.iter().filter(move |event| event.kind == kind);
    for last in of(EventKind::Final) {
        let chain: Vec<_> = events.iter().filter(|event| event.id == last.id).collect();
        assert_eq!((chain.len(), chain[0].kind), (2, EventKind::Start));
        assert!(chain.iter().all(|event| event.detected.track == last.detected.track));
        assert!((last.epoch() - EPOCH - last.detected.query_start).abs() < 0.1, "{last:?}");
        assert_eq!(
            (last.clock, last.clock_offset.unwrap().round()),
            (Some(ClockSource::ProgramDateTime), 7.0)
        );
    }
    let mut all: Vec<_> = of(EventKind::Final)
        .map(|event| (event.detected.track.0, event.detected.query_start, event.detected.query_end))
        .collect();
    assert_eq!(of(EventKind::Start).count(), all.len());
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all
}

#[track_caller]
fn check(finals: &[(u32, f64, f64)], wanted: &[(u32, f64)]) {
    assert_eq!(finals.len(), wanted.len(), "{finals:?}");
    for ((track, from, to), (song, start)) in finals.iter().zip(wanted) {
        assert_eq!(track, song);
        assert!((from - start).abs() < 0.5 && (to - start - SECONDS).abs() < 0.5, "{finals:?}");
    }
}

#[test]
fn segment_boundaries_do_not_change_events() {
    let wanted = [(1, SILENCE), (2, 2.0 * SILENCE + SECONDS)];
    let mut all = Vec::new();
    for clips in [library().clips.to_vec(), segments(&library().samples, 5.0)] {
        let (events, worker) = run(in_order(&clips));
        let found = finals(&events);
        check(&found, &wanted);
        assert!((worker.position() - BROADCAST).abs() < 0.5);
        assert!(worker.times().decode.as_nanos() > 0 && worker.times().matching.as_nanos() > 0);
        let starts = events.iter().filter(|event| event.kind == EventKind::Start);
        all.push((found, starts.map(|event| event.known_at).collect::<Vec<_>>()));
    }
    assert_eq!(all[0], all[1]);
}

#[test]
fn gaps_of_any_length_keep_their_position() {
    // 300 days do not fit into 32 bits of ticks.
    for missing in [1.0, 30.0, 7_200.0, 300.0 * 86_400.0] {
        let mut deliveries = in_order(&library().clips);
        // In the silence between the songs.
        let at = ((1.5 * SILENCE + SECONDS) / 2.0) as usize;
        let mut later = deliveries.split_off(at);
        // A single gap is limited to a day; several gaps add up.
        let gaps = f64::ceil(missing / 86_400.0);
        let gap = Gap { seconds: missing / gaps, reason: GapReason::Missed, program_date_time: None };
        deliveries.extend((0..gaps as usize).map(|_| Delivery::Gap(gap.clone())));
        for delivery in &mut later {
            if let Delivery::HlsSegment(segment) = delivery {
                segment.program_date_time = segment.program_date_time.map(|time| time + missing);
                segment.first_listed += missing;
            }
        }
        // The time stamps restart after the gap, so that they cannot contradict its length.
        if let Some(Delivery::HlsSegment(segment)) = later.first_mut() {
            segment.discontinuity = true;
        }
        let (events, worker) = run(deliveries.into_iter().chain(later));
        check(&finals(&events), &[(1, SILENCE), (2, 2.0 * SILENCE + SECONDS + missing)]);
        assert!((worker.report().gaps.of(GapReason::Missed).seconds - missing).abs() < 0.1);
    }
}

/// Processes the first `count` segments, leaves the stream, and returns the events until then.
fn events_until_leave(clips: &[Clip], count: usize) -> Vec<Detection> {
    let mut worker = StreamWorker::new("x".into(), DecoderSettings::default(), LiveSettings::default());
    let (mut buffers, mut events) = (LiveBuffers::default(), Vec::new());
    for delivery in in_order(clips).into_iter().take(count) {
        worker.process(delivery, &library().snapshot, &mut buffers, &mut events).unwrap();
    }
    worker.leave(&library().snapshot, &mut events);
    events
}

/// Returns the events of a worker that continues with these airings after the first `after` segments.
fn events_after_resume(clips: &[Clip], airings: Vec<Detection>, after: usize) -> Vec<Detection> {
    let worker = StreamWorker::new("x".into(), DecoderSettings::default(), LiveSettings::default());
    let mut worker = worker.with_airings(airings);
    let (mut buffers, mut events) = (LiveBuffers::default(), Vec::new());
    for delivery in in_order(clips).into_iter().skip(after) {
        worker.process(delivery, &library().snapshot, &mut buffers, &mut events).unwrap();
    }
    worker.finish(&library().snapshot, &mut buffers, &mut events).unwrap();
    events
}

#[test]
fn airing_continues_with_another_worker() {
    // The first song plays for 10 s when the first worker leaves at 14 s. The other one begins at 18 s.
    let before = events_until_leave(&library().clips, 7);
    let kinds: Vec<_> = before.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Start, EventKind::Update]);
    let after = events_after_resume(&library().clips, vec![before[1].clone()], 9);
    let chain: Vec<_> = after.iter().filter(|event| event.id == before[0].id).collect();
    assert_eq!(chain.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Final], "{after:?}");
    let last = chain[0];
    assert!((last.epoch() - EPOCH - SILENCE).abs() < 0.5, "{last:?}");
    assert!((last.detected.query_end - last.detected.query_start - SECONDS).abs() < 0.5, "{last:?}");
    // The second song is an airing of its own.
    assert_eq!(after.iter().filter(|event| event.kind == EventKind::Start).count(), 1);
}

#[test]
fn lost_audio_before_a_take_over_stays_part_of_the_airing() {
    // Without its seconds 6 to 9 the first song plays from 4 s to 21 s. The first worker leaves at 16 s, and the other
    // one begins at 18 s.
    let at = |seconds: f64| (seconds * f64::from(RATE)) as usize;
    let samples = &library().samples;
    let clips = segments(&[&samples[..at(10.0)], &samples[at(13.0)..]].concat(), 2.0);
    let before = events_until_leave(&clips, 8);
    let open = before.last().unwrap();
    assert_eq!((open.kind, open.detected.segments.len()), (EventKind::Update, 2), "{open:?}");
    let after = events_after_resume(&clips, vec![open.clone()], 9);
    let of_first: Vec<_> = after.iter().filter(|event| event.detected.track == open.detected.track).collect();
    let [last] = of_first[..] else { panic!("{after:?}") };
    assert_eq!((last.kind, last.id), (EventKind::Final, open.id));
    assert!((last.epoch() - open.epoch()).abs() < 1e-6, "{last:?}");
    let length = last.detected.query_end - last.detected.query_start;
    assert!((length - (SECONDS - 3.0)).abs() < 0.5, "{last:?}");
    let jumps: Vec<f64> = last.detected.jumps().collect();
    assert!((jumps[0] - 3.0).abs() < 0.1 && jumps[1..].iter().all(|jump| jump.abs() < 0.1), "{jumps:?}");
    let (uninterrupted, _) = run(in_order(&clips));
    let uninterrupted = uninterrupted.iter().find(|event| event.is_final()).unwrap();
    let shares = [
        (last.detected.aligned_landmarks, uninterrupted.detected.aligned_landmarks),
        (last.detected.expected_peaks, uninterrupted.detected.expected_peaks),
    ];
    // Two of 17 s were not processed.
    assert!(shares.iter().all(|(some, all)| some < all && some * 4 > all * 3), "{shares:?}");
}

/// Returns the same deliveries without dates, for a worker whose clock is `later` seconds later.
fn undated(deliveries: Vec<Delivery>, later: f64) -> Vec<Delivery> {
    let undate = |delivery| match delivery {
        Delivery::HlsSegment(segment) => Delivery::HlsSegment(HlsSegment {
            program_date_time: None,
            first_listed: segment.first_listed - 7.0 + later,
            ..segment
        }),
        other => other,
    };
    deliveries.into_iter().map(undate).collect()
}

/// Hands a stream without dates over after 14 s to a worker that begins at 18 s and whose own clock is `later` seconds
/// later.
fn final_after_hand_over(later: f64, with_anchor: bool) -> Detection {
    let mut worker = StreamWorker::new("x".into(), DecoderSettings::default(), LiveSettings::default());
    let (mut buffers, mut before) = (LiveBuffers::default(), Vec::new());
    let snapshot = &library().snapshot;
    for delivery in undated(in_order(&library().clips), 0.0).into_iter().take(7) {
        worker.process(delivery, snapshot, &mut buffers, &mut before).unwrap();
    }
    worker.leave(snapshot, &mut before);
    let anchor = worker.clock_anchor().filter(|_| with_anchor);
    assert_eq!(anchor.is_some(), with_anchor);
    let next = StreamWorker::new("x".into(), DecoderSettings::default(), LiveSettings::default());
    let mut next = next.with_airings(vec![before[1].clone()]).with_clock(anchor);
    let mut after = Vec::new();
    for delivery in undated(in_order(&library().clips), later).into_iter().skip(9) {
        next.process(delivery, snapshot, &mut buffers, &mut after).unwrap();
    }
    next.finish(snapshot, &mut buffers, &mut after).unwrap();
    let of_airing = |event: &&Detection| event.id == before[0].id;
    let chain: Vec<_> = after.iter().filter(of_airing).collect();
    assert_eq!(chain.len(), 1, "{after:?}");
    assert_eq!(chain[0].kind, EventKind::Final);
    chain[0].clone()
}

#[test]
fn length_of_an_airing_does_not_depend_on_the_clocks_of_two_workers() {
    for with_anchor in [true, false] {
        for later in [-1.5, -0.5, 0.0, 0.5, 1.5] {
            let last = final_after_hand_over(later, with_anchor);
            assert!((last.epoch() - EPOCH - SILENCE).abs() < 0.5, "{later} {with_anchor}: {last:?}");
            let length = last.detected.query_end - last.detected.query_start;
            assert!((length - SECONDS).abs() < 0.3, "{later} {with_anchor}: {length}");
        }
    }
}

#[test]
fn airing_that_is_not_found_again_ends_at_its_last_reported_end() {
    let before = events_until_leave(&library().clips, 7);
    let known = before[1].clone();
    // The second worker begins in the second song, or gets no audio at all.
    for after in [16, library().clips.len()] {
        let events = events_after_resume(&library().clips, vec![known.clone()], after);
        let chain: Vec<_> = events.iter().filter(|event| event.id == known.id).collect();
        assert_eq!(chain.len(), 1, "{events:?}");
        let last = chain[0];
        assert_eq!((last.kind, last.detected.track), (EventKind::Final, known.detected.track));
        assert!((last.epoch() - known.epoch()).abs() < 1e-3, "{last:?}");
        let length = known.detected.query_end - known.detected.query_start;
        assert!((last.detected.query_end - last.detected.query_start - length).abs() < 1e-3, "{last:?}");
    }
}
