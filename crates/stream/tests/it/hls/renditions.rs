//! Replacement of renditions that fail, and the return to the preferred one.

use refrain_stream::hls::HlsError;
use refrain_testkit::origin::{DateStyle, Fault, Times};

use super::*;

/// Two redundant variants.
const REDUNDANT: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\na/index.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=9\nb/index.m3u8\n";
const PREFERRED: &str = "9 bit/s";
const BACKUP: &str = "9 bit/s (2)";

/// Serves the stream in two variants.
async fn redundant(live: &LiveStream) -> Origin {
    let origin = origin().await;
    origin.put("/m.m3u8", REDUNDANT, "");
    origin.live("/a", live);
    origin.live("/b", live);
    origin
}

fn is_followed(status: &SourceStatus, rendition: &str, changes: u64) -> bool {
    status.rendition.as_deref() == Some(rendition) && status.rendition_changes == changes
}

#[tokio::test]
async fn redundant_variant_is_followed_if_the_first_one_cannot_be_loaded() {
    let faults = [
        Fault::Status(404),
        Fault::Status(403),
        Fault::Status(503),
        Fault::Html,
        Fault::Reset,
        Fault::Redirect("file:///etc/passwd".to_owned()),
        Fault::Instead(REDUNDANT.into()),
    ];
    for fault in faults {
        let live = stream(5, LiveOptions::default());
        let origin = redundant(&live).await;
        origin.fault("/a/index.m3u8", fault.clone(), Times::Always);
        let mut source = open(&origin.url("/m.m3u8"));
        expect(&mut source, 2, 3).await;
        let status = status(&source);
        assert!(is_followed(&status, BACKUP, 1), "{fault:?}: {status:?}");
        let reason = status.rendition_reason.unwrap();
        assert!(reason.starts_with("rendition \"9 bit/s\" failed: "), "{reason}");
        assert!(matches!(status.last_error, Some(HlsError::RenditionFailed { .. })), "{fault:?}");
    }
}

#[tokio::test]
async fn no_segment_is_lost_or_repeated_if_a_variant_fails_later() {
    let live = stream(5, LiveOptions::default());
    let origin = redundant(&live).await;
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 2, 3).await;
    assert!(is_followed(&status(&source), PREFERRED, 0));
    origin.fault("/a/*", Fault::Status(503), Times::Always);
    live.publish(2);
    let first = segment(&mut source).await;
    assert_eq!((first.bytes, first.discontinuity, first.rendition), (content(5), true, 1));
    let next = segment(&mut source).await;
    assert_eq!((next.bytes, next.discontinuity, next.rendition), (content(6), false, 1));
    assert!(is_followed(&status(&source), BACKUP, 1));
    assert_eq!(status(&source).gaps.total().count, 0);
}

#[tokio::test]
async fn segments_that_cannot_be_fetched_are_fetched_from_the_redundant_variant() {
    for fault in [Fault::Status(404), Fault::Html] {
        let live = stream(5, LiveOptions::default());
        let origin = redundant(&live).await;
        let mut source = open(&origin.url("/m.m3u8"));
        expect(&mut source, 2, 3).await;
        origin.fault("/a/*.ts", fault, Times::Always);
        live.publish(2);
        until(&source, |status| is_followed(status, BACKUP, 1)).await;
        expect(&mut source, 5, 2).await;
        live.publish(1);
        expect(&mut source, 7, 1).await;
        let reason = status(&source).rendition_reason.unwrap();
        assert!(reason.contains("2 consecutive segments cannot be fetched"), "{reason}");
    }
}

#[tokio::test]
async fn one_failing_segment_does_not_change_the_rendition() {
    let live = stream(5, LiveOptions::default());
    let origin = redundant(&live).await;
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 2, 3).await;
    for index in [5, 7, 9] {
        origin.fault(&format!("/a/seg{index}.ts"), Fault::Status(404), Times::Always);
        live.publish(1);
        gap(&mut source).await;
        live.publish(1);
        expect(&mut source, index + 1, 1).await;
    }
    assert!(is_followed(&status(&source), PREFERRED, 0));
}

#[tokio::test]
async fn rejected_rendition_is_replaced_once() {
    let live = stream(5, LiveOptions::default());
    let origin = redundant(&live).await;
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 2, 3).await;
    let feedback = source.feedback();
    feedback.reject(0, "no audio".to_owned());
    until(&source, |status| is_followed(status, BACKUP, 1)).await;
    feedback.reject(0, "no audio".to_owned());
    live.publish(1);
    expect(&mut source, 5, 1).await;
    let status = status(&source);
    assert!(is_followed(&status, BACKUP, 1));
    assert_eq!(status.rendition_reason.as_deref(), Some("rendition \"9 bit/s\" failed: no audio"));
}

