//! Playlists that violate the specification.

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
