//! A property of the whole source: for any behavior of the server, each segment is delivered at most once and in order,
//! and segments and gaps together have the duration of the stream.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use refrain_testkit::origin::{Fault, Times};

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Publish(u64),
    Playlist(Fault, usize),
    /// The next published segment fails.
    HlsSegment(Fault, Times),
    Behind(u64),
}

fn events() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let fault = prop_oneof![
        Just(Fault::Status(404)),
        Just(Fault::Status(503)),
        Just(Fault::Reset),
        Just(Fault::Truncated(9)),
        Just(Fault::Empty),
        Just(Fault::Html),
        Just(Fault::Late(Duration::from_millis(30))),
        Just(Fault::Trickle(Duration::from_millis(1))),
    ];
    let times = prop_oneof![(1..3_usize).prop_map(Times::First), Just(Times::Always)];
    let event = prop_oneof![
        6 => (1..5_u64).prop_map(Event::Publish),
        2 => (fault.clone(), 1..4_usize).prop_map(|(fault, times)| Event::Playlist(fault, times)),
        2 => (fault, times).prop_map(|(fault, times)| Event::HlsSegment(fault, times)),
        1 => (0..3_u64).prop_map(Event::Behind),
    ];
    prop::collection::vec((event, 0..25_u64), 1..25)
}

/// Plays the events, each with a pause in milliseconds after it. Returns the deliveries, the number of published
/// segments and the last status.
async fn play(events: Vec<(Event, u64)>) -> (Vec<Delivery>, u64, SourceStatus) {
    let origin = origin().await;
    let live = stream(5, LiveOptions { window: 6, ..LiveOptions::default() });
    let settings = HlsSettings { segment_timeout: Duration::from_millis(60), ..fast_settings() };
    let mut source = HlsSource::open(&origin.live("/a", &live), &client(), settings).unwrap();
    expect(&mut source, 2, 3).await;
    let script = async {
        for (event, pause) in events {
            match event {
                Event::Publish(count) => live.publish(count),
                Event::Playlist(fault, times) => origin.fault("/a/index.m3u8", fault, Times::First(times)),
                Event::HlsSegment(fault, times) => {
                    origin.fault(&format!("/a/seg{}.ts", live.published()), fault, times);
                }
                Event::Behind(behind) => live.change(|options| options.behind = behind),
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        live.change(|options| options.behind = 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        live.change(|options| options.end = true);
    };
    let (all, ()) = tokio::join!(rest(&mut source), script);
    let status = status(&source);
    (all, live.published(), status)
}

fn check(all: &[Delivery], published: u64, status: &SourceStatus) -> Result<(), TestCaseError> {
    let mut seconds = 0.0;
    let mut last = 4;
    for delivery in all {
        match delivery {
            Delivery::HlsSegment(segment) => {
                prop_assert!(segment.sequence > last, "{} after {}", segment.sequence, last);
                prop_assert_eq!(&segment.bytes, &content(segment.sequence));
                let date = 1_700_000_000.0 + 2.0 * segment.sequence as f64;
                prop_assert_eq!(segment.program_date_time, Some(date));
                last = segment.sequence;
                // The date of the segment is the end of everything before it.
                prop_assert!((date - 1_700_000_010.0 - seconds).abs() < 1e-3);
                seconds += segment.seconds;
            }
            Delivery::Gap(gap) => seconds += gap.seconds,
            other => prop_assert!(false, "{:?}", other),
        }
    }
    prop_assert!(
        (seconds - 2.0 * (published - 5) as f64).abs() < 1e-3,
        "{} s of {} segments",
        seconds,
        published - 5
    );
    prop_assert_eq!(status.resets, 0);
    prop_assert!((status.seconds + status.gaps.total().seconds - seconds - 6.0).abs() < 1e-3);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_segment_is_delivered_once_or_is_a_gap(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (all, published, status) = runtime.block_on(play(events));
        check(&all, published, &status)?;
    }
}
