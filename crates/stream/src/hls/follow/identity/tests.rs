//! Restarts of encoders that are visible only in a part of the URIs, and parts that change without a restart.

use std::ops::Range;

use url::Url;

use crate::hls::follow::timeline::{Advance, SegmentTimeline};
use crate::hls::playlist::{MediaPlaylist, Playlist, parse};

/// Returns a playlist without dates. The media sequence numbers begin at `first`, and `uri` returns the URI of a segment
/// from its index.
fn list(first: u64, indices: Range<u64>, uri: impl Fn(u64) -> String) -> MediaPlaylist {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for index in indices {
        text.push_str(&format!("#EXTINF:2,\n{}\n", uri(index)));
    }
    match parse(text.as_bytes(), &Url::parse("http://h.example/x/l.m3u8").unwrap()) {
        Ok(Playlist::Media(list)) => list,
        other => panic!("{other:?}"),
    }
}

fn advance(timeline: &mut SegmentTimeline, list: &MediaPlaylist) -> (usize, bool) {
    let Advance { steps, reset, .. } = timeline.advance(list, 3, false);
    (steps.len(), reset)
}

/// Loads a playlist ten times, with one new segment in each load. The segments have the numbers from 100 on and the
/// indices from 0 on. `uri` returns the URI from the index and the load.
fn ten_loads(uri: impl Fn(u64, u64) -> String) -> SegmentTimeline {
    let mut timeline = SegmentTimeline::default();
    for load in 0..10 {
        let taken = advance(&mut timeline, &list(100 + load, load..load + 5, |index| uri(index, load)));
        assert_eq!(taken, (if load == 0 { 3 } else { 1 }, false), "load {load}");
    }
    timeline
}

#[test]
fn restart_with_other_folders_is_a_reset() {
    let mut timeline = ten_loads(|index, load| format!("{}/media.ts?token={load}", 1_400 + index));
    let restarted = |count, load| list(0, 0..count, |index| format!("{index}/media.ts?token={load}"));
    assert_eq!(advance(&mut timeline, &restarted(3, 10)), (3, true));
    assert_eq!(advance(&mut timeline, &restarted(3, 11)), (0, false));
    assert_eq!(advance(&mut timeline, &restarted(5, 12)), (2, false));
}

#[test]
fn restart_with_another_session_in_the_query_is_a_reset() {
    let mut timeline = ten_loads(|index, load| format!("seg{index}.ts?session=a&token={load}"));
    // The new list contains the name of the last segment, seg13.ts.
    let restarted = list(0, 10..16, |index| format!("seg{index}.ts?session=b&token=x"));
    assert_eq!(advance(&mut timeline, &restarted), (6, true));
}

#[test]
fn restart_with_another_run_folder_is_a_reset() {
    let mut timeline = ten_loads(|index, load| format!("tok{load}/run1/seg{index}.ts"));
    let restarted = list(0, 10..16, |index| format!("tokx/run2/seg{index}.ts"));
    assert_eq!(advance(&mut timeline, &restarted), (6, true));
}

#[test]
fn restart_with_other_folders_after_the_first_load_is_a_reset() {
    let mut timeline = SegmentTimeline::default();
    let named = |first, indices| list(first, indices, |index| format!("{index}/media.ts"));
    assert_eq!(advance(&mut timeline, &named(1_400, 1_400..1_405)), (3, false));
    assert_eq!(advance(&mut timeline, &named(0, 0..3)), (3, true));
    assert_eq!(advance(&mut timeline, &named(0, 0..4)), (1, false));
}

#[test]
fn parts_that_change_with_each_load_are_ignored_if_numbers_restart() {
    let uri = |index: u64, load: u64| format!("tok{load}/live/seg{index}.ts?sig={load}&e={}", load * 7);
    let mut timeline = ten_loads(uri);
    for load in 10..20 {
        // The playlist has no media sequence number any more.
        let taken = advance(&mut timeline, &list(0, load..load + 5, |index| uri(index, load)));
        assert_eq!(taken, (1, false), "load {load}");
    }
}

#[test]
fn token_that_changes_after_many_loads_is_not_a_restart() {
    let mut timeline = ten_loads(|index, _| format!("seg{index}.ts?token=a"));
    let renewed = |first, load: u64| list(first, load..load + 5, |index| format!("seg{index}.ts?token=b"));
    assert_eq!(advance(&mut timeline, &renewed(110, 10)), (1, false));
    // After the new token, an older copy and a playlist without numbers are recognized too.
    assert_eq!(advance(&mut timeline, &renewed(107, 7)), (0, false));
    assert_eq!(advance(&mut timeline, &renewed(0, 11)), (1, false));
}

#[test]
fn other_host_is_not_a_restart() {
    let mut timeline = ten_loads(|index, _| format!("http://a.example/live/seg{index}.ts"));
    let moved = list(0, 10..15, |index| format!("http://b.example/live/seg{index}.ts"));
    assert_eq!(advance(&mut timeline, &moved), (1, false));
}

#[test]
fn constant_numbers_with_equal_file_names_repeat_and_lose_nothing() {
    let mut timeline = SegmentTimeline::default();
    for load in 0..20 {
        let taken = advance(&mut timeline, &list(77, load..load + 5, |index| format!("{index}/media.ts")));
        assert_eq!(taken, (if load == 0 { 3 } else { 1 }, false), "load {load}");
    }
}

#[test]
fn parts_without_names_and_long_queries_are_compared() {
    // The query is a token without a name, and changes with each load.
    let uri = |index: u64, load: u64| format!("seg{index}.ts?{load:x}");
    let mut timeline = ten_loads(uri);
    assert_eq!(advance(&mut timeline, &list(0, 10..15, |index| uri(index, 10))), (1, false));
    let many: String = (0..200).map(|number| format!("&p{number}=1")).collect();
    let mut timeline = ten_loads(|index, _| format!("seg{index}.ts?{many}"));
    assert_eq!(advance(&mut timeline, &list(0, 10..15, |index| format!("seg{index}.ts?{many}"))), (1, false));
}