#[tokio::test]
async fn preferred_rendition_is_followed_again_after_its_recovery() {
    let live = stream(5, LiveOptions::default());
    let origin = redundant(&live).await;
    let pauses = (Duration::from_millis(50), Duration::from_millis(200));
    let settings = HlsSettings { return_pause: pauses, ..fast_settings() };
    let mut source = HlsSource::open(&origin.url("/m.m3u8"), &client(), settings).unwrap();
    expect(&mut source, 2, 3).await;
    origin.fault("/a/*", Fault::Status(503), Times::Always);
    live.publish(1);
    expect(&mut source, 5, 1).await;
    assert!(is_followed(&status(&source), BACKUP, 1));
    // The playlist works again, but its segments do not.
    origin.heal("/a/*");
    origin.fault("/a/*.ts", Fault::Status(503), Times::Always);
    let segments_tried = || origin.requests().iter().filter(|asked| asked.path == "/a/seg5.ts").count();
    tokio::time::timeout(TEST_TIMEOUT, async {
        while segments_tried() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert!(is_followed(&status(&source), BACKUP, 1));
    origin.heal("/a/*.ts");
    let status = until(&source, |status| is_followed(status, PREFERRED, 2)).await;
    assert_eq!(status.rendition_reason.as_deref(), Some("the preferred rendition can be loaded again"));
    live.publish(2);
    expect(&mut source, 6, 2).await;
    assert_eq!(status.gaps.total().count, 0);
}

#[tokio::test]
async fn dates_place_a_variant_with_another_numbering() {
    let origin = origin().await;
    origin.put("/m.m3u8", REDUNDANT, "");
    let live = stream(5, LiveOptions::default());
    // Media sequence numbers of this server begin later, and its names are different.
    let other =
        stream(5, LiveOptions { first_sequence: 100_000, names: "x".to_owned(), ..LiveOptions::default() });
    origin.live("/a", &live);
    origin.live("/b", &other);
    let pauses = (Duration::from_millis(20), Duration::from_millis(40));
    let settings = HlsSettings { return_pause: pauses, ..fast_settings() };
    let mut source = HlsSource::open(&origin.url("/m.m3u8"), &client(), settings).unwrap();
    expect(&mut source, 2, 3).await;
    origin.fault("/a/*", Fault::Status(503), Times::Always);
    other.publish(1);
    expect(&mut source, 5, 1).await;
    origin.heal("/a/*");
    until(&source, |status| is_followed(status, PREFERRED, 2)).await;
    // The segments 6 to 9 have left the window when the first server lists new ones.
    live.publish(10);
    let missed = gap(&mut source).await;
    assert_eq!(missed.seconds, 8.0);
    expect(&mut source, 10, 5).await;
}

#[tokio::test]
async fn time_stamps_place_a_variant_without_dates() {
    let origin = origin().await;
    origin.put("/m.m3u8", REDUNDANT, "");
    let options = LiveOptions { dates: DateStyle::Absent, ..LiveOptions::default() };
    let live = stream(5, options.clone());
    let other = stream(5, LiveOptions { first_sequence: 1_000, names: "x".to_owned(), ..options });
    origin.live("/a", &live);
    origin.live("/b", &other);
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 2, 3).await;
    origin.fault("/a/*", Fault::Status(503), Times::Always);
    other.publish(1);
    // The newest segments follow, and the decoder leaves out the audio that it has already. A discontinuity would hide
    // the time stamps from it.
    for index in 3..6 {
        let next = segment(&mut source).await;
        assert_eq!((next.bytes, next.discontinuity, next.rendition), (content(index), false, 1));
    }
    assert_eq!(status(&source).gaps.total().count, 0);
}

#[tokio::test]
async fn frozen_playlist_is_replaced_by_that_of_another_server() {
    let (origin, backup) = (origin().await, origin().await);
    let live = stream(5, LiveOptions::default());
    let frozen = stream(5, LiveOptions::default());
    origin.live("/a", &frozen);
    origin.live("/b", &frozen);
    let other_server = backup.live("/c", &live);
    let master = format!("{REDUNDANT}#EXT-X-STREAM-INF:BANDWIDTH=9\n{other_server}\n");
    origin.put("/m.m3u8", master, "");
    let settings = HlsSettings { stalled_after: 0.3, ..fast_settings() };
    let mut source = HlsSource::open(&origin.url("/m.m3u8"), &client(), settings).unwrap();
    expect(&mut source, 2, 3).await;
    live.publish(2);
    expect(&mut source, 5, 2).await;
    let status = status(&source);
    assert!(is_followed(&status, "9 bit/s (3)", 1), "{status:?}");
    assert!(status.rendition_reason.unwrap().ends_with("its playlist lists no new segments"));
}

#[tokio::test]
async fn variants_whose_codecs_cannot_be_decoded_are_not_requested() {
    let origin = origin().await;
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64,CODECS=\"ac-4\"\na/index.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=96,CODECS=\"mp4a.40.2\"\nb/index.m3u8\n";
    origin.put("/m.m3u8", master, "");
    let live = stream(5, LiveOptions::default());
    origin.live("/a", &live);
    origin.live("/b", &live);
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 2, 3).await;
    assert_eq!(origin.request_count("/a/index.m3u8"), 0);
    // Without another variant, the error names the codec.
    origin.put("/n.m3u8", master.split("#EXT-X-STREAM-INF:BANDWIDTH=96").next().unwrap(), "");
    let source = open(&origin.url("/n.m3u8"));
    let error = until(&source, |status| status.last_error.is_some()).await.last_error.unwrap().to_string();
    assert!(error.contains("64 bit/s (ac-4 cannot be decoded)"), "{error}");
}
