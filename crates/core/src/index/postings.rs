//! The posting codec: encodes the postings of a bucket, which are pairs of hash and time, as bytes.
//!
//! A bucket contains the postings whose hashes have the same high bits. Each posting is one integer: the low bits of
//! the hash, followed by the bits of the time. The integers are sorted, and the differences between them are stored as
//! Rice codes. The Rice parameter is computed from the number of postings. Random postings take about 1.5 bits per
//! posting more than the theoretical minimum.
//! ```text
//! Rice(count, 4) | per posting: Rice(difference, k)
//! ```

use crate::bits::{BitReader, BitWriter, rice_parameter};

/// Rice parameter for the number of postings of a bucket. It suits counts of about 16 to 32, the target for a bucket.
/// Part of the file format.
const COUNT_RICE: u32 = 4;

/// Returns a posting as one sortable integer: the hash in the high 32 bits, the time in the low 32 bits.
pub(crate) fn posting(hash: u32, time: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(time)
}

/// Parameters of the encoding of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BucketShape {
    /// Number of low bits of the hash that are stored. The number of the bucket contains the other bits.
    pub(crate) hash_bits: u32,
    /// Number of bits of the time of a posting.
    pub(crate) time_bits: u32,
}

impl BucketShape {
    fn rice(self, count: u64) -> u32 {
        rice_parameter(1u64 << (self.hash_bits + self.time_bits).min(63), count)
    }

    /// Appends the encoded postings of one bucket to `bytes` and returns the vector. The postings must be sorted. An
    /// empty bucket is encoded as no bytes.
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
            // Equal postings give a difference of 0. For unsorted postings the subtraction would underflow, so callers
            // must sort.
            out.rice(key - before, rice);
            before = key;
        }
        out.finish()
    }

    /// Decodes a bucket. Calls `visit` in order with the low bits of the hash and the time of every posting whose low
    /// bits are in `low ..= high`. Returns `None` if `bytes` does not begin with a valid bucket. Further bytes after
    /// the bucket are ignored.
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
        // The Rice parameter is not stored. Encoder and decoder compute it from the same numbers.
        let rice = self.rice(count);
        let mask = (1u64 << self.time_bits) - 1;
        let mut key = 0u64;
        bits.rices(count, rice, |gap| {
            // Damaged bytes can contain differences of any size. An overflow must end the decoding instead of wrapping
            // to a small key.
            key = key.checked_add(gap)?;
            let hash = (key >> self.time_bits) as u32;
            if (low..=high).contains(&hash) {
                visit(hash, (key & mask) as u32);
            }
            // Postings are sorted, so decoding stops at the first hash above the range.
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
        fn encoded_buckets_are_decoded(mut raw in prop::collection::vec((0u32..32, 0u32..1 << 20), 0..200), low in 0u32..32, span in 0u32..8) {
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
        fn decoding_arbitrary_bytes_terminates(bytes in prop::collection::vec(any::<u8>(), 0..100), time_bits in 1u32..=32) {
            let shape = BucketShape { hash_bits: 5, time_bits };
            let _ = shape.decode(&bytes, 0, u32::MAX, |_, _| ());
        }
    }
}
