//! Faults of servers, and their results.

use refrain_stream::GapReason;
use refrain_stream::hls::{EndReason, HlsError};
use refrain_testkit::origin::{Fault, Times};

use super::*;

/// Starts a stream of which the first five segments are published, and takes the last three of them.
pub(super) async fn start_stream(options: LiveOptions) -> (Origin, LiveStream, HlsSource) {
    let origin = origin().await;
    let live = stream(5, options);
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 2, 3).await;
    (origin, live, source)
}

#[tokio::test]
async fn temporarily_failing_segment_is_retried() {
    let ms = Duration::from_millis;
    let passing = [
        Fault::Status(404),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Reset,
        Fault::Truncated(30),
        Fault::Empty,
        Fault::Html,
        Fault::Trickle(ms(20)),
        Fault::Redirect("/a/nowhere.ts".to_owned()),
    ];
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    for (index, fault) in (5..).zip(passing) {
        origin.fault(&format!("/a/seg{index}.ts"), fault.clone(), Times::First(2));
        let retries = status(&source).retries;
        live.publish(1);
        expect(&mut source, index, 1).await;
        assert!(status(&source).retries >= retries + 2, "{fault:?}");
    }
    assert_eq!(status(&source).gaps.total().count, 0);
}

#[tokio::test]
async fn permanently_failing_segment_is_a_gap() {
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    let lost =
        [Fault::Status(404), Fault::Reset, Fault::Truncated(30), Fault::Empty, Fault::Html, Fault::Endless];
    for (index, fault) in (5..).step_by(2).zip(lost) {
        origin.fault(&format!("/a/seg{index}.ts"), fault.clone(), Times::Always);
        live.publish(2);
        let missing = gap(&mut source).await;
        assert_eq!((missing.reason, missing.seconds), (GapReason::NotFetched, 2.0), "{fault:?}");
        assert_eq!(missing.program_date_time, Some(1_700_000_000.0 + 2.0 * index as f64));
        expect(&mut source, index + 1, 1).await;
    }
}

#[tokio::test]
async fn trickling_segment_is_abandoned() {
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    origin.fault("/a/seg5.ts", Fault::Trickle(Duration::from_millis(50)), Times::Always);
    live.publish(2);
    assert_eq!(gap(&mut source).await.reason, GapReason::NotFetched);
    expect(&mut source, 6, 1).await;
}

#[tokio::test]
async fn segment_that_left_the_playlist_is_abandoned() {
    let origin = origin().await;
    let live = stream(5, LiveOptions::default());
    let settings = HlsSettings { segment_timeout: TEST_TIMEOUT * 2, ..fast_settings() };
    let url = origin.live("/a", &live);
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    expect(&mut source, 2, 3).await;
    origin.fault("/a/seg5.ts", Fault::Status(503), Times::Always);
    live.publish(1);
    until(&source, |status| status.retries > 2).await;
    live.publish(5);
    assert_eq!(gap(&mut source).await.reason, GapReason::NotFetched);
    expect(&mut source, 6, 5).await;
}

#[tokio::test]
async fn temporarily_failing_playlist_loses_no_audio() {
    let failing = [
        Fault::Status(404),
        Fault::Status(502),
        Fault::Html,
        Fault::Huge(50_000_000),
        Fault::Reset,
        Fault::Truncated(20),
        Fault::Empty,
        Fault::Endless,
        Fault::Status(304),
        Fault::Redirect("file:///etc/passwd".to_owned()),
        Fault::Trickle(Duration::from_millis(50)),
    ];
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    for (index, fault) in (5..).zip(failing) {
        origin.fault("/a/index.m3u8", fault.clone(), Times::First(2));
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    let status = status(&source);
    assert!(status.playlist_errors >= 18, "{status:?}");
    assert_eq!(status.gaps.total().count, 0);
    assert_eq!((status.resets, status.state), (0, SourceState::Live));
}

#[tokio::test]
async fn playlist_with_a_wrong_content_type_is_accepted() {
    let origin = origin().await;
    let url = origin.live("/a", &stream(3, LiveOptions::default()));
    origin.fault("/a/index.m3u8", Fault::WrongType("text/html"), Times::Always);
    expect(&mut open(&url), 0, 3).await;
}

#[tokio::test]
async fn invalid_playlist_error_states_the_reason() {
    let cases = [
        (Fault::Html, "this is HTML or XML, not a playlist"),
        (Fault::Empty, "this is an empty answer, not a playlist"),
        (Fault::Huge(50_000_000), "body is larger than 2097152 bytes"),
        (Fault::Status(503), "status 503"),
    ];
    for (fault, message) in cases {
        let origin = origin().await;
        origin.fault("/x.m3u8", fault, Times::Always);
        let settings = HlsSettings { give_up_after: Duration::from_millis(200), ..fast_settings() };
        let url = origin.url("/x.m3u8?token=secret");
        let source = HlsSource::open(&url, &client(), settings).unwrap();
        let SourceState::Failed(error) = ended(&source).await else { panic!("{:?}", status(&source)) };
        assert!(error.to_string().ends_with(message), "{error}");
        assert!(error.to_string().contains("/x.m3u8") && !format!("{error} {error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn stalled_playlist_becomes_live_again() {
    let (_origin, live, mut source) = start_stream(LiveOptions::default()).await;
    until(&source, |status| status.state == SourceState::Stalled).await;
    live.publish(2);
    expect(&mut source, 5, 2).await;
    assert_eq!(until(&source, |status| status.state == SourceState::Live).await.gaps.total().count, 0);
}

#[tokio::test]
async fn stalled_playlist_ends_after_the_time_limit() {
    let origin = origin().await;
    let url = origin.live("/a", &stream(3, LiveOptions::default()));
    let settings = HlsSettings { give_up_after: Duration::from_millis(300), ..fast_settings() };
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    assert!(next(&mut source).await.is_none());
    assert_eq!(ended(&source).await, SourceState::Ended(EndReason::Silent));
}

#[tokio::test]
async fn removed_stream_fails_with_its_status() {
    let origin = origin().await;
    let url = origin.live("/a", &stream(3, LiveOptions::default()));
    let settings = HlsSettings { give_up_after: Duration::from_millis(300), ..fast_settings() };
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    origin.remove_live("/a");
    assert!(next(&mut source).await.is_none());
    let state = ended(&source).await;
    assert!(
        matches!(&state, SourceState::Failed(HlsError::Http(error)) if error.status() == Some(404)),
        "{state}"
    );
}

#[tokio::test]
async fn slow_consumer_drops_the_oldest_segments_and_counts_them() {
    let origin = origin().await;
    let live = stream(3, LiveOptions { window: 50, ..LiveOptions::default() });
    let settings = HlsSettings { max_behind: Duration::from_millis(100), ..fast_settings() };
    let url = origin.live("/a", &live);
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    live.publish(20);
    until(&source, |status| status.segments >= 5).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut taken = 0.0;
    while taken < 40.0 {
        taken += match next(&mut source).await {
            Some(Delivery::HlsSegment(segment)) => segment.seconds,
            Some(Delivery::Gap(gap)) => {
                assert_eq!(gap.reason, GapReason::Dropped);
                gap.seconds
            }
            other => panic!("{other:?}"),
        };
    }
    let dropped = status(&source).gaps.of(GapReason::Dropped);
    assert!(
        (10..=17).contains(&dropped.count) && dropped.seconds == 2.0 * dropped.count as f64,
        "{dropped:?}"
    );
}
