//! Laws of the times and numbers of segments.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::dash::mpd::{SegmentInfo, TimelineEntry};
use crate::dash::runs::{RunBounds, newest, runs};

fn entries() -> impl Strategy<Value = Vec<TimelineEntry>> {
    let start = prop::option::weighted(0.2, prop_oneof![0..2_000_u64, Just(u64::MAX)]);
    let ticks = prop_oneof![1..50_u64, Just(u64::MAX)];
    let repeats =
        prop::option::weighted(0.8, prop_oneof![0..6_u64, Just(u64::from(u32::MAX)), Just(u64::MAX)]);
    prop::collection::vec((start, ticks, repeats), 0..20).prop_map(|all| {
        all.into_iter().map(|(start, ticks, repeats)| TimelineEntry { start, ticks, repeats }).collect()
    })
}

fn bounds() -> impl Strategy<Value = RunBounds> {
    let limit = || prop::option::of(0..3_000_u64);
    (0..500_u64, limit(), limit(), limit(), 0..3_u64).prop_map(|(from, end, complete, listed, min_ticks)| {
        RunBounds { from, end, complete, listed, min_ticks }
    })
}

proptest! {
    #[test]
    fn segments_are_in_order_and_within_the_bounds(
        entries in entries(), bounds in bounds(), number in prop_oneof![0..10_u64, Just(u64::MAX - 1)]
    ) {
        let info = SegmentInfo { timeline: Some(entries.into()), start_number: Some(number), ..SegmentInfo::default() };
        let listed: Vec<_> = newest(&runs(&info, &bounds), 1_000).collect();
        for pair in listed.windows(2) {
            prop_assert!(pair[0].start < pair[1].start, "{pair:?}");
            prop_assert!(pair[0].number < pair[1].number, "{pair:?}");
        }
        for segment in &listed {
            prop_assert!(segment.start.saturating_add(segment.ticks) > bounds.from);
            prop_assert!(bounds.end.is_none_or(|end| segment.start < end));
        }
    }

    /// An entry with repetitions lists the same segments as the same entries one by one, and as an entry that is
    /// repeated until the end of the period.
    #[test]
    fn repetitions_equal_single_entries(start in 0..1_000_u64, ticks in 1..100_u64, count in 1..50_u64) {
        let bounds = RunBounds { from: 0, end: Some(start + ticks * count), complete: None, listed: None, min_ticks: 0 };
        let list = |entries: Vec<TimelineEntry>| {
            let info = SegmentInfo { timeline: Some(entries.into()), ..SegmentInfo::default() };
            newest(&runs(&info, &bounds), 1_000).collect::<Vec<_>>()
        };
        let entry = |start, repeats| TimelineEntry { start, ticks, repeats };
        let repeated = list(vec![entry(Some(start), Some(count - 1))]);
        let single = (0..count).map(|index| entry((index == 0).then_some(start), Some(0))).collect();
        prop_assert_eq!(repeated.len() as u64, count);
        prop_assert_eq!(&repeated, &list(single));
        prop_assert_eq!(&repeated, &list(vec![entry(Some(start), None)]));
    }

    /// Whatever the loads of a live timeline show, each segment has one number, and no number is left out.
    #[test]
    fn numbers_are_the_same_in_all_loads(
        ticks in prop::collection::vec(5..40_u64, 60), steps in prop::collection::vec((0..3_usize, 3..9_usize), 1..20)
    ) {
        let starts: Vec<u64> = ticks.iter().scan(0, |sum, ticks| { let start = *sum; *sum += ticks; Some(start) }).collect();
        let presentation = Presentation::default();
        let (mut first, mut end) = (0_usize, 3_usize);
        let mut offset = None;
        for (index, (more, window)) in steps.into_iter().enumerate() {
            end = (end + more).min(ticks.len());
            first = end.saturating_sub(window).max(first).min(end - 1);
            let mut entries = String::new();
            for at in first..end {
                let _ = write!(entries, "<S t=\"{}\" d=\"{}\"/>", starts[at], ticks[at]);
            }
            let text = manifest("type=\"dynamic\"", &period("start=\"PT0S\"", &timeline(&entries, 0)));
            match index {
                0 => drop(presentation.begin(loaded(&text), &RenditionChoice::Automatic, None).unwrap()),
                _ => presentation.update(loaded(&text)),
            }
            let list = at(&presentation, 250.0);
            prop_assert_eq!(list.segments.len(), end - first);
            // Steps are shorter than windows, so that consecutive loads overlap.
            let base = *offset.get_or_insert(list.media_sequence - first as u64);
            prop_assert_eq!(list.media_sequence, base + first as u64);
        }
    }
}
