//! Playlists that violate the specification.

use refrain_testkit::origin::{Fault, Times};

use super::faults::start_stream;
use super::*;

#[tokio::test]
async fn outdated_playlists_repeat_nothing() {
    let (_origin, live, mut source) = start_stream(LiveOptions::default()).await;
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
async fn constant_media_sequence_repeats_nothing() {
    let options = LiveOptions { declared_sequence: Some(77), ..LiveOptions::default() };
    let (_origin, live, mut source) = start_stream(options).await;
    for index in 5..20 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    assert_eq!((status(&source).resets, status(&source).gaps.total().count), (0, 0));
}

#[tokio::test]
async fn temporarily_missing_tags_lose_no_audio() {
    let (_origin, live, mut source) =
        start_stream(LiveOptions { first_sequence: 500, ..LiveOptions::default() }).await;
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
async fn restarted_stream_is_followed_from_its_new_start() {
    for names in ["again", "seg"] {
        let before = LiveOptions { first_sequence: 5000, ..LiveOptions::default() };
        let (origin, _live, mut source) = start_stream(before).await;
        let restarted =
            LiveOptions { names: names.to_owned(), epoch: 1_700_005_000.0, ..LiveOptions::default() };
        let restarted = stream(3, restarted);
        origin.live("/a", &restarted);
        let first = segment(&mut source).await;
        assert_eq!((first.bytes, first.discontinuity, first.sequence), (content(0), true, 0), "{names}");
        expect(&mut source, 1, 2).await;
        restarted.publish(1);
        expect(&mut source, 3, 1).await;
        assert_eq!((status(&source).resets, status(&source).gaps.total().count), (1, 0));
    }
}

/// Serves a live playlist without dates, whose segments have the media sequence numbers from `first` on. `uri` returns
/// the URI of each of the segments `indices`.
fn put_playlist(origin: &Origin, first: u64, indices: std::ops::Range<u64>, uri: impl Fn(u64) -> String) {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for index in indices {
        text.push_str(&format!("#EXTINF:2,\n{}\n", uri(index)));
    }
    origin.put("/a/index.m3u8", text, "application/vnd.apple.mpegurl");
}

#[tokio::test]
async fn restarted_stream_with_equal_file_names_is_followed_from_its_new_start() {
    let origin = origin().await;
    for index in 0..100 {
        origin.put(&format!("/a/{index}/media.ts"), content(index), "video/mp2t");
    }
    let uri = |index: u64| format!("{index}/media.ts");
    put_playlist(&origin, 1_450, 50..55, uri);
    let mut source = open(&origin.url("/a/index.m3u8"));
    expect(&mut source, 52, 3).await;
    for index in 55..62 {
        put_playlist(&origin, 1_400 + index - 4, index - 4..index + 1, uri);
        expect(&mut source, index, 1).await;
    }
    put_playlist(&origin, 0, 0..3, uri);
    let first = segment(&mut source).await;
    assert_eq!((first.bytes, first.discontinuity, first.sequence), (content(0), true, 0));
    expect(&mut source, 1, 2).await;
    for index in 3..10 {
        put_playlist(&origin, 0, 0..index + 1, uri);
        expect(&mut source, index, 1).await;
    }
    assert_eq!((status(&source).resets, status(&source).gaps.total().count), (1, 0));
}

#[tokio::test]
async fn one_absurd_duration_delays_no_load_and_no_later_time() {
    let ms = Duration::from_millis;
    let origin = origin().await;
    let live = stream(4, LiveOptions { dates_every: 1_000, ..LiveOptions::default() });
    // The target duration of 2 s must determine the pause: with the absurd one, it would be the time limit of the test.
    let settings = HlsSettings { reload: (ms(10), TEST_TIMEOUT * 2), ..fast_settings() };
    let url = origin.live("/a", &live);
    let absurd = live.playlist().replacen("#EXTINF:2.000000", "#EXTINF:47727.863189", 2);
    let absurd = absurd.replacen("47727.863189", "2.000000", 1).replace("DURATION:2\n", "DURATION:47728\n");
    assert!(absurd.contains("47728") && absurd.matches("47727").count() == 1);
    origin.fault("/a/index.m3u8", Fault::Instead(absurd.into()), Times::First(1));
    let mut source = HlsSource::open(&url, &client(), settings).unwrap();
    let mut dates = Vec::new();
    for index in 1..5 {
        if index == 4 {
            live.publish(1);
        }
        let segment = segment(&mut source).await;
        assert_eq!((&segment.bytes, segment.seconds), (&content(index), 2.0));
        dates.push(segment.program_date_time.unwrap() - 1_700_000_000.0);
    }
    assert_eq!(dates, [2.0, 4.0, 6.0, 8.0]);
}
