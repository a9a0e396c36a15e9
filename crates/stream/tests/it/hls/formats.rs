//! Encryption, init sections, byte ranges, and segments made by ffmpeg.

use refrain_stream::GapReason;
use refrain_testkit::origin::{Fault, Marks, SegmentContainer, Times, encode};

use super::*;

const DRM_KEY: &str =
    "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"";

#[tokio::test]
async fn encrypted_segments_are_decrypted_with_one_key_request() {
    for iv in [None, Some([3; 16])] {
        let origin = origin().await;
        let live =
            stream(5, LiveOptions { key: Some([42; 16]), iv, first_sequence: 90, ..LiveOptions::default() });
        let mut source = open(&origin.live("/a", &live));
        expect(&mut source, 2, 3).await;
        live.publish(5);
        expect(&mut source, 5, 5).await;
        assert_eq!(origin.request_count("/a/key"), 1);
    }
}

#[tokio::test]
async fn segment_without_its_key_is_an_unreadable_gap() {
    let origin = origin().await;
    let live = stream(3, LiveOptions { key: Some([42; 16]), ..LiveOptions::default() });
    let url = origin.live("/a", &live);
    origin.fault("/a/key", Fault::Status(404), Times::Always);
    let mut source = open(&url);
    for _ in 0..3 {
        let locked = gap(&mut source).await;
        assert_eq!((locked.reason, locked.seconds), (GapReason::Unreadable, 2.0));
    }
    assert!(origin.request_count("/a/key") <= 9);
    origin.heal("/a/key");
    // The missing key is cached as missing for `key_pause`.
    tokio::time::sleep(Duration::from_millis(80)).await;
    live.publish(1);
    expect(&mut source, 3, 1).await;
    for wrong in [Fault::Html, Fault::Instead(Bytes::from_static(&[1; 16]))] {
        let live = stream(1, LiveOptions { key: Some([42; 16]), ..LiveOptions::default() });
        let url = origin.live("/b", &live);
        origin.fault("/b/key", wrong, Times::Always);
        assert_eq!(gap(&mut open(&url)).await.reason, GapReason::Unreadable);
        origin.heal("/b/key");
    }
}

#[tokio::test]
async fn key_server_that_fails_for_a_time_loses_no_segment() {
    for fault in [Fault::Status(503), Fault::Status(429), Fault::Reset, Fault::Truncated(3)] {
        let origin = origin().await;
        let live = stream(3, LiveOptions { key: Some([42; 16]), ..LiveOptions::default() });
        let url = origin.live("/a", &live);
        // More failures than a missing key is requested.
        origin.fault("/a/key", fault.clone(), Times::First(10));
        let mut source = open(&url);
        expect(&mut source, 0, 3).await;
        live.publish(1);
        expect(&mut source, 3, 1).await;
        let status = status(&source);
        assert!(status.retries >= 3 && status.gaps.total().count == 0, "{fault:?}: {status:?}");
        // No attempt transferred a segment before its key.
        assert_eq!(origin.request_count("/a/seg0.ts"), 1, "{fault:?}");
        assert_eq!(origin.request_count("/a/key"), 11, "{fault:?}");
    }
}

#[tokio::test]
async fn segment_whose_key_server_stays_down_is_abandoned_when_it_leaves_the_playlist() {
    let origin = origin().await;
    let live = stream(1, LiveOptions { key: Some([42; 16]), ..LiveOptions::default() });
    let url = origin.live("/a", &live);
    origin.fault("/a/key", Fault::Status(503), Times::Always);
    let settings = HlsSettings { segment_timeout: TEST_TIMEOUT * 2, ..fast_settings() };
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    let error = until(&source, |status| status.retries > 5).await.last_error;
    assert_eq!(error, None, "the segment is still listed");
    live.publish(5);
    assert_eq!(gap(&mut source).await.reason, GapReason::Unreadable);
    assert_eq!(status(&source).last_error.and_then(|error| error.status()), Some(503));
    origin.heal("/a/key");
    expect(&mut source, 1, 5).await;
}

