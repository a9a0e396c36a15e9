//! Bad streams, and what they get.

use refrain_stream::GapReason;
use refrain_stream::hls::{EndReason, HlsError};
use refrain_testkit::origin::{Fault, Times};

use super::*;

/// A followed stream of which the first five segments are told and three are taken.
async fn begun(options: LiveOptions) -> (Origin, LiveStream, HlsSource) {
    let origin = origin().await;
    let live = stream(5, options);
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 2, 3).await;
    (origin, live, source)
}

#[tokio::test]
async fn a_segment_that_fails_for_a_while_is_had_in_the_end() {
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
    let (origin, live, mut source) = begun(LiveOptions::default()).await;
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
async fn a_segment_that_cannot_be_had_is_a_gap_and_the_stream_goes_on() {
    let (origin, live, mut source) = begun(LiveOptions::default()).await;
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
async fn a_segment_that_trickles_is_given_up() {
    let (origin, live, mut source) = begun(LiveOptions::default()).await;
    origin.fault("/a/seg5.ts", Fault::Trickle(Duration::from_millis(50)), Times::Always);
    live.publish(2);
    assert_eq!(gap(&mut source).await.reason, GapReason::NotFetched);
    expect(&mut source, 6, 1).await;
}

#[tokio::test]
async fn a_segment_that_left_the_playlist_is_not_waited_for() {
    let origin = origin().await;
    let live = stream(5, LiveOptions::default());
    let settings = HlsSettings { segment_patience: PATIENCE * 2, ..hasty() };
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
async fn a_playlist_that_fails_for_a_while_loses_nothing() {
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
    let (origin, live, mut source) = begun(LiveOptions::default()).await;
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
async fn a_playlist_under_a_wrong_type_is_one_all_the_same() {
    let origin = origin().await;
    let url = origin.live("/a", &stream(3, LiveOptions::default()));
    origin.fault("/a/index.m3u8", Fault::WrongType("text/html"), Times::Always);
    expect(&mut open(&url), 0, 3).await;
}

#[tokio::test]
async fn what_is_no_playlist_says_so() {
    let cases = [
        (Fault::Html, "this is HTML or XML, not a playlist"),
        (Fault::Empty, "this is an empty answer, not a playlist"),
        (Fault::Huge(50_000_000), "it is larger than 2097152 bytes"),
        (Fault::Status(503), "status 503"),
    ];
    for (fault, message) in cases {
        let origin = origin().await;
        origin.fault("/x.m3u8", fault, Times::Always);
        let settings = HlsSettings { give_up_after: Duration::from_millis(200), ..hasty() };
        let url = origin.url("/x.m3u8?token=secret");
        let source = HlsSource::open(&url, &client(), settings).unwrap();
        let SourceState::Failed(error) = ended(&source).await else { panic!("{:?}", status(&source)) };
        assert!(error.to_string().ends_with(message), "{error}");
        assert!(error.to_string().contains("/x.m3u8") && !format!("{error} {error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn a_playlist_that_stalls_is_stalled_then_live_again() {
    let (_origin, live, mut source) = begun(LiveOptions::default()).await;
    until(&source, |status| status.state == SourceState::Stalled).await;
    live.publish(2);
    expect(&mut source, 5, 2).await;
    assert_eq!(until(&source, |status| status.state == SourceState::Live).await.gaps.total().count, 0);
}

#[tokio::test]
async fn a_stalled_playlist_ends_in_time() {
    let origin = origin().await;
    let url = origin.live("/a", &stream(3, LiveOptions::default()));
    let settings = HlsSettings { give_up_after: Duration::from_millis(300), ..hasty() };
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    assert!(next(&mut source).await.is_none());
    assert_eq!(ended(&source).await, SourceState::Ended(EndReason::Silent));
}

#[tokio::test]
async fn a_stream_that_goes_away_fails_with_why() {
    let origin = origin().await;
    let url = origin.live("/a", &stream(3, LiveOptions::default()));
    let settings = HlsSettings { give_up_after: Duration::from_millis(300), ..hasty() };
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
async fn a_playlist_that_goes_back_in_time_repeats_nothing() {
    let (_origin, live, mut source) = begun(LiveOptions::default()).await;
    for index in 5..15 {
        live.change(|options| options.behind = index % 4);
        let loads = |status: &SourceStatus| status.playlist_loads + status.not_modified;
        let before = loads(&status(&source));
        live.publish(1);
        until(&source, |status| loads(status) > before + 1).await;
    }
    live.change(|options| options.behind = 0);
    expect(&mut source, 5, 10).await;
    assert_eq!((status(&source).resets, status(&source).gaps.total().count), (0, 0));
}

#[tokio::test]
async fn a_server_that_forgets_to_count_repeats_nothing() {
    let options = LiveOptions { told_sequence: Some(77), ..LiveOptions::default() };
    let (_origin, live, mut source) = begun(options).await;
    for index in 5..20 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    assert_eq!((status(&source).resets, status(&source).gaps.total().count), (0, 0));
}

#[tokio::test]
async fn tags_that_are_lost_for_a_while_cost_nothing() {
    let (_origin, live, mut source) =
        begun(LiveOptions { first_sequence: 500, ..LiveOptions::default() }).await;
    let lost = ["#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PROGRAM", "#EXT-X-TARGET", "#EXTM3U", "#EXTINF", "#EXT-X-"];
    for (index, tag) in (5..).step_by(2).zip(lost) {
        live.change(|options| options.lost = vec![tag.to_owned()]);
        live.publish(1);
        expect(&mut source, index, 1).await;
        live.change(|options| options.lost.clear());
        live.publish(1);
        expect(&mut source, index + 1, 1).await;
    }
    assert_eq!((status(&source).resets, status(&source).gaps.total().count), (0, 0));
}

#[tokio::test]
async fn a_stream_that_begins_anew_is_followed_anew() {
    for names in ["again", "seg"] {
        let before = LiveOptions { first_sequence: 5000, ..LiveOptions::default() };
        let (origin, _live, mut source) = begun(before).await;
        let anew = LiveOptions { names: names.to_owned(), epoch: 1_700_005_000.0, ..LiveOptions::default() };
        let anew = stream(3, anew);
        origin.live("/a", &anew);
        let first = segment(&mut source).await;
        assert_eq!((first.bytes, first.discontinuity, first.sequence), (content(0), true, 0), "{names}");
        expect(&mut source, 1, 2).await;
        anew.publish(1);
        expect(&mut source, 3, 1).await;
        assert_eq!((status(&source).resets, status(&source).gaps.total().count), (1, 0));
    }
}

#[tokio::test]
async fn expired_urls_are_resolved_again() {
    let origin = origin().await;
    let master = |folder: &str| {
        format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,NAME=\"audio_only\"\n{folder}/index.m3u8\n")
    };
    let live = stream(5, LiveOptions::default());
    origin.put("/m.m3u8", master("one"), "");
    origin.live("/one", &live);
    origin.live("/two", &live);
    origin.live("/three", &live);
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 2, 3).await;
    // The playlist's URL expires.
    origin.put("/m.m3u8", master("two"), "");
    origin.fault("/one/*", Fault::Status(403), Times::Always);
    for index in 5..10 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    // Only the segments' URLs do.
    origin.put("/m.m3u8", master("three"), "");
    origin.fault("/two/*.ts", Fault::Status(410), Times::Always);
    for index in 10..15 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    let status = status(&source);
    assert!((2..10).contains(&status.resolutions), "{status:?}");
    assert_eq!((status.resets, status.gaps.total().count), (0, 0));
    assert_eq!(origin.times_asked("/m.m3u8") as u64, status.resolutions + 1);
}

#[tokio::test]
async fn a_master_is_resolved_now_and_then_and_its_failure_does_no_harm() {
    let origin = origin().await;
    let live = stream(5, LiveOptions::default());
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/index.m3u8?s=1\n", "");
    origin.live("/a", &live);
    let settings = HlsSettings { resolve_every: Duration::from_millis(50), ..hasty() };
    let mut source = HlsSource::open(&origin.url("/m.m3u8"), &client(), settings).unwrap();
    expect(&mut source, 2, 3).await;
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/index.m3u8?s=2\n", "");
    until(&source, |status| status.resolutions >= 2).await;
    live.publish(1);
    expect(&mut source, 5, 1).await;
    assert!(origin.asked().iter().any(|asked| asked.query == "s=2"));
    origin.fault("/m.m3u8", Fault::Status(403), Times::Always);
    let seen = status(&source).resolutions;
    until(&source, |status| status.resolutions >= seen + 2).await;
    live.publish(1);
    expect(&mut source, 6, 1).await;
    assert_eq!(status(&source).gaps.total().count, 0);
}

#[tokio::test]
async fn another_rendition_is_a_discontinuity() {
    let origin = origin().await;
    let live = stream(5, LiveOptions::default());
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\none/index.m3u8\n", "");
    origin.live("/one", &live);
    origin.live("/two", &live);
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 2, 3).await;
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\ntwo/index.m3u8\n", "");
    origin.fault("/one/*", Fault::Status(403), Times::Always);
    live.publish(2);
    let first = segment(&mut source).await;
    assert_eq!((first.bytes, first.discontinuity), (content(5), true));
    assert!(!segment(&mut source).await.discontinuity);
}

#[tokio::test]
async fn whoever_is_too_slow_drops_the_oldest_and_it_is_counted() {
    let origin = origin().await;
    let live = stream(3, LiveOptions { window: 50, ..LiveOptions::default() });
    let settings = HlsSettings { max_behind: Duration::from_millis(100), ..hasty() };
    let url = origin.live("/a", &live);
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    live.publish(20);
    until(&source, |status| status.segments >= 5).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut taken = 0.0;
    while taken < 40.0 {
        taken += match next(&mut source).await {
            Some(Delivery::Segment(segment)) => segment.seconds,
            Some(Delivery::Gap(gap)) => {
                assert_eq!(gap.reason, GapReason::Dropped);
                gap.seconds
            }
            other => panic!("{other:?}"),
        };
    }
    let dropped = status(&source).gaps.dropped;
    assert!(
        (10..=17).contains(&dropped.count) && dropped.seconds == 2.0 * dropped.count as f64,
        "{dropped:?}"
    );
}
