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
    /// When the newest of them was written, milliseconds since 1970.
    pub(super) newest: i64,
    /// Length of the session so far, gaps included, seconds.
    pub(super) seconds: f64,
}

impl Progress {
    /// After a segment, which makes the session so long.
    pub(super) fn after(before: Option<Self>, heard: &Seen, seconds: f64) -> Self {
        let first = before.map_or(heard.counter, |before| before.first);
        let newest = before.map_or(heard.at, |before| before.newest.max(heard.at));
        Self { first, last: heard.counter, newest, seconds }
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

/// What comes next in the session that began with a segment written at `began` (milliseconds since 1970). Segments written
/// more than `spread` milliseconds before it are of an earlier one. Those in `given_up` were missed, and are not heard any
/// more. A segment that is missing is not waited for where `patient` is false.
pub(super) fn next<'a>(
    segments: &'a [Seen],
    progress: Option<&Progress>,
    (began, spread): (i64, i64),
    given_up: &[u64],
    patient: bool,
) -> Next<'a> {
    let fresh = || segments.iter().filter(|seen| seen.at >= began.saturating_sub(spread));
    let Some(progress) = progress else {
        return match fresh().min_by_key(|seen| seen.counter) {
            Some(first) if first.counter == 0 || !patient => Next::Hear(first, 0),
            // It may be that others before it are still on their way.
            Some(_) => Next::Missing,
            None => Next::Nothing,
        };
    };
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

    fn progress(first: u64, last: u64, newest: i64) -> Progress {
        Progress { first, last, newest, seconds: 10.0 }
    }

    #[test]
    fn a_session_begins_with_the_first_that_is_there() {
        let all = [seen(3, 1_000), seen(1, 2_000)];
        let of = |all: &[Seen], patient| match next(all, None, (1_000, SPREAD), &[], patient) {
            Next::Hear(first, 0) => Some(first.counter),
            Next::Missing => None,
            other => panic!("{other:?}"),
        };
        assert_eq!((of(&all, true), of(&all, false)), (None, Some(1)));
        assert_eq!(of(&[seen(0, 900), seen(1, 1_000)], true), Some(0));
        assert_eq!(
            of(&[seen(0, 1_000 - SPREAD - 1), seen(7, 1_000)], false),
            Some(7),
            "0 is of an earlier session"
        );
        assert_eq!(next(&[], None, (0, 0), &[], false), Next::Nothing);
    }

    #[test]
    fn a_missing_one_is_waited_for_then_given_up() {
        let all = [seen(1, 0), seen(2, 0), seen(5, 0), seen(6, 0)];
        let heard = progress(1, 2, 0);
        assert_eq!(next(&all, Some(&heard), (0, SPREAD), &[], true), Next::Missing);
        assert_eq!(next(&all, Some(&heard), (0, SPREAD), &[], false), Next::Hear(&all[2], 2));
    }

    #[test]
    fn a_counter_that_starts_again_is_a_new_session() {
        let old: Vec<_> = (0..100).map(|k| seen(k, k as i64 * 1_000)).collect();
        let heard = progress(0, 99, 99_000);
        let mut all = old.clone();
        assert_eq!(next(&all, Some(&heard), (0, SPREAD), &[], true), Next::Nothing);
        all[0].at = 500_000;
        assert_eq!(next(&all, Some(&heard), (0, SPREAD), &[], true), Next::Again(&all[0]));
        // Also where the new session has got beyond the old one while nobody looked.
        all = (0..=100).map(|k| seen(k, 500_000 + k as i64 * 1_000)).collect();
        assert_eq!(next(&all, Some(&heard), (0, SPREAD), &[], true), Next::Again(&all[0]));
        // In the new session the rest of the old one is nothing.
        let mut all = old;
        all[0].at = 500_000;
        assert_eq!(next(&all, Some(&progress(0, 0, 500_000)), (500_000, SPREAD), &[], false), Next::Nothing);
    }

    #[test]
    fn what_comes_too_late_is_no_new_session() {
        let heard = progress(3, 9, 9_000);
        let late = [seen(2, 20_000), seen(5, 20_000)];
        assert_eq!(next(&late, Some(&heard), (0, SPREAD), &[5], false), Next::Nothing);
    }

    proptest! {
        /// Whatever order they come in, each is heard once and in order.
        #[test]
        fn order_of_arrival_is_no_matter(arrival in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle(), first in 0..3_u64) {
            let (mut there, mut heard, mut so_far) = (Vec::new(), Vec::new(), None::<Progress>);
            for (time, counter) in arrival.iter().enumerate() {
                there.push(seen(first + counter, time as i64 * 1_000));
                let last = time == 11;
                while let Next::Hear(next, 0) = next(&there, so_far.as_ref(), (0, SPREAD), &[], !last) {
                    heard.push(next.counter);
                    so_far = Some(Progress::after(so_far, next, heard.len() as f64));
                }
            }
            prop_assert_eq!(heard, (first..first + 12).collect::<Vec<_>>());
        }
    }
}
