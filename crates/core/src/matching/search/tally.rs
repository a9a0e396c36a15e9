//! Counting votes: from the bins of all votes to the offsets with the most.

use crate::index::{BIN, Spot};

/// Of candidates nearer than this many bins only the best is one.
const SAME_BINS: u32 = 3;

/// Counts votes; owns its buffers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sorter: Sorter,
    crowd: Crowd,
    pairs: Vec<Pair>,
    best: Vec<Pair>,
    order: Vec<usize>,
}

/// Two neighbouring bins and their votes.
#[derive(Debug, Clone, Copy)]
struct Pair {
    /// The second half of the pair, so that the true offset lies in the middle of the two bins.
    bin: u32,
    votes: u32,
    /// Whether it is a candidate.
    kept: bool,
}

impl Tally {
    /// Adds the best offsets of a run to `spots`, with at least `least` votes: at least `most` of them, if there are so
    /// many, and all that have as many votes as the last of these.
    pub(super) fn count(
        &mut self,
        run: usize,
        votes: &mut Vec<u32>,
        (most, least): (usize, u32),
        spots: &mut Vec<Spot>,
    ) {
        let Self { sorter, crowd, pairs, best, order } = self;
        crowd.keep(votes, least);
        sorter.sort(votes);
        let mut histogram = [0usize; 256];
        find_pairs(votes, least, pairs, &mut histogram);
        let mut threshold = histogram.len();
        let mut above = 0;
        while threshold > least as usize {
            threshold -= 1;
            above += histogram[threshold];
            if above < most {
                continue;
            }
            best.clear();
            best.extend(pairs.iter().filter(|pair| pair.votes as usize >= threshold));
            keep_summits(best, order);
            if best.iter().filter(|pair| pair.kept).count() >= most {
                break;
            }
        }
        if above < most {
            best.clone_from(pairs);
            keep_summits(best, order);
        }
        let kept = best.iter().filter(|pair| pair.kept);
        spots.extend(kept.map(|pair| Spot { run, offset: pair.bin * BIN, votes: pair.votes }));
    }
}

/// Pairs of neighbouring bins with at least `least` votes, and how many have how many; the bins are sorted.
fn find_pairs(bins: &[u32], least: u32, pairs: &mut Vec<Pair>, histogram: &mut [usize; 256]) {
    pairs.clear();
    let mut groups = bins.chunk_by(|a, b| a == b).peekable();
    while let Some(group) = groups.next() {
        let beside = groups.peek().filter(|next| next[0] == group[0] + 1).map_or(0, |next| next.len());
        let votes = (group.len() + beside) as u32;
        if votes >= least {
            pairs.push(Pair { bin: group[0] + u32::from(beside > 0), votes, kept: false });
            histogram[votes.min(255) as usize] += 1;
        }
    }
}

/// Keeps the pairs that are near no better one that is kept; they are sorted by bin.
fn keep_summits(pairs: &mut [Pair], order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..pairs.len());
    order.sort_unstable_by_key(|i| (std::cmp::Reverse(pairs[*i].votes), *i));
    for i in order.iter().copied() {
        let bin = pairs[i].bin;
        let mut before = pairs[..i].iter().rev().take_while(|other| bin - other.bin <= SAME_BINS);
        let mut behind = pairs[i + 1..].iter().take_while(|other| other.bin - bin <= SAME_BINS);
        pairs[i].kept = !before.any(|other| other.kept) && !behind.any(|other| other.kept);
    }
}

/// Cells of two bins that votes are counted in, by the low bits of their numbers.
const CROWD_CELLS: usize = 1 << 15;
/// More votes than this fill so many cells that too few votes are left out to pay for it.
const CROWD_VOTES: usize = CROWD_CELLS / 2;

/// Leaves out the votes of offsets that cannot be candidates, before they are sorted; owns its buffer.
///
/// A lookup of the ladder has some thousand votes, nearly all of them alone in their offset.
#[derive(Debug, Default)]
struct Crowd(Vec<u8>);

