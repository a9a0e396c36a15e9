//! Candidates: offsets at which many landmarks of a query and of a track agree (Wang 2003).
//!
//! All tracks of a run lie on one time line, so a vote is one number, the posting's time minus the query's,
//! and tells track and offset together. Which candidates come out, and in which order, does not depend on how
//! tracks are spread over runs.

use crate::fingerprint::Peak;
use crate::fingerprint::landmark::{Depth, GROUP_HASHES, Probe, group, probes};
use crate::index::{BIN, Candidate, IndexError, Session, Spot};

use super::sweep::Scale;

/// Postings that a search reads for each probe that it makes, about; the probes of the commonest hashes, which
/// tell least, are left out: tf-idf at its plainest. It binds from some thousands of tracks on and keeps the cost
/// of a search from growing with the catalogue …
const POSTINGS_PER_PROBE: u64 = 64;
/// … but not less than this, nor more.
const POSTINGS_AT_LEAST: u64 = 150_000;
const POSTINGS_AT_MOST: u64 = 2_500_000;
/// Of candidates nearer than this many bins only the best is one.
const SAME_BINS: u32 = 3;

/// One lookup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup {
    pub(crate) depth: Depth,
    /// Peaks are looked up as they were before this change.
    pub(crate) scale: Scale,
    /// Votes that a candidate has at least.
    pub(crate) least: u32,
}

/// Finds candidates; owns its buffers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    probes: Vec<Vec<Probe>>,
    votes: Vec<u32>,
    tally: Tally,
    spots: Vec<Vec<Spot>>,
}

impl Search {
    /// For each lookup the `most` best candidates for a window's peaks, best first. `start` is the window's start in
    /// ticks; times are counted from it. `groups` says how common hashes are.
    pub(crate) fn candidates(
        &mut self,
        session: &mut dyn Session,
        groups: &[u32],
        (peaks, start): (&[Peak], u32),
        lookups: &[Lookup],
        most: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        let Self { probes: all, votes, tally, spots } = self;
        all.resize_with(lookups.len(), Vec::new);
        spots.resize_with(lookups.len(), Vec::new);
        for (Lookup { depth, scale, .. }, all) in lookups.iter().zip(all.iter_mut()) {
            all.clear();
            probes(peaks, start, *depth, scale.speed as f32, (1.0 / scale.pitch) as f32, all);
            keep_rarest(all, groups);
            // Neighbours in the index one after the other: the same pages serve them.
            all.sort_unstable_by_key(|p| (p.low, p.high, p.time));
        }
        session.prepare(all)?;
        for ((lookup, probes), spots) in lookups.iter().zip(all.iter()).zip(spots.iter_mut()) {
            spots.clear();
            let enough = (most, lookup.least);
            session.vote(probes, votes, &mut |run, votes| tally.count(run, votes, enough, spots))?;
            spots.sort_unstable_by_key(|s| (std::cmp::Reverse(s.votes), s.run, s.offset));
        }
        let lists: Vec<&[Spot]> = spots.iter().map(Vec::as_slice).collect();
        session.locate(&lists, most)
    }
}

/// Leaves out the probes of the commonest hashes beyond what a search may read.
fn keep_rarest(probes: &mut Vec<Probe>, groups: &[u32]) {
    let allowed = (probes.len() as u64 * POSTINGS_PER_PROBE).clamp(POSTINGS_AT_LEAST, POSTINGS_AT_MOST)
        * u64::from(GROUP_HASHES);
    let cost = |p: &Probe| {
        let postings = groups.get(group(p.low)).copied().unwrap_or(0);
        u64::from(postings) * u64::from(p.high - p.low + 1)
    };
    if probes.iter().map(cost).sum::<u64>() <= allowed {
        return;
    }
    probes.sort_unstable_by_key(|p| (cost(p), p.low, p.high, p.time));
    let mut total = 0;
    let kept = probes.iter().take_while(|p| {
        total += cost(p);
        total <= allowed
    });
    let kept = kept.count();
    probes.truncate(kept);
}

/// Counts votes; owns its buffers.
#[derive(Debug, Default)]
struct Tally {
    sorter: Sorter,
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
    fn count(
        &mut self,
        run: usize,
        votes: &mut Vec<u32>,
        (most, least): (usize, u32),
        spots: &mut Vec<Spot>,
    ) {
        let Self { sorter, pairs, best, order } = self;
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
