//! The posting codec: sorted (hash, time) pairs as bytes, by bucket.
//!
//! A bucket holds the postings whose hashes share their high bits. Each posting is one integer, the hash's
//! low bits above the time; they are sorted and their gaps stored as Rice codes whose parameter follows from
//! the number of postings. A random set costs about 1.5 bits a posting more than its entropy.
//! ```text
//! Rice(count, 4) | per posting: Rice(gap, k)
//! ```

use crate::bits::{BitReader, BitWriter, rice_parameter};

const COUNT_RICE: u32 = 4;

/// A posting as one sortable integer: hash above time.
pub(crate) fn posting(hash: u32, time: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(time)
}

/// What a bucket's bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BucketShape {
    /// Low bits of the hash that are stored, not implied by the bucket's number.
    pub(crate) hash_bits: u32,
    /// Bits of a time.
    pub(crate) time_bits: u32,
}

impl BucketShape {
    fn rice(self, count: u64) -> u32 {
        rice_parameter(1u64 << (self.hash_bits + self.time_bits).min(63), count)
    }

    /// Packs the sorted postings of one bucket behind `bytes`; nothing for none.
    pub(crate) fn encode(self, postings: &[u64], bytes: Vec<u8>) -> Vec<u8> {
        if postings.is_empty() {
            return bytes;
        }
        let mut out = BitWriter::append_to(bytes);
        let rice = self.rice(postings.len() as u64);
        out.rice(postings.len() as u64, COUNT_RICE);
        let mut before = 0;
        for posting in postings {
            let hash = (posting >> 32) & ((1 << self.hash_bits) - 1);
            let key = hash << self.time_bits | (posting & u64::from(u32::MAX));
            out.rice(key - before, rice);
            before = key;
        }
        out.finish()
    }

    /// Calls `visit` with (hash's low bits, time) of every posting whose low bits lie in `low ..= high`,
    /// in order. `None` where the bytes are no bucket; other bytes may follow those of the bucket.
    #[inline]
    pub(crate) fn decode(
        self,
        bytes: &[u8],
        low: u32,
        high: u32,
        mut visit: impl FnMut(u32, u32),
    ) -> Option<()> {
        if bytes.is_empty() {
            return Some(());
        }
        let mut bits = BitReader::new(bytes);
        let count = bits.rice(COUNT_RICE)?;
        let rice = self.rice(count);
        let mask = (1u64 << self.time_bits) - 1;
        let mut key = 0u64;
        bits.rices(count, rice, |gap| {
            key = key.checked_add(gap)?;
            let hash = (key >> self.time_bits) as u32;
            if (low..=high).contains(&hash) {
                visit(hash, (key & mask) as u32);
            }
            Some(hash <= high)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_comes_back(mut raw in prop::collection::vec((0u32..32, 0u32..1 << 20), 0..200), low in 0u32..32, span in 0u32..8) {
            raw.sort_unstable();
            let shape = BucketShape { hash_bits: 5, time_bits: 20 };
            let postings: Vec<u64> = raw.iter().map(|(h, t)| posting(7 << 5 | h, *t)).collect();
            let bytes = shape.encode(&postings, Vec::new());
            let mut found = Vec::new();
            prop_assert!(shape.decode(&bytes, low, low + span, |h, t| found.push((h, t))).is_some());
            raw.retain(|(h, _)| (low..=low + span).contains(h));
            prop_assert_eq!(found, raw);
        }

        #[test]
        fn strange_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..100), time_bits in 1u32..=32) {
            let shape = BucketShape { hash_bits: 5, time_bits };
            let _ = shape.decode(&bytes, 0, u32::MAX, |_, _| ());
        }
    }
}
