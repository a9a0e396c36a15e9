//! Parts of segments at the live edge (Low-Latency HLS), with conforming and faulty servers.

use refrain_stream::GapReason;
use refrain_testkit::origin::{Blocking, Fault, Marks, Times, cut};

use super::*;

/// Returns a low-latency stream with segments of 2 s in four parts, whose bytes identify them.
fn plain(published: u64, options: LiveOptions) -> LiveStream {
    let parts: Vec<Vec<Clip>> = clips(100).iter().map(quarters).collect();
    let options = LiveOptions { low_latency: true, ..options };
    LiveStream::manual(clips(100), published, options).parts(parts)
}

fn quarters(clip: &Clip) -> Vec<Clip> {
    let quarter = clip.bytes.len() / 4;
    cut(clip, &[quarter, 2 * quarter, 3 * quarter])
}

/// Returns the bytes of part `part` of plain segment `index`.
fn part_of(index: u64, part: usize) -> Bytes {
    quarters(&Clip { bytes: content(index), seconds: 2.0 })[part].bytes.clone()
}

async fn expect_parts(source: &mut HlsSource, index: u64, parts: std::ops::Range<usize>) {
    for part in parts {
        let found = segment(source).await;
        assert_eq!((found.bytes, found.sequence), (part_of(index, part), index), "part {part} of {index}");
        assert_eq!((found.seconds, found.part), (0.5, true));
    }
}

/// Starts a plain stream from which segments 0 to 2 and two parts of segment 3 have been taken.
async fn start_stream(options: LiveOptions) -> (Origin, LiveStream, HlsSource) {
    let origin = origin().await;
    let live = plain(3, options);
    live.publish_parts(2);
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 0, 3).await;
    expect_parts(&mut source, 3, 0..2).await;
    (origin, live, source)
}

fn gaps(source: &HlsSource) -> (u64, f64) {
    let gaps = status(source).gaps.total();
    (gaps.count, gaps.seconds)
}

#[tokio::test]
async fn parts_are_delivered_before_their_segment_is_complete() {
    // Ordinary reloads happen once a minute, so only blocking reloads can be in time.
    let minute = Duration::from_secs(60);
    let settings = HlsSettings { reload: (minute, minute), ..fast_settings() };
    let origin = origin().await;
    let live = plain(3, LiveOptions { query: "?token=a%2Fb".to_owned(), ..LiveOptions::default() });
    live.publish_parts(2);
    let url = format!("{}?key=c%20d", origin.live("/a", &live));
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    expect_parts(&mut source, 3, 0..2).await;
    for (index, part) in (3..8).flat_map(|index| (0..4).map(move |part| (index, part))).skip(2) {
        live.publish_parts(1);
        expect_parts(&mut source, index, part..part + 1).await;
    }
    until(&source, |status| status.segments == 8).await;
    assert_eq!((status(&source).parts, gaps(&source)), (20, (0, 0.0)));
    assert!((status(&source).seconds - 16.0).abs() < 1e-9);
    let asked = origin.requests();
    assert!((3..8).all(|index| origin.request_count(&format!("/a/seg{index}.ts")) == 0));
    let loads: Vec<_> = asked.iter().filter(|asked| asked.path == "/a/index.m3u8").collect();
    assert!(loads.iter().any(|load| load.query == "key=c%20d&_HLS_msn=4&_HLS_part=3"), "{loads:?}");
    let stale = |load: &&&refrain_testkit::origin::LoggedRequest| {
        load.query.contains("_HLS") && load.headers.contains_key("if-none-match")
    };
    assert_eq!(loads.iter().filter(stale).count(), 0);
    assert!(
        asked.iter().filter(|asked| asked.path.contains("part")).all(|asked| asked.query == "token=a%2Fb")
    );
}

