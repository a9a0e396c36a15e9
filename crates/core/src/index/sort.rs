//! Sorts postings by hash. The input is in order of time, and sorting keeps the order of postings with equal hashes.
//!
//! A radix sort, which sorts by one digit of the hash after another by counting, takes a tenth of the time of a
//! comparison sort.

use rayon::prelude::*;

/// Number of bits of a digit. A hash has 21 bits, so two passes sort it; with 10 bits, a third pass would be needed.
/// The 2,048 write positions of a pass fit into the first-level cache; with 12 bits, they would take twice as much of
/// it.
const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Position of the lowest bit of the hash in a posting.
const HASH_SHIFT: u32 = u32::BITS;

/// Sorts postings by hash, in one thread. All hashes must be within `low .. low + 2^bits`. Postings of equal hash keep
/// their order. `spare` is a buffer whose content is overwritten.
pub(crate) fn sort_by_hash(postings: &mut Vec<u64>, low: u32, bits: u32, spare: &mut Vec<u64>) {
    spare.clear();
    spare.resize(postings.len(), 0);
    for shift in (0..bits).step_by(DIGIT_BITS as usize) {
        let digit =
            |posting: u64| (((posting >> HASH_SHIFT) as u32).wrapping_sub(low) >> shift) as usize % DIGITS;
        scatter(postings, spare, digit);
        std::mem::swap(postings, spare);
    }
}

/// Sorts postings by hash on all cores. Hashes must have at most `bits` bits. Postings of equal hash keep their
/// order.
pub(crate) fn par_sort_by_hash(postings: &mut [u64], bits: u32) {
    let shift = bits.saturating_sub(DIGIT_BITS);
    let mut spare = vec![0; postings.len()];
    let high = |posting: u64| ((posting >> HASH_SHIFT) as u32 >> shift) as usize % DIGITS;
    // One thread sorts by the high digit first. Then each digit has its own part of the postings, and the parts are
    // sorted in parallel without a merge.
    let ends = scatter(postings, &mut spare, high);
    let mut parts = Vec::with_capacity(DIGITS);
    let (mut from, mut to, mut start) = (spare.as_mut_slice(), postings, 0);
    for end in ends {
        let (source, later) = from.split_at_mut(end - start);
        let (target, rest) = to.split_at_mut(end - start);
        parts.push((source, target));
        (from, to, start) = (later, rest, end);
    }
    parts.into_par_iter().for_each(|(source, target)| {
        // The remaining low bits fit into one digit.
        let low = |posting: u64| ((posting >> HASH_SHIFT) as usize) & ((1 << shift) - 1);
        scatter(source, target, low);
    });
}

/// Writes the numbers of `source` to `target`, sorted by the result of `digit`. Numbers of equal digit keep their
/// order. Returns for each digit the index in `target` after its last number.
fn scatter(source: &[u64], target: &mut [u64], digit: impl Fn(u64) -> usize) -> [usize; DIGITS] {
    let mut ends = [0usize; DIGITS];
    for number in source {
        ends[digit(*number)] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    for number in source {
        let place = &mut ends[digit(*number)];
        target[*place] = *number;
        *place += 1;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn postings(raw: Vec<u32>) -> Vec<u64> {
        raw.into_iter().enumerate().map(|(time, hash)| u64::from(hash) << HASH_SHIFT | time as u64).collect()
    }

    proptest! {
        #[test]
        fn postings_are_sorted_by_hash_then_time(raw in prop::collection::vec(0u32..1 << 21, 0..2000), bits in 1u32..=21, low in 0u32..5000) {
            let range = postings(raw.iter().map(|hash| low + hash % (1 << bits)).collect());
            let mut sorted = range.clone();
            sorted.sort_unstable();
            let mut one = range.clone();
            sort_by_hash(&mut one, low, bits, &mut Vec::new());
            prop_assert_eq!(one, sorted);
            let all = postings(raw);
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let mut many = all;
            par_sort_by_hash(&mut many, 21);
            prop_assert_eq!(many, sorted);
        }
    }
}
