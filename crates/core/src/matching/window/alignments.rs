//! The alignments that were verified in a window.

use super::super::copies::{copy_agreement, may_be_copies};
use super::super::line::Outcome;
use super::super::verify::{Verified, Window};

/// Entries of one recording with which a search sees as many places as without copies.
const MAX_COPIES: usize = 32;

/// The alignments that were verified in a window, each line of a track once.
#[derive(Debug)]
pub(super) struct Alignments {
    all: Vec<Verified>,
    /// The query's peaks that each of them explains, a bit each, counted from the window's first.
    explained: Vec<Vec<u64>>,
    /// Tracks in which one place was seen, at most: so many times more candidates are needed to see as many places.
    copies: usize,
    outcomes: Vec<Outcome>,
}

impl Default for Alignments {
    fn default() -> Self {
        Self { all: Vec::new(), explained: Vec::new(), copies: 1, outcomes: Vec::new() }
    }
}

impl Alignments {
    /// Adds an alignment, or puts it in the place of a worse one along the same line. Returns true if it is the same place
    /// in a copy of a track that is here already.
    pub(super) fn add(&mut self, new: Verified, window: &Window<'_>) -> bool {
        let explained = explained(&new, window.first_peak());
        if let Some(i) = self.all.iter().position(|old| old.is_same_line(&new, window)) {
            if new.quick < self.all[i].quick {
                (self.all[i], self.explained[i]) = (new, explained);
            }
            return false;
        }
        let Self { all, explained: sets, outcomes, .. } = self;
        let is_copy = |(old, set): &(&Verified, &Vec<u64>)| {
            may_be_copies(set, &explained) && copy_agreement(old, &new, outcomes).is_some()
        };
        let copies = all.iter().zip(sets.iter()).filter(is_copy).count();
        self.copies = self.copies.max(copies + 1);
        self.all.push(new);
        self.explained.push(explained);
        copies > 0
    }

    /// The best ones first, by their quick bounds, with the query's peaks that they explain.
    pub(super) fn best_first(&self) -> Vec<(&Verified, &[u64])> {
        let mut all: Vec<_> = self.all.iter().zip(self.explained.iter().map(Vec::as_slice)).collect();
        let number = |one: &Verified| one.reference.number;
        all.sort_by(|(a, _), (b, _)| a.quick.total_cmp(&b.quick).then(number(a).cmp(&number(b))));
        all
    }

    /// Whether some are copies of others.
    pub(super) fn has_copies(&self) -> bool {
        self.copies > 1
    }

    /// The number of candidates to ask for in order to see this many places.
    pub(super) fn wanted(&self, places: usize) -> usize {
        places * self.copies.min(MAX_COPIES)
    }

    /// Returns true if an alignment has more evidence than this, by its quick bound.
    pub(super) fn any_below(&self, quick: f64) -> bool {
        self.all.iter().any(|one| one.quick < quick)
    }
}

/// The query's peaks that an alignment explains, a bit each, counted from `first`.
fn explained(one: &Verified, first: usize) -> Vec<u64> {
    let mut bits = Vec::new();
    for query in one.outcomes.iter().filter_map(|o| o.query) {
        let Some(place) = (query as usize).checked_sub(first) else { continue };
        if place / 64 >= bits.len() {
            bits.resize(place / 64 + 1, 0);
        }
        bits[place / 64] |= 1 << (place % 64);
    }
    bits
}
