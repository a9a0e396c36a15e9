//! Streams of conforming servers.

use refrain_stream::hls::{EndReason, RenditionChoice, Start};
use refrain_stream::{Delivery, GapReason};
use refrain_testkit::origin::{DateStyle, Fault, Marks, Times};

use super::*;

#[tokio::test]
async fn live_stream_is_followed_from_its_edge_to_its_end() {
    let origin = origin().await;
    let live = stream(10, LiveOptions::default());
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 7, 3).await;
    assert_eq!(status(&source).state, SourceState::Live);
    for step in 10..30 {
        live.publish(1);
        expect(&mut source, step, 1).await;
    }
    live.publish(4);
    live.change(|options| options.end = true);
    expect(&mut source, 30, 4).await;
    assert!(next(&mut source).await.is_none());
    assert_eq!(ended(&source).await, SourceState::Ended(EndReason::EndList));
    let status = status(&source);
    assert_eq!((status.segments, status.gaps.total().count), (27, 0));
    assert_eq!(status.seconds, 54.0);
    for index in 7..34 {
        assert_eq!(origin.request_count(&format!("/a/seg{index}.ts")), 1, "segment {index}");
    }
}

#[tokio::test]
async fn catch_up_starts_the_configured_time_before_the_edge() {
    let origin = origin().await;
    for (catch_up, end, first) in
        [(9, false, 15), (10, false, 15), (1_000, false, 0), (1, false, 17), (9, true, 0)]
    {
        let live = stream(20, LiveOptions { window: 100, end, ..LiveOptions::default() });
        let url = origin.live(&format!("/{catch_up}{end}"), &live);
        let settings =
            HlsSettings { start: Start::CatchUp, catch_up: Duration::from_secs(catch_up), ..fast_settings() };
        let mut source = HlsSource::open(&url, &client(), settings).unwrap();
        expect(&mut source, first, 20 - first).await;
    }
}

#[tokio::test]
async fn unchanged_playlist_is_not_transferred_again() {
    let origin = origin().await;
    let live = stream(3, LiveOptions::default());
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 0, 3).await;
    let status = until(&source, |status| status.not_modified >= 5).await;
    assert_eq!(status.playlist_loads, 1);
}

#[tokio::test]
async fn recordings_are_delivered_completely_without_pacing() {
    let origin = origin().await;
    let options = LiveOptions { kind: Some("VOD"), end: true, ..LiveOptions::default() };
    let mut source = open(&origin.live("/a", &stream(300, options)));
    expect(&mut source, 0, 300).await;
    assert!(next(&mut source).await.is_none());
    assert_eq!(origin.request_count("/a/index.m3u8"), 1);
}

#[tokio::test]
async fn slow_consumer_pauses_fetching() {
    let origin = origin().await;
    let options = LiveOptions { kind: Some("VOD"), end: true, ..LiveOptions::default() };
    let mut source = open(&origin.live("/a", &stream(200, options)));
    expect(&mut source, 0, 1).await;
    // Long enough to fetch far more than may be buffered: three fetched or in flight, two in the queue, one taken.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let fetched = origin.requests().iter().filter(|asked| asked.path.ends_with(".ts")).count();
    assert!(fetched <= 7, "{fetched}");
    expect(&mut source, 1, 199).await;
}

#[tokio::test]
async fn all_date_formats_are_parsed_to_the_same_time() {
    for dates in [DateStyle::Zulu, DateStyle::NoColon, DateStyle::Zone, DateStyle::NoZone] {
        for dates_every in [1, 4] {
            let origin = origin().await;
            let options = LiveOptions { dates, dates_every, ..LiveOptions::default() };
            let live = stream(5, options);
            let mut source = open(&origin.live("/a", &live));
            for index in 2..12 {
                if index > 4 {
                    live.publish(1);
                }
                let date = segment(&mut source).await.program_date_time;
                assert_eq!(date, Some(1_700_000_000.0 + 2.0 * f64::from(index)), "{dates:?} {dates_every}");
            }
        }
    }
    let origin = origin().await;
    let mut source = open(
        &origin.live("/a", &stream(5, LiveOptions { dates: DateStyle::Absent, ..LiveOptions::default() })),
    );
    assert_eq!(segment(&mut source).await.program_date_time, None);
}

#[tokio::test]
async fn segment_marks_are_delivered() {
    let origin = origin().await;
    let mut options = LiveOptions { title: "live".to_owned(), ..LiveOptions::default() };
    let mark = |marks: Marks| Marks { title: "live".to_owned(), ..marks };
    options.marks.insert(1, mark(Marks { discontinuity: true, ..Marks::default() }));
    options.marks.insert(2, Marks { title: "Amazon|123".to_owned(), ..Marks::default() });
    options.marks.insert(3, mark(Marks { gap: true, discontinuity: true, ..Marks::default() }));
    let live = stream(0, options);
    let mut source = open(&origin.live("/a", &live));
    let mut delivered = Vec::new();
    for _ in 0..5 {
        live.publish(1);
        delivered.push(match next(&mut source).await {
            Some(Delivery::HlsSegment(segment)) => (segment.discontinuity, segment.ad, 0.0),
            Some(Delivery::Gap(gap)) => {
                assert_eq!(gap.reason, GapReason::Marked);
                (false, false, gap.seconds)
            }
            other => panic!("{other:?}"),
        });
    }
    let expected = [
        (false, false, 0.0),
        (true, false, 0.0),
        (false, true, 0.0),
        (false, false, 2.0),
        (true, false, 0.0),
    ];
    assert_eq!(delivered, expected);
    assert_eq!(origin.request_count("/a/seg3.ts"), 0);
    assert_eq!((status(&source).ads, status(&source).gaps.of(GapReason::Marked).seconds), (1, 2.0));
}

