//! Playlists of a day.

use std::fmt::Write as _;

use refrain_testkit::origin::{Fault, Times};

use super::*;

/// Number of segments before those of the test.
const OLD: u64 = 29_000;

/// Default size limit of playlists, with the short time limits of the tests.
fn settings() -> HlsSettings {
    let playlist = TransferLimits { total: TEST_TIMEOUT, ..HlsSettings::default().playlist };
    HlsSettings { playlist, ..fast_settings() }
}

/// Returns a playlist of [`OLD`] segments with signed names, which do not exist, and `count` segments after them.
fn day(count: u64, end: bool) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-TARGETDURATION:3\n");
    for index in 0..OLD {
        let _ = writeln!(text, "#EXTINF:3,\nold/{index}.ts?sig={}", "0123456789abcdef".repeat(4));
    }
    for index in 0..count {
        let _ = writeln!(text, "#EXTINF:2,\n{index}.ts");
    }
    text.push_str(if end { "#EXT-X-ENDLIST\n" } else { "" });
    text
}

#[tokio::test]
async fn event_playlist_of_a_day_is_followed_at_its_end() {
    let origin = origin().await;
    for index in 0..8 {
        origin.put(&format!("/a/{index}.ts"), content(index), "video/mp2t");
    }
    let put = |count, end| origin.put("/a/index.m3u8", day(count, end), "application/vnd.apple.mpegurl");
    put(3, false);
    let mut source = HlsSource::open(&origin.url("/a/index.m3u8"), &client(), settings()).unwrap();
    expect(&mut source, 0, 3).await;
    for count in 4..=6 {
        put(count, false);
        let next = segment(&mut source).await;
        assert_eq!((next.bytes, next.sequence), (content(count - 1), OLD + count - 1));
    }
    // A segment that fails once is still found in the part of the playlist that is kept.
    origin.fault("/a/6.ts", Fault::Status(503), Times::First(1));
    put(8, true);
    expect(&mut source, 6, 2).await;
    assert!(next(&mut source).await.is_none());
    let status = status(&source);
    assert_eq!((status.resets, status.gaps.total().count, status.playlist_errors), (0, 0, 0));
}

#[tokio::test]
async fn large_playlists_do_not_delay_other_streams() {
    let origin = origin().await;
    origin.put("/day/index.m3u8", day(0, false), "application/vnd.apple.mpegurl");
    let large: Vec<_> = (0..6)
        .map(|_| HlsSource::open(&origin.url("/day/index.m3u8"), &client(), settings()).unwrap())
        .collect();
    let live = stream(3, LiveOptions::default());
    let mut source = open(&origin.live("/a", &live));
    expect(&mut source, 0, 3).await;
    for index in 3..10 {
        live.publish(1);
        expect(&mut source, index, 1).await;
    }
    for source in &large {
        until(source, |status| status.playlist_loads >= 1).await;
    }
}
