//! Vote counting: finds the offsets with the most votes.

use crate::index::{BIN_UNITS, OffsetPeak};

/// Non-maximum suppression radius, in bins. 3 bins are 0.14 s. At half this value, an alignment whose votes are spread
/// over several bins fills several entries of the candidate list; at twice this value, a repetition of the same audio
/// within 0.3 s is not a candidate.
const SUPPRESSION_RADIUS_BINS: u32 = 3;

/// Counts votes per offset. Owns reusable buffers.
#[derive(Debug, Default)]
pub(super) struct OffsetHistogram {
    sorter: Sorter,
    vote_filter: VoteFilter,
    pairs: Vec<BinPair>,
    best: Vec<BinPair>,
    order: Vec<usize>,
}

/// Two neighboring bins of offsets, with the sum of their votes.
#[derive(Debug, Clone, Copy)]
struct BinPair {
    /// Number of the upper bin of the pair, or of the only bin that has votes. The lower border of the upper bin is the
    /// middle of the pair, which is the best estimate of the offset.
    bin: u32,
    votes: u32,
    /// True if the pair survives non-maximum suppression and becomes a candidate.
    kept: bool,
}

impl OffsetHistogram {
    /// Adds the offsets of a run that have the most votes, and at least `min_votes`, to `offset_peaks`. Adds at least
    /// `max_peaks` offsets if the run has enough, and all offsets with as many votes as the last of them.
    pub(super) fn count(
        &mut self,
        run: usize,
        votes: &mut Vec<u32>,
        (max_peaks, min_votes): (usize, u32),
        offset_peaks: &mut Vec<OffsetPeak>,
    ) {
        let Self { sorter, vote_filter, pairs, best, order } = self;
        vote_filter.retain_candidates(votes, min_votes);
        sorter.sort(votes);
        let mut histogram = [0usize; 256];
        find_pairs(votes, min_votes, pairs, &mut histogram);
        let mut threshold = histogram.len();
        let mut above = 0;
        // The histogram gives the highest threshold that can leave enough offsets. Suppression may remove some of them,
        // so the threshold is lowered until enough survive. This is faster than suppression of all pairs, which would
        // sort thousands of them by votes.
        while threshold > min_votes as usize {
            threshold -= 1;
            above += histogram[threshold];
            if above < max_peaks {
                continue;
            }
            best.clear();
            best.extend(pairs.iter().filter(|pair| pair.votes as usize >= threshold));
            suppress_non_maxima(best, order);
            if best.iter().filter(|pair| pair.kept).count() >= max_peaks {
                break;
            }
        }
        // There are fewer pairs than requested, so all of them are used.
        if above < max_peaks {
            best.clone_from(pairs);
            suppress_non_maxima(best, order);
        }
        let kept = best.iter().filter(|pair| pair.kept);
        offset_peaks.extend(kept.map(|pair| OffsetPeak {
            run,
            offset: pair.bin * BIN_UNITS,
            votes: pair.votes,
        }));
    }
}

/// Collects the pairs of neighboring bins that have at least `min_votes` votes, and the histogram of their votes,
/// capped at 255. The bins must be sorted.
fn find_pairs(bins: &[u32], min_votes: u32, pairs: &mut Vec<BinPair>, histogram: &mut [usize; 256]) {
    pairs.clear();
    let mut groups = bins.chunk_by(|a, b| a == b).peekable();
    while let Some(group) = groups.next() {
        let neighbor = groups.peek().filter(|next| next[0] == group[0] + 1).map_or(0, |next| next.len());
        let votes = (group.len() + neighbor) as u32;
        if votes >= min_votes {
            pairs.push(BinPair { bin: group[0] + u32::from(neighbor > 0), votes, kept: false });
            // Offsets with 255 votes or more are certain candidates, so their order in the histogram is irrelevant.
            histogram[votes.min(255) as usize] += 1;
        }
    }
}

/// Non-maximum suppression: sets `kept` for each pair unless a better pair within [`SUPPRESSION_RADIUS_BINS`] is kept.
/// The pairs must be sorted by bin.
fn suppress_non_maxima(pairs: &mut [BinPair], order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..pairs.len());
    order.sort_unstable_by_key(|i| (std::cmp::Reverse(pairs[*i].votes), *i));
    for i in order.iter().copied() {
        let bin = pairs[i].bin;
        // Pairs are processed by falling votes, so a pair that is already kept is at least as good.
        let mut before =
            pairs[..i].iter().rev().take_while(|other| bin - other.bin <= SUPPRESSION_RADIUS_BINS);
        let mut after = pairs[i + 1..].iter().take_while(|other| other.bin - bin <= SUPPRESSION_RADIUS_BINS);
        pairs[i].kept = !before.any(|other| other.kept) && !after.any(|other| other.kept);
    }
}

