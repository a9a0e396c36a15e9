//! Numbers of segments that are consistent across all loads of a manifest.
//!
//! DASH has no media sequence numbers: `$Number$` restarts in each period, and a `SegmentTimeline` has only times. So the
//! time of a segment identifies it, and the stored times of earlier loads give the listed segments their numbers.

use std::collections::VecDeque;

use super::segments::DashSegment;

/// Number of stored segments: more than a live manifest lists, so that an older copy is recognized. At half this value,
/// a manifest that was not loaded for half an hour restarts the numbers; at twice this value, a stream needs 80 kB
/// more.
const MAX_STORED_SEGMENTS: usize = 4_096;

/// Number of the first listed segment of a stream. It is above 0, so that an older copy of the manifest, which lists
/// segments before it, has numbers too. Half or twice this value changes nothing.
const FIRST_NUMBER: u64 = 1 << 20;

/// Number of consecutive manifests that list only segments older than all stored ones until the presentation counts as
/// restarted. At half this value, two older copies of a manifest restart a stream; at twice this value, a real restart
/// is noticed three loads later.
const MAX_OLDER_LISTS: u32 = 3;

/// The numbers of the listed segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListNumbers {
    /// Number of the first segment of the list; the others follow it.
    pub(super) first: u64,
    /// Number of changes of the period before the first segment of the list.
    pub(super) discontinuities: u64,
    /// True if the first segment does not continue the stored ones.
    pub(super) is_restart: bool,
}

/// The stored segments.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbering {
    stored: VecDeque<StoredSegment>,
    older_lists: u32,
}

#[derive(Debug, Clone, Copy)]
struct StoredSegment {
    /// Date of the start, or time in the presentation, seconds.
    start: f64,
    seconds: f64,
    number: u64,
    discontinuities: u64,
}

impl StoredSegment {
    fn end(&self) -> f64 {
        self.start + self.seconds
    }
}

impl Numbering {
    /// Returns the numbers of the segments `list`, which are in order of time, and stores those that are new. `origin`
    /// is the date to which their times are relative. Returns `None` if the list is an older copy that shares no
    /// segment with the stored ones.
    pub(super) fn number(&mut self, list: &[DashSegment], origin: f64) -> Option<ListNumbers> {
        let first = list.first()?;
        let known = list.iter().enumerate().find_map(|(index, segment)| {
            let stored = self.find(origin + segment.start, segment.seconds)?;
            Some((index, *stored))
        });
        let numbers = match (known, self.stored.back().copied()) {
            (Some((index, stored)), _) => {
                let changes = changes(list.get(..=index).unwrap_or_default());
                ListNumbers {
                    first: stored.number.saturating_sub(index as u64),
                    discontinuities: stored.discontinuities.saturating_sub(changes),
                    is_restart: false,
                }
            }
            (None, None) => ListNumbers { first: FIRST_NUMBER, discontinuities: 0, is_restart: false },
            (None, Some(last)) => {
                let ahead = origin + first.start - last.end();
                let is_older = ahead < -first.seconds.max(0.1) / 2.0;
                if is_older && self.older_lists < MAX_OLDER_LISTS {
                    self.older_lists += 1;
                    return None;
                }
                if is_older {
                    self.stored.clear();
                }
                // The segments in between were missed.
                let missed = if is_older { 0.0 } else { (ahead / first.seconds.max(0.1)).round().max(0.0) };
                ListNumbers {
                    first: last.number.saturating_add(1).saturating_add(missed as u64),
                    discontinuities: last.discontinuities.saturating_add(u64::from(is_older)),
                    is_restart: is_older,
                }
            }
        };
        self.older_lists = 0;
        self.store(list, origin, numbers);
        Some(numbers)
    }

    /// Returns the stored segment with this start, within half a segment.
    fn find(&self, start: f64, seconds: f64) -> Option<&StoredSegment> {
        let after = self.stored.partition_point(|stored| stored.start < start);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let mut near = near.filter_map(|index| self.stored.get(index));
        near.find(|stored| (stored.start - start).abs() < stored.seconds.min(seconds) / 2.0)
    }

    fn store(&mut self, list: &[DashSegment], origin: f64, numbers: ListNumbers) {
        let mut discontinuities = numbers.discontinuities;
        let mut period = list.first().map(|first| first.period);
        for (index, segment) in list.iter().enumerate() {
            discontinuities += u64::from(period.replace(segment.period) != Some(segment.period));
            let start = origin + segment.start;
            let is_new = self.stored.back().is_none_or(|last| start > last.start + last.seconds / 2.0);
            if !is_new {
                continue;
            }
            if self.stored.len() >= MAX_STORED_SEGMENTS {
                self.stored.pop_front();
            }
            let number = numbers.first.saturating_add(index as u64);
            self.stored.push_back(StoredSegment { start, seconds: segment.seconds, number, discontinuities });
        }
    }
}

/// Returns the number of changes of the period in a list.
fn changes(list: &[DashSegment]) -> u64 {
    list.windows(2).filter(|pair| pair.first().map(|s| s.period) != pair.last().map(|s| s.period)).count()
        as u64
}
