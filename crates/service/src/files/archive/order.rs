//! Chooses the next segment of a stream to process.

use super::progress::{ArchiveProgress, SegmentObject};

/// The next step in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SegmentStep<'a> {
    /// Process this segment, after a gap of this number of missing segments.
    Process(&'a SegmentObject, u64),
    /// Wait for a missing segment, while later ones exist.
    Missing,
    /// Wait, because no further segment exists.
    Nothing,
    /// The counter has restarted with this segment, which begins a new session.
    Restarted(&'a SegmentObject),
}

/// The start and the tolerances of a session, which are known before any segment was processed.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArchiveSession {
    /// Counter of the segment that the session was started with.
    pub(super) counter: u64,
    /// Time when that segment was written, in milliseconds since 1970.
    pub(super) at: i64,
    /// Maximum time by which segments of one session can be written out of order, in milliseconds.
    pub(super) spread_ms: i64,
    /// Two segments with no segment between them belong to different sessions if they were written more than this time
    /// apart, in milliseconds.
    pub(super) max_apart_ms: i64,
}

impl ArchiveSession {
    /// Returns the existing segment of the session with the lowest counter, or `None` if none exists. This can be an
    /// earlier segment than the one that the session was started with.
    fn first<'a>(&self, segments: &'a [SegmentObject]) -> Option<&'a SegmentObject> {
        let session_from =
            segments.iter().find(|segment| segment.counter == self.counter && segment.at >= self.at);
        let recent =
            || segments.iter().filter(|segment| segment.at >= self.at.saturating_sub(self.spread_ms));
        let mut first = session_from.or_else(|| recent().min_by_key(|segment| segment.counter))?;
        let before = |of: &SegmentObject| {
            let lower = segments.iter().filter(|segment| segment.counter < of.counter);
            lower.max_by_key(|segment| segment.counter)
        };
        while let Some(earlier) = before(first)
            && (first.at.saturating_sub(self.max_apart_ms)..=first.at.saturating_add(self.spread_ms))
                .contains(&earlier.at)
        {
            first = earlier;
        }
        Some(first)
    }
}

