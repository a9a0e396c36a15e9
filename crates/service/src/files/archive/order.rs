//! Decides which of the existing segments of a stream is processed next.

use serde::{Deserialize, Serialize};

/// An existing segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Number of the segment in the stream.
    pub(super) counter: u64,
    /// Key of its object.
    pub(super) key: String,
    /// Time when it was written, in milliseconds since 1970.
    pub(super) at: i64,
}

/// The processed part of a session. It is stored in the row of the stream, so that other processes can continue there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Counter of the first segment.
    pub(super) first: u64,
    /// Counter of the last segment.
    pub(super) last: u64,
    /// Time when the first segment was written, in milliseconds since 1970.
    pub(super) since: i64,
    /// Time when the most recently written segment was written, in milliseconds since 1970.
    pub(super) newest: i64,
    /// Duration of the session so far in seconds, gaps included.
    pub(super) seconds: f64,
}

impl Progress {
    /// Returns the progress after this segment, with which the session has a duration of `seconds`.
    pub(super) fn after(before: Option<Self>, heard: &Seen, seconds: f64) -> Self {
        let before = before.unwrap_or(Self {
            first: heard.counter,
            last: heard.counter,
            since: heard.at,
            newest: heard.at,
            seconds: 0.0,
        });
        Self { last: heard.counter, newest: before.newest.max(heard.at), seconds, ..before }
    }

    /// Returns the mean duration of a segment in seconds.
    pub(super) fn mean(&self) -> f64 {
        self.seconds / (self.last - self.first.min(self.last) + 1) as f64
    }
}

/// The next step in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// Process this segment, after this number of missing ones.
    Hear(&'a Seen, u64),
    /// Wait for a missing segment, while later ones exist.
    Missing,
    /// Wait, because no further segment exists.
    Nothing,
    /// The counter has restarted with this segment, which begins a new session.
    Again(&'a Seen),
}

/// The start and the tolerances of a session, which are known before any segment was processed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    /// Counter of the segment that the session was started with.
    pub(super) counter: u64,
    /// Time when that segment was written, in milliseconds since 1970.
    pub(super) at: i64,
    /// Time by which a segment may be written earlier than its counter suggests, in milliseconds.
    pub(super) spread: i64,
    /// Segments that were written further apart than this belong to two sessions, in milliseconds.
    pub(super) apart: i64,
}

impl Session {
    /// Returns the first existing segment of the session. The session may have been started with any of its segments.
    fn first<'a>(&self, segments: &'a [Seen]) -> Option<&'a Seen> {
        let told = segments.iter().find(|seen| seen.counter == self.counter && seen.at >= self.at);
        let fresh = || segments.iter().filter(|seen| seen.at >= self.at.saturating_sub(self.spread));
        let mut first = told.or_else(|| fresh().min_by_key(|seen| seen.counter))?;
        let before = |of: &Seen| {
            let lower = segments.iter().filter(|seen| seen.counter < of.counter);
            lower.max_by_key(|seen| seen.counter)
        };
        while let Some(earlier) = before(first)
            && (first.at.saturating_sub(self.apart)..=first.at.saturating_add(self.spread))
                .contains(&earlier.at)
        {
            first = earlier;
        }
        Some(first)
    }
}

