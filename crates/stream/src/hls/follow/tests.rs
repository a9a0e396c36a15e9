//! Properties of the timeline and the planner.

use std::sync::Arc;

use proptest::prelude::*;
use url::Url;

use super::plan::{PlanItem, SegmentPlanner};
use super::timeline::{SegmentTimeline, Step};
use crate::hls::playlist::{MediaPlaylist, Playlist, parse};

/// Returns the duration of segment `index` in seconds. Adjacent segments have different durations.
fn seconds(index: u64) -> f64 {
    2.0 + (index % 3) as f64 / 4.0
}

fn start(index: u64) -> f64 {
    1_700_000_000.0 + (0..index).map(seconds).sum::<f64>()
}

/// Returns a playlist of the segments `from..until`. Their media sequence numbers begin at `first`. `dated` adds a date
/// to each segment, and `query` is the token in the URLs.
fn list(from: u64, until: u64, first: u64, dated: bool, query: u64) -> MediaPlaylist {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for index in from..until {
        if dated {
            let date =
                chrono::DateTime::from_timestamp_millis((start(index) * 1000.0).round() as i64).unwrap();
            text.push_str(&format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date.to_rfc3339()));
        }
        text.push_str(&format!("#EXTINF:{},\nseg{index}.ts?token={query}\n", seconds(index)));
    }
    match parse(text.as_bytes(), &Url::parse("http://h.example/x/l.m3u8").unwrap()) {
        Ok(Playlist::Media(list)) => list,
        other => panic!("{other:?}"),
    }
}

/// Returns the numbers in the names of the segments, and the total duration of the segments and gaps in seconds.
fn names(steps: &[Step]) -> (Vec<u64>, f64) {
    let mut indices = Vec::new();
    let mut media = 0.0;
    for step in steps {
        match step {
            Step::Gap(gap) => media += gap.seconds,
            Step::HlsSegment(segment) => {
                let name =
                    segment.url.path().strip_prefix("/x/seg").and_then(|name| name.strip_suffix(".ts"));
                indices.push(name.unwrap().parse().unwrap());
                media += segment.seconds;
            }
        }
    }
    (indices, media)
}

/// Change that a server makes between two loads.
#[derive(Debug, Clone)]
enum Event {
    /// The server adds this number of segments.
    Add(u64),
    /// The next load returns a copy that is older by this number of segments.
    Old(u64),
    /// The playlist of the next load has the media sequence number 0.
    Forget,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..4_u64).prop_map(Event::Add),
        1 => (1..4_u64).prop_map(Event::Old),
        1 => Just(Event::Forget),
    ];
    prop::collection::vec(event, 1..60)
}

const WINDOW: u64 = 10;

proptest! {
    #[test]
    fn every_segment_is_taken_once_and_in_order(events in events(), dated: bool, first in 0..1000_u64) {
        let mut timeline = SegmentTimeline::default();
        let mut taken = Vec::new();
        let mut published = 10;
        // Segments that leave the window before a load lists them are not the subject of this test.
        let mut shown = 10;
        for (query, event) in (0..).zip([Event::Add(0)].into_iter().chain(events).chain([Event::Add(0)])) {
            let (mut until, mut forget) = (published, false);
            match event {
                Event::Add(count) => until += count,
                Event::Old(back) => until = until.saturating_sub(back).max(1),
                Event::Forget => forget = true,
            }
            published = published.max(until);
            let from = until.saturating_sub(WINDOW);
            let number = if forget { 0 } else { first + from };
            let advance = timeline.advance(&list(from, until, number, dated, query), 3, false);
            prop_assert!(!advance.reset);
            prop_assert!(advance.stale == (until < shown) || forget, "{} of {}", until, shown);
            shown = shown.max(until);
            taken.extend(names(&advance.steps).0);
        }
        prop_assert_eq!(taken, (7..published).collect::<Vec<_>>());
    }

    #[test]
    fn gaps_have_the_length_of_the_missed_segments(steps in prop::collection::vec(0..40_u64, 1..40), dated: bool) {
        let mut timeline = SegmentTimeline::default();
        let mut published = 10;
        let (mut delivered, mut media) = (Vec::new(), 0.0);
        for added in [0].into_iter().chain(steps) {
            published += added;
            let advance = timeline.advance(&list(published - WINDOW, published, published - WINDOW, dated, 0), 3, false);
            let (indices, seconds) = names(&advance.steps);
            delivered.extend(indices);
            media += seconds;
        }
        prop_assert!(delivered.windows(2).all(|pair| pair[0] < pair[1]));
        let whole = start(published) - start(7);
        // Without dates the length is an estimate.
        let tolerance = if dated { 0.01 } else { whole * 0.05 };
        prop_assert!((media - whole).abs() <= tolerance, "{} of {}", media, whole);
    }

    #[test]
    fn moving_to_another_server_repeats_nothing(added in 0..6_u64, offset in 0..100_000_u64, renamed: bool) {
        let mut timeline = SegmentTimeline::default();
        timeline.advance(&list(0, 10, 0, true, 0), 3, false);
        let mut other = list(added, 10 + added, offset, true, 1);
        if renamed {
            for segment in &mut other.segments {
                segment.url.set_path(&format!("/y{}", segment.url.path().replace("seg", "x")));
            }
        }
        let advance = timeline.advance(&other, 3, true);
        let count = advance.steps.iter().filter(|step| matches!(step, Step::HlsSegment(_))).count();
        prop_assert_eq!(count as u64, added);
    }
}