/// Returns the next step in a session; `progress` is `None` before the first segment. Segments that were written long
/// before the start of the session belong to an earlier session and are ignored. Segments that were skipped are not
/// processed later. If `is_waiting` is false, a missing segment is skipped.
pub(super) fn next<'a>(
    segments: &'a [SegmentObject],
    progress: Option<&ArchiveProgress>,
    session: &ArchiveSession,
    is_waiting: bool,
) -> SegmentStep<'a> {
    let Some(progress) = progress else {
        return match session.first(segments) {
            Some(first) if first.counter == 0 || !is_waiting => SegmentStep::Process(first, 0),
            // Earlier segments may still arrive.
            Some(_) => SegmentStep::Missing,
            None => SegmentStep::Nothing,
        };
    };
    let since = progress.since.saturating_sub(session.spread_ms);
    let recent = || segments.iter().filter(|segment| segment.at >= since);
    let following =
        recent().filter(|segment| segment.counter > progress.last).min_by_key(|segment| segment.counter);
    // A late segment from before the first one, or one that was skipped, does not begin a new session.
    let restarts = |segment: &&SegmentObject| {
        let was_processed = (progress.first..=progress.last).contains(&segment.counter);
        segment.at > progress.newest
            && (was_processed || segment.counter == 0)
            && !progress.was_skipped(segment.counter)
    };
    let restarted = recent()
        .filter(|segment| segment.counter <= progress.last)
        .filter(restarts)
        .min_by_key(|segment| segment.counter);
    match (following, restarted) {
        (Some(next), Some(restarted)) if restarted.at < next.at => SegmentStep::Restarted(restarted),
        (Some(next), _) if next.counter == progress.last + 1 => SegmentStep::Process(next, 0),
        (Some(next), _) if !is_waiting => SegmentStep::Process(next, next.counter - progress.last - 1),
        (Some(_), _) => SegmentStep::Missing,
        (None, Some(restarted)) => SegmentStep::Restarted(restarted),
        (None, None) => SegmentStep::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPREAD: i64 = 60_000;

    fn segment(counter: u64, at: i64) -> SegmentObject {
        SegmentObject { counter, key: format!("x.{counter:06}.ts"), at }
    }

    fn session_from(counter: u64, at: i64) -> ArchiveSession {
        ArchiveSession { counter, at, spread_ms: SPREAD, max_apart_ms: 300_000 }
    }

    fn progress(first: u64, last: u64, since: i64, newest: i64) -> ArchiveProgress {
        ArchiveProgress { first, last, since, newest, seconds: 10.0, skipped: Vec::new() }
    }

    #[test]
    fn session_begins_with_its_first_existing_segment() {
        let of = |all: &[SegmentObject], session, is_waiting| match next(all, None, &session, is_waiting) {
            SegmentStep::Process(first, 0) => Some(first.counter),
            SegmentStep::Missing => None,
            other => panic!("{other:?}"),
        };
        let all = [segment(3, 1_000), segment(1, 2_000)];
        assert_eq!(
            (of(&all, session_from(3, 1_000), true), of(&all, session_from(3, 1_000), false)),
            (None, Some(1))
        );
        let hours: Vec<_> = (0..500).map(|k| segment(k, k as i64 * 60_000)).collect();
        assert_eq!(
            of(&hours, session_from(400, 400 * 60_000), true),
            Some(0),
            "independent of the segment that started the session"
        );
        let two = [segment(0, 0), segment(6, 0), segment(7, 400_000), segment(8, 460_000)];
        assert_eq!(
            of(&two, session_from(8, 460_000), false),
            Some(7),
            "segments before it belong to an earlier session"
        );
        assert_eq!(next(&[], None, &session_from(0, 0), false), SegmentStep::Nothing);
    }

    #[test]
    fn missing_segment_is_awaited_then_skipped() {
        let all = [segment(1, 0), segment(2, 0), segment(5, 0), segment(6, 0)];
        let processed = progress(1, 2, 0, 0);
        assert_eq!(next(&all, Some(&processed), &session_from(0, 0), true), SegmentStep::Missing);
        assert_eq!(
            next(&all, Some(&processed), &session_from(0, 0), false),
            SegmentStep::Process(&all[2], 2)
        );
    }

    #[test]
    fn restarted_counter_begins_a_new_session() {
        let old: Vec<_> = (0..100).map(|k| segment(k, k as i64 * 1_000)).collect();
        let processed = progress(0, 99, 0, 99_000);
        let mut all = old.clone();
        assert_eq!(next(&all, Some(&processed), &session_from(0, 0), true), SegmentStep::Nothing);
        all[0].at = 500_000;
        assert_eq!(next(&all, Some(&processed), &session_from(0, 0), true), SegmentStep::Restarted(&all[0]));
        // The result is the same if the new session has a higher counter than the old one before the next listing.
        all = (0..=100).map(|k| segment(k, 500_000 + k as i64 * 1_000)).collect();
        assert_eq!(next(&all, Some(&processed), &session_from(0, 0), true), SegmentStep::Restarted(&all[0]));
        // In the new session, the remaining segments of the old one are ignored.
        let mut all = old;
        all[0].at = 500_000;
        assert_eq!(
            next(&all, Some(&progress(0, 0, 500_000, 500_000)), &session_from(0, 500_000), false),
            SegmentStep::Nothing
        );
    }

    #[test]
    fn late_segments_begin_no_new_session() {
        let processed = ArchiveProgress::after(Some(progress(3, 4, 3_000, 4_000)), &segment(7, 9_000), 20.0);
        let late = [segment(2, 20_000), segment(5, 20_000), segment(6, 20_000)];
        assert_eq!(next(&late, Some(&processed), &session_from(0, 0), false), SegmentStep::Nothing);
    }

    proptest! {
        /// In any order of arrival, each segment is processed once and in order.
        #[test]
        fn arrival_order_is_irrelevant(arrival in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle(), first in 0..3_u64) {
            let (mut there, mut processed, mut so_far) = (Vec::new(), Vec::new(), None::<ArchiveProgress>);
            let session = session_from(first + arrival[0], 0);
            for (time, counter) in arrival.iter().enumerate() {
                there.push(segment(first + counter, time as i64 * 1_000));
                let last = time == 11;
                while let SegmentStep::Process(next, 0) = next(&there, so_far.as_ref(), &session, !last) {
                    processed.push(next.counter);
                    so_far = Some(ArchiveProgress::after(so_far.take(), next, processed.len() as f64));
                }
            }
            prop_assert_eq!(processed, (first..first + 12).collect::<Vec<_>>());
        }
    }
}