/// Returns the next step in a session. Segments that were written long before its start belong to an earlier session. Those
/// in `given_up` were skipped as missing and are not processed any more. If `patient` is false, a missing segment is
/// skipped.
pub(super) fn next<'a>(
    segments: &'a [Seen],
    progress: Option<&Progress>,
    session: &Session,
    given_up: &[u64],
    patient: bool,
) -> Next<'a> {
    let Some(progress) = progress else {
        return match session.first(segments) {
            Some(first) if first.counter == 0 || !patient => Next::Hear(first, 0),
            // Earlier segments may still arrive.
            Some(_) => Next::Missing,
            None => Next::Nothing,
        };
    };
    let since = progress.since.saturating_sub(session.spread);
    let fresh = || segments.iter().filter(|seen| seen.at >= since);
    let behind = fresh().filter(|seen| seen.counter > progress.last).min_by_key(|seen| seen.counter);
    // A late segment from before the first one, or one that was skipped, does not begin a new session.
    let anew = |seen: &&Seen| {
        let was_heard = (progress.first..=progress.last).contains(&seen.counter);
        seen.at > progress.newest && (was_heard || seen.counter == 0) && !given_up.contains(&seen.counter)
    };
    let again =
        fresh().filter(|seen| seen.counter <= progress.last).filter(anew).min_by_key(|seen| seen.counter);
    match (behind, again) {
        (Some(next), Some(again)) if again.at < next.at => Next::Again(again),
        (Some(next), _) if next.counter == progress.last + 1 => Next::Hear(next, 0),
        (Some(next), _) if !patient => Next::Hear(next, next.counter - progress.last - 1),
        (Some(_), _) => Next::Missing,
        (None, Some(again)) => Next::Again(again),
        (None, None) => Next::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPREAD: i64 = 60_000;

    fn seen(counter: u64, at: i64) -> Seen {
        Seen { counter, key: format!("x.{counter:06}.ts"), at }
    }

    fn told(counter: u64, at: i64) -> Session {
        Session { counter, at, spread: SPREAD, apart: 300_000 }
    }

    fn progress(first: u64, last: u64, since: i64, newest: i64) -> Progress {
        Progress { first, last, since, newest, seconds: 10.0 }
    }

    #[test]
    fn session_begins_with_its_first_existing_segment() {
        let of = |all: &[Seen], session, patient| match next(all, None, &session, &[], patient) {
            Next::Hear(first, 0) => Some(first.counter),
            Next::Missing => None,
            other => panic!("{other:?}"),
        };
        let all = [seen(3, 1_000), seen(1, 2_000)];
        assert_eq!((of(&all, told(3, 1_000), true), of(&all, told(3, 1_000), false)), (None, Some(1)));
        let hours: Vec<_> = (0..500).map(|k| seen(k, k as i64 * 60_000)).collect();
        assert_eq!(
            of(&hours, told(400, 400 * 60_000), true),
            Some(0),
            "independent of the segment that started the session"
        );
        let two = [seen(0, 0), seen(6, 0), seen(7, 400_000), seen(8, 460_000)];
        assert_eq!(
            of(&two, told(8, 460_000), false),
            Some(7),
            "segments before it belong to an earlier session"
        );
        assert_eq!(next(&[], None, &told(0, 0), &[], false), Next::Nothing);
    }

    #[test]
    fn missing_segment_is_awaited_then_skipped() {
        let all = [seen(1, 0), seen(2, 0), seen(5, 0), seen(6, 0)];
        let heard = progress(1, 2, 0, 0);
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Missing);
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], false), Next::Hear(&all[2], 2));
    }

    #[test]
    fn restarted_counter_begins_a_new_session() {
        let old: Vec<_> = (0..100).map(|k| seen(k, k as i64 * 1_000)).collect();
        let heard = progress(0, 99, 0, 99_000);
        let mut all = old.clone();
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Nothing);
        all[0].at = 500_000;
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Again(&all[0]));
        // The same if the new session got beyond the old one between two listings.
        all = (0..=100).map(|k| seen(k, 500_000 + k as i64 * 1_000)).collect();
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Again(&all[0]));
        // In the new session, the remaining segments of the old one are ignored.
        let mut all = old;
        all[0].at = 500_000;
        assert_eq!(
            next(&all, Some(&progress(0, 0, 500_000, 500_000)), &told(0, 500_000), &[], false),
            Next::Nothing
        );
    }

    #[test]
    fn late_segments_begin_no_new_session() {
        let heard = progress(3, 9, 3_000, 9_000);
        let late = [seen(2, 20_000), seen(5, 20_000)];
        assert_eq!(next(&late, Some(&heard), &told(0, 0), &[5], false), Next::Nothing);
    }

    proptest! {
        /// In any order of arrival, each segment is processed once and in order.
        #[test]
        fn arrival_order_is_irrelevant(arrival in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle(), first in 0..3_u64) {
            let (mut there, mut heard, mut so_far) = (Vec::new(), Vec::new(), None::<Progress>);
            let session = told(first + arrival[0], 0);
            for (time, counter) in arrival.iter().enumerate() {
                there.push(seen(first + counter, time as i64 * 1_000));
                let last = time == 11;
                while let Next::Hear(next, 0) = next(&there, so_far.as_ref(), &session, &[], !last) {
                    heard.push(next.counter);
                    so_far = Some(Progress::after(so_far, next, heard.len() as f64));
                }
            }
            prop_assert_eq!(heard, (first..first + 12).collect::<Vec<_>>());
        }
    }
}