#[tokio::test]
async fn unsupported_encryption_methods_are_immediate_gaps() {
    let origin = origin().await;
    let mut options = LiveOptions::default();
    let line = |line: &str| Marks { lines: vec![line.to_owned()], ..Marks::default() };
    options.marks.insert(0, line(DRM_KEY));
    options.marks.insert(2, line("#EXT-X-KEY:METHOD=NONE"));
    let mut source = open(&origin.live("/a", &stream(3, options)));
    assert_eq!(gap(&mut source).await.reason, GapReason::Unreadable);
    assert_eq!(gap(&mut source).await.reason, GapReason::Unreadable);
    expect(&mut source, 2, 1).await;
    assert_eq!(origin.request_count("/a/seg0.ts"), 0);
}

#[tokio::test]
async fn init_section_is_fetched_once_and_shared() {
    let origin = origin().await;
    let live =
        LiveStream::manual(clips(100), 5, LiveOptions::default()).init(Some(Bytes::from_static(b"ftypmoov")));
    let url = origin.live("/a", &live);
    origin.fault("/a/init.mp4", Fault::Status(500), Times::First(2));
    let mut source = open(&url);
    let first = segment(&mut source).await.init.unwrap();
    assert_eq!(&first.bytes[..], b"ftypmoov");
    for _ in 3..15 {
        live.publish(1);
        assert!(std::sync::Arc::ptr_eq(&first, &segment(&mut source).await.init.unwrap()));
    }
    assert_eq!(origin.request_count("/a/init.mp4"), 3);
}

#[tokio::test]
async fn byte_ranges_work_with_servers_that_ignore_the_range() {
    let origin = origin().await;
    let options = LiveOptions { ranges: true, kind: Some("VOD"), end: true, ..LiveOptions::default() };
    let url = origin.live("/a", &LiveStream::manual(clips(20), 20, options));
    expect(&mut open(&url), 0, 20).await;
    let asked = origin.requests();
    let range = |index: usize| {
        let all = asked.iter().filter(|asked| asked.path == "/a/all.ts");
        all.map(|asked| asked.headers["range"].to_str().unwrap().to_owned()).nth(index)
    };
    assert_eq!(range(0).as_deref(), Some("bytes=0-179"));
    origin.fault("/a/all.ts", Fault::IgnoreRange, Times::Always);
    expect(&mut open(&url), 0, 20).await;
}

#[tokio::test]
async fn ffmpeg_segments_are_delivered_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("tone.wav");
    let samples: Vec<f32> = (0..44_100 * 7).map(|at| 0.3 * (at as f32 * 0.05).sin()).collect();
    refrain_testkit::write_wav(&wav, &samples, 44_100).unwrap();
    for container in [SegmentContainer::Ts, SegmentContainer::Fmp4, SegmentContainer::Packed] {
        let made = encode(&wav, container, 2.0).unwrap();
        assert_eq!(made.clips.len(), 4, "{container:?}");
        let seconds: f64 = made.clips.iter().map(|clip| clip.seconds).sum();
        assert!((seconds - 7.0).abs() < 0.1, "{container:?}: {seconds}");
        assert_eq!(made.init.is_some(), container == SegmentContainer::Fmp4);
        let options = LiveOptions { kind: Some("VOD"), end: true, ..LiveOptions::default() };
        let live = LiveStream::manual(made.clips.clone(), 4, options)
            .init(made.init)
            .extension(container.extension());
        let origin = origin().await;
        let mut source = open(&origin.live("/a", &live));
        let all = rest(&mut source).await;
        let bytes: Vec<Bytes> = all
            .iter()
            .map(|delivery| match delivery {
                Delivery::HlsSegment(segment) => segment.bytes.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(bytes, made.clips.iter().map(|clip| clip.bytes.clone()).collect::<Vec<_>>());
        let start: &[u8] = match container {
            SegmentContainer::Ts => &[0x47],
            SegmentContainer::Fmp4 => &[0, 0, 0],
            SegmentContainer::Packed => b"ID3",
        };
        assert!(bytes.iter().all(|bytes| bytes.starts_with(start)), "{container:?}");
    }
}