#[tokio::test]
async fn window_that_moves_past_is_a_gap_of_the_right_length() {
    for dates in [DateStyle::Zulu, DateStyle::Absent] {
        let origin = origin().await;
        let live = stream(5, LiveOptions { dates, ..LiveOptions::default() });
        let mut source = open(&origin.live("/a", &live));
        expect(&mut source, 2, 3).await;
        live.publish(12);
        let missed = gap(&mut source).await;
        assert_eq!((missed.reason, missed.seconds), (GapReason::Missed, 14.0));
        assert_eq!(missed.program_date_time, (dates == DateStyle::Zulu).then_some(1_700_000_010.0));
        expect(&mut source, 12, 5).await;
        assert_eq!(status(&source).gaps.of(GapReason::Missed).seconds, 14.0);
    }
}

#[tokio::test]
async fn master_playlist_resolves_to_its_audio_rendition() {
    let origin = origin().await;
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.4,mp4a.40.2\",RESOLUTION=1x1\nvideo/index.m3u8?t=1\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"mp4a.40.2\",NAME=\"audio_only\"\naudio/index.m3u8?token=a%2Fb+c==\n";
    origin.put("/m.m3u8", master, "application/vnd.apple.mpegurl");
    let live = stream(3, LiveOptions { query: "?q=%7Ex".to_owned(), ..LiveOptions::default() });
    origin.live("/audio", &live);
    let video = stream(3, LiveOptions { names: "v".to_owned(), ..LiveOptions::default() });
    origin.live("/video", &video);
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 0, 3).await;
    assert_eq!(status(&source).rendition.as_deref(), Some("audio_only"));
    let asked = origin.requests();
    let query = |path: &str| asked.iter().find(|asked| asked.path == path).map(|asked| asked.query.clone());
    assert_eq!(query("/audio/index.m3u8").as_deref(), Some("token=a%2Fb+c=="));
    assert_eq!(query("/audio/seg0.ts").as_deref(), Some("q=%7Ex"));
    let settings = HlsSettings { rendition: RenditionChoice::Index(0), ..fast_settings() };
    let mut source = HlsSource::open(&origin.url("/m.m3u8"), &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    assert_eq!(origin.request_count("/video/v0.ts"), 1);
}

#[tokio::test]
async fn separate_audio_rendition_is_found() {
    let origin = origin().await;
    let master = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Deutsch\",DEFAULT=YES,URI=\"audio/index.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.4,mp4a.40.2\",AUDIO=\"a\"\nvideo/index.m3u8\n";
    origin.put("/m.m3u8", master, "application/vnd.apple.mpegurl");
    origin.live("/audio", &stream(3, LiveOptions::default()));
    let mut source = open(&origin.url("/m.m3u8"));
    expect(&mut source, 0, 3).await;
    assert_eq!(status(&source).rendition.as_deref(), Some("Deutsch"));
}

#[tokio::test]
async fn reloads_block_on_a_low_latency_server() {
    let origin = origin().await;
    let live = stream(3, LiveOptions { low_latency: true, ..LiveOptions::default() });
    // Ordinary reloads happen once a minute, so only blocking reloads can be in time.
    let minute = Duration::from_secs(60);
    let settings = HlsSettings { reload: (minute, minute), ..fast_settings() };
    let mut source = HlsSource::open(&origin.live("/a", &live), &client(), settings).unwrap();
    expect(&mut source, 0, 3).await;
    for index in 3..10 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    let blocking = origin.requests().iter().filter(|asked| asked.query.starts_with("_HLS_msn=")).count();
    assert!(blocking >= 7, "{blocking}");
}

#[tokio::test]
async fn dropped_source_stops_requests() {
    let origin = origin().await;
    let mut source = open(&origin.live("/a", &stream(3, LiveOptions::default())));
    expect(&mut source, 0, 1).await;
    let mut status = source.status();
    drop(source);
    // The task owns the sender of the status, so the channel closes when the task ends.
    let task_ended = async { while status.changed().await.is_ok() {} };
    tokio::time::timeout(TEST_TIMEOUT, task_ended).await.unwrap();
    let asked = origin.requests().len();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(origin.requests().len(), asked);
}

#[tokio::test]
async fn streams_of_one_process_share_a_client() {
    let origin = origin().await;
    let client = client();
    let live = stream(5, LiveOptions::default());
    let url = origin.live("/a", &live);
    let mut sources: Vec<_> =
        (0..20).map(|_| HlsSource::open(&url, &client, fast_settings()).unwrap()).collect();
    for source in &mut sources {
        expect(source, 2, 3).await;
    }
    origin.fault("/a/seg7.ts", Fault::Late(Duration::from_millis(300)), Times::First(1));
    live.publish(3);
    for source in &mut sources {
        expect(source, 5, 3).await;
    }
}