impl Crowd {
    /// Keeps the votes of all pairs of neighbouring bins that have at least `least`, and few others: different bins can
    /// share a cell.
    fn keep(&mut self, votes: &mut Vec<u32>, least: u32) {
        if votes.len() > CROWD_VOTES {
            return;
        }
        let cell = |bin: u32| (bin / 2) as usize % CROWD_CELLS;
        self.0.clear();
        self.0.resize(CROWD_CELLS, 0);
        for bin in votes.iter() {
            let count = &mut self.0[cell(*bin)];
            *count = count.saturating_add(1);
        }
        let least = least.min(u32::from(u8::MAX)) as u8;
        votes.retain(|bin| {
            // The neighbour in the same cell is counted with the bin, the other one with the next cell on its side.
            let beside = if bin.is_multiple_of(2) { bin.wrapping_sub(1) } else { bin.wrapping_add(1) };
            self.0[cell(*bin)].saturating_add(self.0[cell(beside)]) >= least
        });
    }
}

/// Bits of a digit of the radix sort: 2,048 places to write to, which the first cache holds.
const DIGIT_BITS: u32 = 11;
/// Fewer numbers are compared.
const WORTH_DIGITS: usize = 1 << 12;

/// Sorts many numbers by their digits, the least one first (LSD radix sort); owns its buffer.
#[derive(Debug, Default)]
struct Sorter(Vec<u32>);

impl Sorter {
    fn sort(&mut self, numbers: &mut Vec<u32>) {
        if numbers.len() < WORTH_DIGITS {
            numbers.sort_unstable();
            return;
        }
        self.0.clear();
        self.0.resize(numbers.len(), 0);
        for shift in (0..u32::BITS).step_by(DIGIT_BITS as usize) {
            let digit = |number: u32| (number >> shift) as usize & ((1 << DIGIT_BITS) - 1);
            let mut ends = [0usize; 1 << DIGIT_BITS];
            for number in numbers.iter() {
                ends[digit(*number)] += 1;
            }
            if ends.contains(&numbers.len()) {
                continue;
            }
            let mut start = 0;
            for end in &mut ends {
                start += std::mem::replace(end, start);
            }
            for number in numbers.iter() {
                let place = &mut ends[digit(*number)];
                self.0[*place] = *number;
                *place += 1;
            }
            std::mem::swap(numbers, &mut self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_sort_like_numbers(mut numbers in prop::collection::vec(any::<u32>(), 0..3 * WORTH_DIGITS), mask in any::<u32>()) {
            numbers.iter_mut().for_each(|number| *number &= mask);
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            Sorter::default().sort(&mut numbers);
            prop_assert_eq!(numbers, sorted);
        }
    }

    proptest! {
        #[test]
        fn leaving_votes_out_changes_no_candidate(
            votes in prop::collection::vec((0u32..100, prop::sample::select(vec![0, 65_536, u32::MAX - 100])), 0..400),
            least in 1u32..8,
        ) {
            let mut votes: Vec<u32> = votes.into_iter().map(|(bin, base)| base + bin).collect();
            votes.sort_unstable();
            let pairs = |votes: &[u32]| {
                let mut pairs = Vec::new();
                find_pairs(votes, least, &mut pairs, &mut [0; 256]);
                pairs.iter().map(|pair| (pair.bin, pair.votes)).collect::<Vec<_>>()
            };
            let all = pairs(&votes);
            Crowd::default().keep(&mut votes, least);
            prop_assert_eq!(pairs(&votes), all);
        }
    }

    #[test]
    fn the_best_come_with_all_their_equals() {
        let mut votes = Vec::new();
        for (bin, count) in [(10, 9), (12, 4), (50, 3), (100, 5), (101, 2), (200, 3), (300, 1)] {
            votes.extend(std::iter::repeat_n(bin, count));
        }
        let mut spots = Vec::new();
        let mut best = |most| {
            spots.clear();
            Tally::default().count(0, &mut votes, (most, 2), &mut spots);
            spots.iter().map(|spot| (spot.offset / BIN, spot.votes)).collect::<Vec<_>>()
        };
        assert_eq!(best(1), [(10, 9)]);
        assert_eq!(best(2), [(10, 9), (101, 7)], "12 is too near to 10");
        assert_eq!(best(3), [(10, 9), (50, 3), (101, 7), (200, 3)]);
        assert_eq!(best(9), best(3));
    }
}