proptest! {
    #[test]
    fn another_rendition_continues_at_its_dates(added in 0..40_u64, offset in 0..100_u64) {
        let mut timeline = SegmentTimeline::default();
        timeline.advance(&list(0, 10, 0, true, 0), 3, false);
        timeline.is_other_rendition = true;
        let mut other = list(added, 10 + added, offset, true, 1);
        for segment in &mut other.segments {
            segment.url.set_path(&format!("/y{}", segment.url.path().replace("seg", "x")));
        }
        let advance = timeline.advance(&other, 3, true);
        let media: f64 = advance.steps.iter().map(|step| match step {
            Step::Gap(gap) => gap.seconds,
            Step::HlsSegment(segment) => segment.seconds,
        }).sum();
        let expected = start(10 + added) - start(10);
        prop_assert!((media - expected).abs() < 0.01, "{media} of {expected}");
        prop_assert!(!advance.reset);
    }
}

#[test]
fn memory_does_not_grow_with_the_length_of_a_stream() {
    let mut timeline = SegmentTimeline::default();
    for published in 10..18_000 {
        let advance = timeline.advance(&list(published - 5, published, published - 5, false, 0), 1, false);
        assert_eq!(advance.steps.len(), 1);
    }
    assert!(timeline.remembered() <= 256);
}

#[test]
fn a_restart_with_the_same_numbers_and_names_is_detected() {
    let mut timeline = SegmentTimeline::default();
    for published in 5..100 {
        timeline.advance(&list(published - 5, published, published - 5, false, 0), 1, false);
    }
    let mut resets = Vec::new();
    let mut taken = 0;
    for published in 6..40 {
        let advance = timeline.advance(&list(published - 5, published, published - 5, false, 0), 1, false);
        resets.extend(advance.reset.then_some(published));
        taken += advance.steps.len();
    }
    // The restart is detected with the ninth advance of the older copy: the window of five and OLDER_SLACK are
    // exceeded.
    assert_eq!((resets, taken), (vec![15], 29));
}

#[test]
fn inaccurate_dates_are_ignored_if_numbers_and_names_match() {
    let mut timeline = SegmentTimeline::default();
    let mut taken = 0;
    for published in 5..100_u64 {
        let mut wavering = list(published - 5, published, published - 5, true, 0);
        for segment in &mut wavering.segments {
            segment.program_date_time =
                segment.program_date_time.map(|date| date + (published % 7) as f64 * 3.0);
        }
        let advance = timeline.advance(&wavering, 1, false);
        assert!(!advance.reset && !advance.stale);
        taken += advance.steps.len();
    }
    assert_eq!(taken, 95);
}

#[test]
fn reused_names_are_new_segments() {
    let mut timeline = SegmentTimeline::default();
    let mut taken = 0;
    for published in 5..200_u64 {
        let mut round = list(published - 5, published, published - 5, false, 0);
        for segment in &mut round.segments {
            segment.url.set_path(&format!("/x/seg{}.ts", segment.sequence % 7));
        }
        let advance = timeline.advance(&round, 1, false);
        assert!(!advance.reset);
        taken += advance.steps.len();
    }
    assert_eq!(taken, 195);
}

#[test]
fn a_discontinuity_among_missed_segments_is_marked() {
    let mut timeline = SegmentTimeline::default();
    timeline.advance(&list(0, 5, 0, false, 0), 1, false);
    let mut later = list(10, 15, 10, false, 0);
    for segment in &mut later.segments {
        segment.discontinuity_sequence = 1;
    }
    let advance = timeline.advance(&later, 1, false);
    let marks: Vec<bool> =
        advance.steps.iter().map(|step| matches!(step, Step::HlsSegment(s) if s.discontinuity)).collect();
    assert_eq!(marks, [false, true, false, false, false, false]);
}

/// Backlogs of the segments and parts that are planned when a playlist is loaded.
fn backlogs(planner: &mut SegmentPlanner, list: &MediaPlaylist) -> Vec<Option<f64>> {
    let planned = planner.take(list, false, false).planned;
    let backlog = |planned: PlanItem| match planned {
        PlanItem::HlsSegment(due) | PlanItem::Part(due) => Some(due.backlog),
        _ => None,
    };
    planned.into_iter().filter_map(backlog).collect()
}

#[test]
fn the_backlog_is_the_media_listed_after_the_segment() {
    let mut planner = SegmentPlanner::new(Arc::default());
    let behind = |index: u64| Some(start(10) - start(index + 1));
    assert_eq!(backlogs(&mut planner, &list(0, 10, 0, false, 0)), [behind(7), behind(8), Some(0.0)]);
    assert_eq!(backlogs(&mut planner, &list(1, 11, 1, false, 0)), [Some(0.0)]);
    // The playlist was not loaded for a while.
    assert_eq!(backlogs(&mut planner, &list(3, 13, 3, false, 0)), [Some(seconds(12)), Some(0.0)]);
}

#[test]
fn parts_count_in_the_backlog() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:7\n\
        #EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n#EXT-X-PART:DURATION=0.5,URI=\"c0.ts\"\n#EXT-X-PART:DURATION=0.25,URI=\"c1.ts\"\n";
    let url = Url::parse("http://h.example/l.m3u8").unwrap();
    let Ok(Playlist::Media(list)) = parse(text.as_bytes(), &url) else { panic!() };
    let mut planner = SegmentPlanner::new(Arc::default());
    assert_eq!(backlogs(&mut planner, &list), [2.75, 0.75, 0.25, 0.0].map(Some));
}

#[test]
fn a_recording_has_no_backlog() {
    let mut list = list(0, 4, 0, false, 0);
    list.end = true;
    assert_eq!(backlogs(&mut SegmentPlanner::new(Arc::default()), &list), [None; 4]);
}
