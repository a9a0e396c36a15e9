//! Times and numbers of the segments of a representation: arithmetic in ticks of its timescale.

use super::mpd::{SegmentInfo, TimelineEntry};

/// Consecutive segments of equal duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentRun {
    /// Media time of the first segment, ticks.
    pub(super) start: u64,
    /// Duration of each segment, ticks; at least 1.
    pub(super) ticks: u64,
    pub(super) count: u64,
    /// Number of the first segment.
    pub(super) number: u64,
}

/// Time and number of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentTime {
    pub(super) start: u64,
    pub(super) ticks: u64,
    pub(super) number: u64,
}

/// The part of a period whose segments are listed. All times are media times in ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunBounds {
    /// Segments that end at or before this time are left out.
    pub(super) from: u64,
    /// End of the period; `None` if it is not known yet. Segments that begin at or after it are left out.
    pub(super) end: Option<u64>,
    /// Time up to which segments are complete, by the clock; `None` for a recording.
    pub(super) complete: Option<u64>,
    /// Latest end of a segment that the timeline lists explicitly; `None` for no limit.
    pub(super) listed: Option<u64>,
    /// Shortest part of a segment before the end of the period, ticks. Rounded ends of periods would otherwise add a
    /// segment that does not exist.
    pub(super) min_ticks: u64,
}

/// Returns the segments of `info` within the bounds, in order.
pub(super) fn runs(info: &SegmentInfo, bounds: &RunBounds) -> Vec<SegmentRun> {
    let number = info.start_number.unwrap_or(1);
    let all = match (&info.timeline, info.duration) {
        (Some(timeline), _) => timeline_runs(timeline, number, bounds),
        (None, Some(ticks)) if ticks > 0 => {
            let start = info.offset.unwrap_or_default();
            let count = open_count(start, ticks, bounds);
            vec![SegmentRun { start, ticks, count, number }]
        }
        _ => Vec::new(),
    };
    let last_number = info.end_number.unwrap_or(u64::MAX);
    all.into_iter().filter_map(|run| run.clip(bounds, last_number)).collect()
}

fn timeline_runs(timeline: &[TimelineEntry], mut number: u64, bounds: &RunBounds) -> Vec<SegmentRun> {
    let mut all: Vec<SegmentRun> = Vec::with_capacity(timeline.len());
    let mut next_start = Some(0_u64);
    for (index, entry) in timeline.iter().enumerate() {
        // After the largest time, no further segment has a time.
        let Some(start) = entry.start.or(next_start) else { break };
        let following = timeline.get(index + 1).and_then(|next| next.start);
        let count = match (entry.repeats, following) {
            (Some(repeats), _) => repeats.saturating_add(1),
            // Until the next entry, which begins at the end of the last repetition.
            (None, Some(until)) => until.saturating_sub(start).div_ceil(entry.ticks),
            (None, None) => open_count(start, entry.ticks, bounds),
        };
        let run = SegmentRun { start, ticks: entry.ticks, count, number };
        number = number.saturating_add(count);
        next_start = entry.ticks.checked_mul(count).and_then(|ticks| start.checked_add(ticks));
        // A timeline that goes back would list segments twice.
        while let Some(before) = all.last_mut() {
            before.count = before.count.min(start.saturating_sub(before.start).div_ceil(before.ticks));
            if before.count > 0 {
                break;
            }
            all.pop();
        }
        let is_open = entry.repeats.is_none();
        all.push(if is_open { run } else { run.until(bounds.listed) });
    }
    all
}

/// Returns the number of segments from `start` to the end of the period, or to the last complete one.
fn open_count(start: u64, ticks: u64, bounds: &RunBounds) -> u64 {
    let all =
        bounds.end.map(|end| end.saturating_sub(bounds.min_ticks).saturating_sub(start).div_ceil(ticks));
    let complete = bounds.complete.map(|complete| match bounds.end {
        // The last segment can be shorter: it is complete at the end of the period.
        Some(end) if complete >= end => u64::MAX,
        _ => complete.saturating_sub(start) / ticks,
    });
    match (all, complete) {
        (Some(all), Some(complete)) => all.min(complete),
        (Some(count), None) | (None, Some(count)) => count,
        // A recording without an end cannot be listed.
        (None, None) => 0,
    }
}

impl SegmentRun {
    /// Leaves out segments that end after `limit`, if there is a limit.
    fn until(self, limit: Option<u64>) -> Self {
        let fits = limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.start) / self.ticks);
        Self { count: self.count.min(fits), ..self }
    }

    /// Leaves out segments outside the bounds, and those with a number above `last_number`. Returns `None` if none is
    /// left.
    fn clip(self, bounds: &RunBounds, last_number: u64) -> Option<Self> {
        let within = match bounds.end {
            Some(end) => end.saturating_sub(bounds.min_ticks).saturating_sub(self.start).div_ceil(self.ticks),
            None => u64::MAX,
        };
        let numbered = last_number.checked_sub(self.number)?.saturating_add(1);
        // Times and numbers are limited to 64 bits.
        let countable = (u64::MAX - self.start) / self.ticks;
        let countable = countable.min(u64::MAX - self.number);
        let count = self.count.min(within).min(numbered).min(countable);
        let skipped = bounds.from.saturating_sub(self.start) / self.ticks;
        let count = count.checked_sub(skipped).filter(|count| *count > 0)?;
        Some(Self { start: self.start + skipped * self.ticks, number: self.number + skipped, count, ..self })
    }
}

/// Returns the total number of segments.
pub(super) fn total(runs: &[SegmentRun]) -> u64 {
    runs.iter().fold(0, |sum, run| sum.saturating_add(run.count))
}

/// Returns the last `max` segments, in order.
pub(super) fn newest(runs: &[SegmentRun], max: u64) -> impl Iterator<Item = SegmentTime> {
    let mut skip = total(runs).saturating_sub(max);
    runs.iter().flat_map(move |run| {
        let skipped = skip.min(run.count);
        skip -= skipped;
        (skipped..run.count).map(|index| SegmentTime {
            start: run.start + index * run.ticks,
            ticks: run.ticks,
            number: run.number + index,
        })
    })
}
