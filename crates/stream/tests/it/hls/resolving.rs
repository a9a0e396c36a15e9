//! Master playlists that are resolved again.

use refrain_testkit::origin::{Fault, Times};

use super::*;

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
    // The URLs of the media playlist and its segments expire.
    origin.put("/m.m3u8", master("two"), "");
    origin.fault("/one/*", Fault::Status(403), Times::Always);
    for index in 5..10 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    // Only the URLs of the segments expire.
    origin.put("/m.m3u8", master("three"), "");
    origin.fault("/two/*.ts", Fault::Status(410), Times::Always);
    for index in 10..15 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    let status = status(&source);
    assert!((2..10).contains(&status.resolutions), "{status:?}");
    assert_eq!((status.resets, status.gaps.total().count), (0, 0));
    assert_eq!(origin.request_count("/m.m3u8") as u64, status.resolutions + 1);
}

#[tokio::test]
async fn master_is_resolved_periodically_and_its_failure_is_tolerated() {
    let origin = origin().await;
    let live = stream(5, LiveOptions::default());
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/index.m3u8?s=1\n", "");
    origin.live("/a", &live);
    let settings = HlsSettings { resolve_every: Duration::from_millis(50), ..fast_settings() };
    let mut source = HlsSource::open(&origin.url("/m.m3u8"), &client(), settings).unwrap();
    expect(&mut source, 2, 3).await;
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/index.m3u8?s=2\n", "");
    until(&source, |status| status.resolutions >= 2).await;
    live.publish(1);
    expect(&mut source, 5, 1).await;
    assert!(origin.requests().iter().any(|asked| asked.query == "s=2"));
    origin.fault("/m.m3u8", Fault::Status(403), Times::Always);
    let resolutions_before = status(&source).resolutions;
    until(&source, |status| status.resolutions >= resolutions_before + 2).await;
    live.publish(1);
    expect(&mut source, 6, 1).await;
    assert_eq!(status(&source).gaps.total().count, 0);
}

#[tokio::test]
async fn temporary_refusal_does_not_end_a_stream_with_a_one_time_master() {
    let origin = origin().await;
    let live = stream(5, LiveOptions::default());
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/index.m3u8\n", "");
    origin.live("/a", &live);
    let mut source = open(&origin.url("/m.m3u8?token=once"));
    expect(&mut source, 2, 3).await;
    origin.fault("/m.m3u8", Fault::Status(403), Times::Always);
    origin.fault("/a/index.m3u8", Fault::Status(403), Times::First(3));
    live.publish(2);
    expect(&mut source, 5, 2).await;
    assert!(status(&source).resolutions >= 1);
}

#[tokio::test]
async fn expired_urls_of_a_long_recording_are_resolved_again() {
    let origin = origin().await;
    let recording = |query: &str| {
        let options =
            LiveOptions { kind: Some("VOD"), end: true, query: query.to_owned(), ..LiveOptions::default() };
        stream(300, options)
    };
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\none/index.m3u8\n", "");
    origin.live("/one", &recording("?t=1"));
    origin.live("/two", &recording("?t=2"));
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 0, 100).await;
    origin.put("/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\ntwo/index.m3u8\n", "");
    origin.fault("/one/*", Fault::Status(403), Times::Always);
    expect(&mut source, 100, 200).await;
    assert!(next(&mut source).await.is_none());
    assert_eq!(status(&source).gaps.total().count, 0);
}

#[tokio::test]
async fn change_of_rendition_is_a_discontinuity() {
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
