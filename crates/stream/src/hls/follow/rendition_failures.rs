//! Failures of the followed rendition that the fetcher and the consumer observe. The poller reacts to them.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Number of attempts to fetch a segment after which it counts as failing. Segments that are listed too early fail once
/// or twice. At half this value, such segments change the rendition; at twice this value, a change takes 4 s longer,
/// and segments leave the playlist of the failed rendition.
pub(super) const FAILING_AFTER_ATTEMPTS: u32 = 3;

/// Number of failing segments, without a fetched one in between, after which the rendition has failed. At half this
/// value, one lost segment changes the rendition; at twice this value, two more segments are lost before the change.
const MAX_FAILING_SEGMENTS: usize = 2;

/// Reason why a rendition is not followed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RenditionFailure {
    pub(super) reason: String,
    pub(super) kind: FailureKind,
}

impl RenditionFailure {
    /// Returns the failure of a rendition whose playlist lists no new segments.
    pub(super) fn stalled() -> Self {
        Self { reason: "its playlist lists no new segments".to_owned(), kind: FailureKind::Stalled }
    }
}

/// Kind of a failure of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Its playlist or its segments cannot be fetched.
    NotFetched,
    /// Its segments were fetched and cannot be decoded. Only decoding can show that it has recovered.
    Undecodable,
    /// Its playlist lists no new segments. The other renditions of the same server probably list none either.
    Stalled,
}

/// Failures of the followed rendition, which are cleared when another one replaces it.
#[derive(Debug, Default)]
pub(super) struct RenditionFailures {
    observed: Mutex<ObservedFailures>,
    /// Notified when the rendition has failed.
    pub(super) failed: Notify,
}

#[derive(Debug, Default)]
struct ObservedFailures {
    /// Number of changes of the rendition so far.
    rendition: u64,
    /// Sequence numbers of the failing segments since the last fetched one.
    failing: Vec<u64>,
    failure: Option<RenditionFailure>,
}

impl RenditionFailures {
    /// Returns the number of changes of the rendition so far, which identifies the followed one.
    pub(super) fn rendition(&self) -> u64 {
        self.lock().rendition
    }

    /// Clears the failures, because another rendition is followed now.
    pub(super) fn begin_rendition(&self) {
        let mut observed = self.lock();
        *observed = ObservedFailures { rendition: observed.rendition + 1, ..ObservedFailures::default() };
    }

    /// Records that a segment of a rendition was fetched.
    pub(super) fn fetched(&self, rendition: u64) {
        let mut observed = self.lock();
        if observed.rendition == rendition {
            observed.failing.clear();
            observed.failure.take_if(|failure| failure.kind == FailureKind::NotFetched);
        }
    }

    /// Records that the fetching of segment `sequence` has failed for the reason `error`. `attempts` is the number of
    /// attempts so far, and `is_final` is true if no attempt follows.
    pub(super) fn segment_failed(
        &self,
        rendition: u64,
        sequence: u64,
        (attempts, is_final): (u32, bool),
        error: &impl Display,
    ) {
        let mut observed = self.lock();
        let is_failing = is_final || attempts >= FAILING_AFTER_ATTEMPTS;
        if observed.rendition != rendition || !is_failing {
            return;
        }
        if !observed.failing.contains(&sequence) {
            observed.failing.push(sequence);
        }
        if observed.failing.len() >= MAX_FAILING_SEGMENTS {
            observed.failing.clear();
            let reason = format!("{MAX_FAILING_SEGMENTS} consecutive segments cannot be fetched: {error}");
            observed.failure = Some(RenditionFailure { reason, kind: FailureKind::NotFetched });
            self.failed.notify_one();
        }
    }

    /// Records that the segments of a rendition cannot be decoded.
    pub(super) fn reject(&self, rendition: u64, reason: String) {
        let mut observed = self.lock();
        if observed.rendition == rendition {
            observed.failure = Some(RenditionFailure { reason, kind: FailureKind::Undecodable });
            self.failed.notify_one();
        }
    }

    /// Returns the failure of the followed rendition and clears it; `None` if the rendition has not failed.
    pub(super) fn take(&self) -> Option<RenditionFailure> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, ObservedFailures> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failing_segments_in_a_row_are_a_failure() {
        let failures = RenditionFailures::default();
        let fail =
            |sequence, attempts| failures.segment_failed(0, sequence, (attempts, false), &"status 404");
        (1..=9).for_each(|attempts| fail(1, attempts));
        fail(2, 2);
        assert_eq!(failures.take(), None);
        failures.fetched(0);
        fail(3, 3);
        assert_eq!(failures.take(), None);
        failures.segment_failed(0, 4, (1, true), &"no key");
        let failure = failures.take().unwrap();
        assert_eq!(failure.reason, "2 consecutive segments cannot be fetched: no key");
        assert_eq!(failure.kind, FailureKind::NotFetched);
        assert_eq!(failures.take(), None);
    }

    #[test]
    fn failures_of_earlier_renditions_are_ignored() {
        let failures = RenditionFailures::default();
        failures.reject(0, "AC-3".to_owned());
        failures.begin_rendition();
        assert_eq!((failures.take(), failures.rendition()), (None, 1));
        failures.reject(0, "AC-3".to_owned());
        failures.segment_failed(0, 1, (1, true), &"status 404");
        failures.segment_failed(0, 2, (1, true), &"status 404");
        assert_eq!(failures.take(), None);
        failures.reject(1, "AC-3".to_owned());
        assert_eq!(failures.take().unwrap().kind, FailureKind::Undecodable);
    }
}