#[tokio::test]
async fn complete_segments_are_fetched_whole_and_nothing_twice() {
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    live.publish_parts(4);
    expect_parts(&mut source, 3, 2..4).await;
    expect_parts(&mut source, 4, 0..2).await;
    // Two segments are completed at once: the one that is being delivered in parts, and one of which no part was
    // delivered.
    live.publish(2);
    expect_parts(&mut source, 4, 2..4).await;
    expect(&mut source, 5, 1).await;
    let asked = origin.requests();
    let media: Vec<_> = asked.iter().map(|asked| &asked.path).filter(|path| path.ends_with(".ts")).collect();
    let distinct: std::collections::BTreeSet<_> = media.iter().collect();
    assert_eq!((media.len(), distinct.len()), (3 + 4 + 4 + 1, 12), "{media:?}");
    assert_eq!(gaps(&source), (0, 0.0));
}

#[tokio::test]
async fn parts_are_ignored_if_low_latency_is_disabled() {
    let origin = origin().await;
    let live = plain(3, LiveOptions::default());
    live.publish_parts(2);
    let settings = HlsSettings { low_latency: false, ..fast_settings() };
    let mut source = HlsSource::open(&origin.live("/a", &live), &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    live.publish_parts(2);
    expect(&mut source, 3, 1).await;
    assert!(
        origin
            .requests()
            .iter()
            .all(|asked| !asked.path.contains("part") && !asked.query.contains("_HLS_part"))
    );
}

#[tokio::test]
async fn parts_of_encrypted_segments_are_ignored() {
    let origin = origin().await;
    let live = plain(3, LiveOptions { key: Some([42; 16]), ..LiveOptions::default() });
    live.publish_parts(2);
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 0, 3).await;
    live.publish_parts(4);
    expect(&mut source, 3, 1).await;
    assert_eq!((status(&source).parts, gaps(&source)), (0, (0, 0.0)));
}

#[tokio::test]
async fn servers_without_blocking_reloads_are_polled_with_pauses() {
    for blocking in [Blocking::Ignored, Blocking::Absent] {
        let (origin, live, mut source) =
            start_stream(LiveOptions { blocking, ..LiveOptions::default() }).await;
        for part in 2..4 {
            // Several loads find no new part. Blocking reloads are requested once per part, not repeatedly without a
            // pause.
            let loads = |status: &SourceStatus| status.playlist_loads + status.not_modified;
            let before = loads(&status(&source));
            until(&source, |status| loads(status) > before + 2).await;
            live.publish_parts(1);
            expect_parts(&mut source, 3, part..part + 1).await;
        }
        let blocking_loads =
            origin.requests().iter().filter(|asked| asked.query.contains("_HLS_part")).count();
        assert!(
            blocking_loads <= 3 && (blocking == Blocking::Ignored || blocking_loads == 0),
            "{blocking_loads}"
        );
    }
}

#[tokio::test]
async fn rest_after_a_lost_part_is_taken_from_the_whole_segment() {
    for (lost, fault) in [
        (2, Fault::Status(404)),
        (3, Fault::Reset),
        (2, Fault::Truncated(5)),
        (2, Fault::Empty),
        (3, Fault::Html),
        (2, Fault::Status(403)),
        (2, Fault::Trickle(Duration::from_millis(20))),
    ] {
        let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
        origin.fault(&format!("/a/part3.{lost}.ts"), fault.clone(), Times::Always);
        live.publish_parts(1);
        if lost == 3 {
            expect_parts(&mut source, 3, 2..3).await;
        }
        live.publish_parts(2);
        let rest = segment(&mut source).await;
        let missing = (lost..4).map(|part| part_of(3, part)).collect::<Vec<_>>().concat();
        assert_eq!(
            (&rest.bytes[..], rest.part, rest.discontinuity),
            (&missing[..], false, false),
            "{fault:?}"
        );
        assert!((rest.seconds - 0.5 * (4 - lost) as f64).abs() < 1e-9 && rest.program_date_time.is_none());
        expect_parts(&mut source, 4, 0..1).await;
        assert_eq!((gaps(&source), status(&source).segments), ((0, 0.0), 4));
        assert_eq!(origin.request_count("/a/seg3.ts"), 1);
    }
}

