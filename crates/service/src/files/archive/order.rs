//! Which segment of a stream comes next, of those that are there.

use serde::{Deserialize, Serialize};

/// A segment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its number in the stream.
    pub(super) counter: u64,
    /// Its key.
    pub(super) key: String,
    /// When it was written, milliseconds since 1970.
    pub(super) at: i64,
}

/// How far a session was heard. It stands in the stream's row, so that others go on from there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The first segment.
    pub(super) first: u64,
    /// The last segment.
    pub(super) last: u64,
    /// When the first of them was written, milliseconds since 1970.
    pub(super) since: i64,
    /// When the newest of them was written, milliseconds since 1970.
    pub(super) newest: i64,
    /// Length of the session so far, gaps included, seconds.
    pub(super) seconds: f64,
}

impl Progress {
    /// After a segment, which makes the session so long.
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

    /// Mean length of a segment, seconds.
    pub(super) fn mean(&self) -> f64 {
        self.seconds / (self.last - self.first.min(self.last) + 1) as f64
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// This one, after so many that are missing.
    Hear(&'a Seen, u64),
    /// One that is missing, while later ones are there.
    Missing,
    /// Nothing is there.
    Nothing,
    /// The counter has begun again with this one: a new session.
    Again(&'a Seen),
}

/// What is known of a session before any of it was heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    /// The segment that it was told of by.
    pub(super) counter: u64,
    /// When that was written, milliseconds since 1970.
    pub(super) at: i64,
    /// So much earlier than its counter says a segment may be written, milliseconds.
    pub(super) spread: i64,
    /// Segments that are written so far from each other are of two sessions, milliseconds.
    pub(super) apart: i64,
}

impl Session {
    /// The first segment that is there: whoever told of the session may have been told of any.
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

/// What comes next in a session. Segments written long before it are of an earlier one. Those in `given_up` were missed,
/// and are not heard any more. A segment that is missing is not waited for where `patient` is false.
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
            // It may be that others before it are still on their way.
            Some(_) => Next::Missing,
            None => Next::Nothing,
        };
    };
    let since = progress.since.saturating_sub(session.spread);
    let fresh = || segments.iter().filter(|seen| seen.at >= since);
    let behind = fresh().filter(|seen| seen.counter > progress.last).min_by_key(|seen| seen.counter);
    // What comes late of what was before the first, or was missed, is no new beginning.
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
    fn a_session_begins_with_the_first_that_is_there() {
        let of = |all: &[Seen], session, patient| match next(all, None, &session, &[], patient) {
            Next::Hear(first, 0) => Some(first.counter),
            Next::Missing => None,
            other => panic!("{other:?}"),
        };
        let all = [seen(3, 1_000), seen(1, 2_000)];
        assert_eq!((of(&all, told(3, 1_000), true), of(&all, told(3, 1_000), false)), (None, Some(1)));
        let hours: Vec<_> = (0..500).map(|k| seen(k, k as i64 * 60_000)).collect();
        assert_eq!(of(&hours, told(400, 400 * 60_000), true), Some(0), "whatever was told of first");
        let two = [seen(0, 0), seen(6, 0), seen(7, 400_000), seen(8, 460_000)];
        assert_eq!(of(&two, told(8, 460_000), false), Some(7), "what was before is of an earlier session");
        assert_eq!(next(&[], None, &told(0, 0), &[], false), Next::Nothing);
    }

    #[test]
    fn a_missing_one_is_waited_for_then_given_up() {
        let all = [seen(1, 0), seen(2, 0), seen(5, 0), seen(6, 0)];
        let heard = progress(1, 2, 0, 0);
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Missing);
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], false), Next::Hear(&all[2], 2));
    }

    #[test]
    fn a_counter_that_starts_again_is_a_new_session() {
        let old: Vec<_> = (0..100).map(|k| seen(k, k as i64 * 1_000)).collect();
        let heard = progress(0, 99, 0, 99_000);
        let mut all = old.clone();
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Nothing);
        all[0].at = 500_000;
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Again(&all[0]));
        // Also where the new session has got beyond the old one while nobody looked.
        all = (0..=100).map(|k| seen(k, 500_000 + k as i64 * 1_000)).collect();
        assert_eq!(next(&all, Some(&heard), &told(0, 0), &[], true), Next::Again(&all[0]));
        // In the new session the rest of the old one is nothing.
        let mut all = old;
        all[0].at = 500_000;
        assert_eq!(
            next(&all, Some(&progress(0, 0, 500_000, 500_000)), &told(0, 500_000), &[], false),
            Next::Nothing
        );
    }

    #[test]
    fn what_comes_too_late_is_no_new_session() {
        let heard = progress(3, 9, 3_000, 9_000);
        let late = [seen(2, 20_000), seen(5, 20_000)];
        assert_eq!(next(&late, Some(&heard), &told(0, 0), &[5], false), Next::Nothing);
    }

    proptest! {
        /// Whatever order they come in, each is heard once and in order.
        #[test]
        fn order_of_arrival_is_no_matter(arrival in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle(), first in 0..3_u64) {
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
