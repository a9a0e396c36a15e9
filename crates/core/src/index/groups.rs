//! Counts the postings of each group of hashes of a run, and packs these counts. The hashes of a group differ only in
//! the time between the two peaks of their landmarks.

use crate::bits::{BitReader, BitWriter, rice_parameter};
use crate::fingerprint::landmark::{GROUP_HASHES, GROUPS, group};

/// Returns a pair for each group of hashes that has postings, in ascending order: the number of the group, and the
/// number of its postings. `postings` must be sorted.
pub(crate) fn count_groups(postings: &[u64]) -> Vec<(usize, u32)> {
    let mut counts = Vec::new();
    let mut rest = postings;
    while let Some(first) = rest.first() {
        let group = group((first >> 32) as u32);
        let bound = ((group as u64 + 1) * u64::from(GROUP_HASHES)) << 32;
        let (now, later) = rest.split_at(rest.partition_point(|p| *p < bound));
        counts.push((group, now.len() as u32));
        rest = later;
    }
    counts
}

fn groups_rice(postings: u64) -> u32 {
    rice_parameter(postings, GROUPS as u64)
}

/// Packs `groups`, the number of postings of each group, indexed by group. `postings` is the sum of these numbers.
pub(crate) fn pack_groups(groups: &[u32], postings: u64) -> Vec<u8> {
    let mut out = BitWriter::default();
    for count in groups {
        out.rice(u64::from(*count), groups_rice(postings));
    }
    out.finish()
}

/// Reads the output of [`pack_groups`]. `postings` must be the sum that was passed to [`pack_groups`]. Returns `None`
/// if the bytes are invalid.
pub(crate) fn unpack_groups(bytes: &[u8], postings: u64) -> Option<Vec<u32>> {
    let mut bits = BitReader::new(bytes);
    (0..GROUPS).map(|_| u32::try_from(bits.rice(groups_rice(postings))?).ok()).collect()
}