#[tokio::test]
async fn segment_whose_first_part_is_lost_is_fetched_whole() {
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    origin.fault("/a/part4.0.ts", Fault::Status(404), Times::Always);
    live.publish_parts(2 + 4);
    expect_parts(&mut source, 3, 2..4).await;
    expect(&mut source, 4, 1).await;
    assert_eq!((gaps(&source), status(&source).segments), ((0, 0.0), 5));
}

#[tokio::test]
async fn renamed_or_removed_parts_lose_no_audio() {
    let renamed = |options: &mut LiveOptions| options.part_names = "other".to_owned();
    let removed = |options: &mut LiveOptions| options.part_window = 0;
    for change in [renamed, removed as fn(&mut LiveOptions)] {
        let (_origin, live, mut source) = start_stream(LiveOptions::default()).await;
        live.change(change);
        live.publish(1);
        let rest = segment(&mut source).await;
        assert_eq!(&rest.bytes[..], [part_of(3, 2), part_of(3, 3)].concat());
        live.publish_parts(1);
        expect_parts(&mut source, 4, 0..1).await;
        assert_eq!((gaps(&source), status(&source).segments), ((0, 0.0), 4));
    }
}

#[tokio::test]
async fn segment_that_differs_from_its_parts_is_a_gap_after_them() {
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    origin.fault("/a/part3.2.ts", Fault::Status(404), Times::Always);
    origin.fault("/a/seg3.ts", Fault::Instead(Bytes::from_static(b"packed in another way")), Times::Always);
    live.publish(1);
    let rest = gap(&mut source).await;
    assert_eq!((rest.reason, rest.seconds), (GapReason::NotFetched, 1.0));
    assert_eq!(rest.program_date_time, Some(1_700_000_007.0));
    live.publish(1);
    expect(&mut source, 4, 1).await;
}

#[tokio::test]
async fn part_gaps_are_reported_and_marks_of_the_segment_kept() {
    let mut options = LiveOptions::default();
    options.marks.insert(4, Marks { discontinuity: true, ..Marks::default() });
    options.part_gaps.extend([(3, 3), (4, 0)]);
    let (_origin, live, mut source) = start_stream(options).await;
    live.publish_parts(1);
    expect_parts(&mut source, 3, 2..3).await;
    live.publish_parts(1);
    let missing = gap(&mut source).await;
    assert_eq!((missing.reason, missing.seconds, missing.program_date_time), (GapReason::Marked, 0.5, None));
    live.publish_parts(1);
    assert_eq!(gap(&mut source).await.program_date_time, Some(1_700_000_008.0));
    live.publish_parts(3);
    let mut marks = Vec::new();
    for _ in 0..3 {
        let part = segment(&mut source).await;
        marks.push((part.discontinuity, part.program_date_time));
    }
    // The discontinuity falls on the gap, so it applies to the part after the gap.
    assert_eq!(marks, [(true, None), (false, None), (false, None)]);
    live.publish_parts(1);
    assert_eq!(segment(&mut source).await.program_date_time, Some(1_700_000_010.0));
}

#[tokio::test]
async fn window_that_moves_past_an_open_segment_is_a_gap_of_the_rest() {
    let (_origin, live, mut source) = start_stream(LiveOptions::default()).await;
    live.publish(8);
    let missed = gap(&mut source).await;
    assert_eq!((missed.reason, missed.seconds), (GapReason::Missed, 5.0));
    assert_eq!(missed.program_date_time, Some(1_700_000_007.0));
    expect(&mut source, 6, 5).await;
    assert_eq!(gaps(&source), (1, 5.0));
}

#[tokio::test]
async fn stream_that_ends_within_a_segment_is_delivered_to_its_last_part() {
    let (origin, live, mut source) = start_stream(LiveOptions::default()).await;
    origin.fault("/a/part3.3.ts", Fault::Status(404), Times::Always);
    live.publish_parts(1);
    live.change(|options| options.end = true);
    expect_parts(&mut source, 3, 2..3).await;
    assert!(next(&mut source).await.is_none());
    assert!(matches!(ended(&source).await, SourceState::Ended(_)));
}
