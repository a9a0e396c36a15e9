//! Failures of the renditions of a master playlist: which one is followed next, and when a failed one is tested again.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::hls::rendition::ChosenRendition;

/// Failures of renditions, by their labels.
#[derive(Debug)]
pub(super) struct RenditionHealth {
    failed: HashMap<String, FailedRendition>,
    /// First and longest pause before a failed rendition is tested again.
    pauses: (Duration, Duration),
}

#[derive(Debug)]
struct FailedRendition {
    /// Number of failures, each sooner than the longest pause after the recovery from the one before.
    failures: u32,
    /// Time from which the rendition is tested again.
    test_at: Instant,
    /// Time of the recovery; `None` if the rendition has not recovered.
    recovered_at: Option<Instant>,
    /// True if its segments were fetched and could not be decoded.
    is_undecodable: bool,
}

impl RenditionHealth {
    pub(super) fn new(pauses: (Duration, Duration)) -> Self {
        Self { failed: HashMap::new(), pauses }
    }

    /// Removes the failures of renditions that are not in `candidates`, the renditions of a newer master playlist.
    pub(super) fn retain(&mut self, candidates: &[ChosenRendition]) {
        self.failed.retain(|label, _| candidates.iter().any(|candidate| candidate.label == *label));
    }

    /// Returns true if the rendition has not failed, or has recovered.
    pub(super) fn works(&self, label: &str) -> bool {
        self.failed.get(label).is_none_or(|failed| failed.recovered_at.is_some())
    }

    /// Records a failure of a rendition, or of a test of it, at the time `now`. If it is undecodable, it is tested
    /// again only after the longest pause, because a test fetches the rendition without decoding it.
    pub(super) fn fail(&mut self, label: &str, now: Instant, is_undecodable: bool) {
        let (first, longest) = self.pauses;
        let known = self.failed.get(label).filter(|failed| failed.recovered_at.is_none());
        let is_undecodable = is_undecodable || known.is_some_and(|failed| failed.is_undecodable);
        let earlier = self.failed.get(label).filter(|failed| {
            failed.recovered_at.is_none_or(|recovered_at| now.duration_since(recovered_at) < longest)
        });
        let failures = earlier.map_or(0, |failed| failed.failures).saturating_add(1);
        let doubled = first.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        let pause = if is_undecodable { longest } else { doubled.min(longest) };
        let failed = FailedRendition { failures, test_at: now + pause, recovered_at: None, is_undecodable };
        self.failed.insert(label.to_owned(), failed);
    }

    /// Records that a rendition is followed again from the time `now`.
    pub(super) fn recover(&mut self, label: &str, now: Instant) {
        if let Some(failed) = self.failed.get_mut(label) {
            failed.recovered_at = Some(now);
        }
    }

    /// Returns the rendition that replaces `current`: the first one that works, or else the first one whose test is
    /// due. Returns `None` if no other one can be followed, so that the current one stays the best.
    pub(super) fn replacement<'a>(
        &self,
        candidates: &(impl Iterator<Item = &'a ChosenRendition> + Clone),
        current: &str,
        now: Instant,
    ) -> Option<&'a ChosenRendition> {
        let others = || candidates.clone().filter(|candidate| candidate.label != current);
        let working = others().find(|candidate| self.works(&candidate.label));
        working.or_else(|| others().find(|candidate| self.is_test_due(&candidate.label, now)))
    }

    /// Returns the first rendition that is preferred to `current` and has to be tested at the time `now`; `None` if
    /// no test is due.
    pub(super) fn due_test<'a>(
        &self,
        candidates: &'a [ChosenRendition],
        current: &str,
        now: Instant,
    ) -> Option<&'a ChosenRendition> {
        let mut preferred = candidates.iter().take_while(|candidate| candidate.label != current);
        preferred.find(|candidate| self.is_test_due(&candidate.label, now))
    }

    fn is_test_due(&self, label: &str, now: Instant) -> bool {
        self.failed.get(label).is_some_and(|failed| failed.recovered_at.is_none() && now >= failed.test_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates() -> Vec<ChosenRendition> {
        let url = url::Url::parse("https://h.example/").unwrap();
        ["a", "b", "c"].map(|label| ChosenRendition { url: url.clone(), label: label.to_owned() }).to_vec()
    }

    fn label(candidate: Option<&ChosenRendition>) -> Option<&str> {
        candidate.map(|candidate| candidate.label.as_str())
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_first_working_rendition_replaces_a_failed_one() {
        let (all, start) = (candidates(), Instant::now());
        let mut health = RenditionHealth::new((MINUTE, 60 * MINUTE));
        assert_eq!(label(health.replacement(&all.iter(), "a", start)), Some("b"));
        health.fail("a", start, false);
        assert_eq!(label(health.replacement(&all.iter(), "b", start)), Some("c"));
        health.fail("b", start, false);
        assert_eq!(label(health.replacement(&all.iter(), "c", start)), None);
        assert_eq!(label(health.replacement(&all.iter(), "c", start + MINUTE)), Some("a"));
        health.retain(&all[1..]);
        assert!(health.works("a") && !health.works("b"));
    }

    #[test]
    fn pauses_before_a_test_grow_until_the_rendition_works_for_long() {
        let (all, mut now) = (candidates(), Instant::now());
        let mut health = RenditionHealth::new((MINUTE, 60 * MINUTE));
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            health.fail("a", now, false);
            assert_eq!(label(health.due_test(&all, "b", now + MINUTE * (minutes - 1))), None);
            now += MINUTE * minutes;
            assert_eq!(label(health.due_test(&all, "b", now)), Some("a"));
            health.recover("a", now);
            assert_eq!(label(health.due_test(&all, "b", now)), None);
        }
        now += 60 * MINUTE;
        health.fail("a", now, false);
        assert_eq!(label(health.due_test(&all, "b", now + MINUTE)), Some("a"));
        assert_eq!(label(health.due_test(&all, "a", now + MINUTE)), None, "only preferred ones are tested");
        health.fail("a", now, true);
        health.fail("a", now, false);
        assert_eq!(label(health.due_test(&all, "b", now + 59 * MINUTE)), None, "a test does not decode");
    }
}
