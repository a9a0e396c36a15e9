//! The segments that a stream delivered, and the time for which the others could be fetched.

use std::collections::{BTreeMap, BTreeSet};

/// Content of a delivered segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Music,
    /// The encoder sent silence.
    Silence,
    /// A response that the client cannot use and must not request again.
    Unusable,
    /// The client does not have the key of the segment.
    Undecryptable,
}

/// The segments that a client received completely, with the content that it received first.
#[derive(Debug, Default)]
pub(crate) struct ServedSegments {
    whole: BTreeMap<u64, Content>,
    /// The parts that were delivered, and true if one of them is unusable.
    parts: BTreeMap<u64, (BTreeSet<usize>, bool)>,
}

impl ServedSegments {
    pub(crate) fn add(&mut self, number: u64, content: Content) {
        let known = self.whole.entry(number).or_insert(content);
        // A later attempt with the key replaces one without the key.
        if *known == Content::Undecryptable {
            *known = content;
        }
    }

    /// Adds a part of a segment, which has `count` parts.
    pub(crate) fn add_part(&mut self, number: u64, part: usize, count: usize, content: Content) {
        let (parts, is_unusable) = self.parts.entry(number).or_default();
        parts.insert(part);
        *is_unusable |= content == Content::Unusable;
        let content = if *is_unusable { Content::Unusable } else { content };
        if parts.len() >= count {
            self.add(number, content);
        }
        // Older segments do not get further parts. The limit bounds the memory of long runs.
        if self.parts.len() > 100 {
            self.parts.pop_first();
        }
    }

    pub(crate) fn content(&self, number: u64) -> Option<Content> {
        self.whole.get(&number).copied()
    }

    /// Returns the numbers of the first and the last delivered segment.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        Some((*self.whole.first_key_value()?.0, *self.whole.last_key_value()?.0))
    }
}

/// Returns the seconds in `listed` (a list of disjoint periods) that are in none of the periods of `blocked`, which do
/// not overlap either.
pub(crate) fn fetchable_seconds(listed: &[(f64, f64)], blocked: &[(f64, f64)]) -> f64 {
    let overlap = |a: &(f64, f64), b: &(f64, f64)| (a.1.min(b.1) - a.0.max(b.0)).max(0.0);
    let free = |one: &(f64, f64)| {
        (one.1 - one.0).max(0.0) - blocked.iter().map(|other| overlap(one, other)).sum::<f64>()
    };
    listed.iter().map(free).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_time_is_subtracted_once() {
        assert_eq!(fetchable_seconds(&[(0.0, 28.0)], &[]), 28.0);
        assert_eq!(fetchable_seconds(&[(0.0, 28.0)], &[(10.0, 20.0), (25.0, 40.0)]), 15.0);
        assert_eq!(fetchable_seconds(&[(0.0, 5.0), (20.0, 10.0)], &[]), 5.0);
    }

    #[test]
    fn a_segment_is_complete_with_its_last_part() {
        let mut served = ServedSegments::default();
        served.add_part(7, 1, 2, Content::Music);
        assert_eq!(served.content(7), None);
        served.add_part(7, 0, 2, Content::Music);
        assert_eq!(served.content(7), Some(Content::Music));
    }

    #[test]
    fn the_first_decryptable_content_counts() {
        let mut served = ServedSegments::default();
        served.add(1, Content::Undecryptable);
        served.add(1, Content::Silence);
        served.add(1, Content::Music);
        assert_eq!(served.content(1), Some(Content::Silence));
    }
}