/// Number of counters for votes. Each counter is shared by all pairs of two bins with the same low bits. The counters
/// take 32 kB, the size of a first-level cache. At half this value, sorting takes longer, because more unrelated votes
/// share a counter and pass the filter; at twice this value, counting takes longer, because the counters exceed the
/// cache.
const FILTER_COUNTERS: usize = 1 << 15;
/// Maximum number of votes that are filtered. More votes fill so many counters that the filter removes too few votes to
/// save time. With half as many votes as counters, most counters are empty or hold one vote. A higher limit only costs
/// time: the filter never removes a candidate.
const MAX_FILTERED_VOTES: usize = FILTER_COUNTERS / 2;

/// A filter that removes votes of offsets that cannot become candidates before the votes are sorted. Owns a reusable
/// buffer.
///
/// A lookup of the ladder has some thousand votes, and nearly all of them are the only vote of their offset.
#[derive(Debug, Default)]
struct VoteFilter(Vec<u8>);

impl VoteFilter {
    /// Removes votes that cannot belong to a pair of neighboring bins with at least `min_votes` votes. A few such votes
    /// remain, because different bins can share a counter. More than [`MAX_FILTERED_VOTES`] votes are not filtered.
    fn retain_candidates(&mut self, votes: &mut Vec<u32>, min_votes: u32) {
        if votes.len() > MAX_FILTERED_VOTES {
            return;
        }
        let cell = |bin: u32| (bin / 2) as usize % FILTER_COUNTERS;
        self.0.clear();
        self.0.resize(FILTER_COUNTERS, 0);
        for bin in votes.iter() {
            let count = &mut self.0[cell(*bin)];
            *count = count.saturating_add(1);
        }
        let min_votes = min_votes.min(u32::from(u8::MAX)) as u8;
        votes.retain(|bin| {
            // The counter of a bin includes one of its neighbors. The other neighbor has the next counter on its side.
            let neighbor = if bin.is_multiple_of(2) { bin.wrapping_sub(1) } else { bin.wrapping_add(1) };
            self.0[cell(*bin)].saturating_add(self.0[cell(neighbor)]) >= min_votes
        });
    }
}

/// Bits per digit of the radix sort: the 2,048 write positions fit into the first-level cache. Three passes sort 32
/// bits. With 10 bits a fourth pass is needed; with 16 bits two passes suffice, but 65,536 positions do not fit into
/// that cache.
const DIGIT_BITS: u32 = 11;
/// Minimum number of values for the radix sort; fewer values are sorted by comparison. Three passes over 2,048
/// positions cost more than sorting fewer values. The value changes only the time of a lookup, not the result.
const MIN_RADIX_SORT_LEN: usize = 1 << 12;

/// Sorts integers by a least-significant-digit radix sort. Owns a reusable buffer.
#[derive(Debug, Default)]
struct Sorter(Vec<u32>);

impl Sorter {
    fn sort(&mut self, numbers: &mut Vec<u32>) {
        if numbers.len() < MIN_RADIX_SORT_LEN {
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
            // All numbers have the same digit, as in the high bits for a small index, so this pass would change
            // nothing.
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
        fn radix_sort_matches_std(mut numbers in prop::collection::vec(any::<u32>(), 0..3 * MIN_RADIX_SORT_LEN), mask in any::<u32>()) {
            numbers.iter_mut().for_each(|number| *number &= mask);
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            Sorter::default().sort(&mut numbers);
            prop_assert_eq!(numbers, sorted);
        }
    }

    proptest! {
        #[test]
        fn filtering_votes_changes_no_candidate(
            votes in prop::collection::vec((0u32..100, prop::sample::select(vec![0, 65_536, u32::MAX - 100])), 0..400),
            min_votes in 1u32..8,
        ) {
            let mut votes: Vec<u32> = votes.into_iter().map(|(bin, base)| base + bin).collect();
            votes.sort_unstable();
            let pairs = |votes: &[u32]| {
                let mut pairs = Vec::new();
                find_pairs(votes, min_votes, &mut pairs, &mut [0; 256]);
                pairs.iter().map(|pair| (pair.bin, pair.votes)).collect::<Vec<_>>()
            };
            let all = pairs(&votes);
            VoteFilter::default().retain_candidates(&mut votes, min_votes);
            prop_assert_eq!(pairs(&votes), all);
        }
    }

    #[test]
    fn best_offsets_include_all_ties() {
        let mut votes = Vec::new();
        for (bin, count) in [(10, 9), (12, 4), (50, 3), (100, 5), (101, 2), (200, 3), (300, 1)] {
            votes.extend(std::iter::repeat_n(bin, count));
        }
        let mut offset_peaks = Vec::new();
        let mut best = |max_peaks| {
            offset_peaks.clear();
            OffsetHistogram::default().count(0, &mut votes, (max_peaks, 2), &mut offset_peaks);
            offset_peaks
                .iter()
                .map(|offset_peak| (offset_peak.offset / BIN_UNITS, offset_peak.votes))
                .collect::<Vec<_>>()
        };
        assert_eq!(best(1), [(10, 9)]);
        assert_eq!(best(2), [(10, 9), (101, 7)], "12 is too near to 10");
        assert_eq!(best(3), [(10, 9), (50, 3), (101, 7), (200, 3)]);
        assert_eq!(best(9), best(3));
    }
}
