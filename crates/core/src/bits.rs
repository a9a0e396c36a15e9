//! Bit streams and Rice codes. All packed formats of this crate consist of them.
//!
//! Bits are stored in little-endian words, lowest bit first. A Rice code (Rice, Plaunt 1971) with parameter `k` is
//! the high part of the value in unary (zeros, terminated by a one), followed by the low `k` bits of the value.

/// Limit of the unary part. A value whose unary part would have this many zeros or more is written as an escape code:
/// exactly this many zeros, a one, then the value in 64 plain bits. No code is longer than 105 bits. With the parameter
/// of [`rice_parameter`], only values of at least 14 times the mean need an escape code. At twice this limit, a unary
/// part would not fit into the 57 bits of one peek. A change of the limit changes all packed formats.
const MAX_UNARY_ZEROS: u64 = 40;

/// Returns the best Rice parameter, at most 32, for `count` values with a sum of about `sum`. The parameter is the
/// base-2 logarithm of 0.7 times the mean of the values; 0 if `count` is 0.
pub(crate) fn rice_parameter(sum: u64, count: u64) -> u32 {
    let mean = sum.checked_div(count).unwrap_or(0);
    // 0.69 × mean is the optimum for geometrically distributed values; 45/64 is close to that factor.
    (mean.saturating_mul(45) / 64).checked_ilog2().map_or(0, |k| k.min(32))
}

/// Writes bits to the end of a byte vector.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    word: u64,
    used: u32,
}

impl BitWriter {
    /// Creates a writer that appends to `bytes`.
    pub(crate) fn append_to(bytes: Vec<u8>) -> Self {
        Self { bytes, word: 0, used: 0 }
    }

    /// Writes the low `count` bits of `value`. `count` is at most 64.
    pub(crate) fn bits(&mut self, value: u64, count: u32) {
        if count == 0 {
            return;
        }
        // Shifts by 64 overflow, so `count` 64 and, below, `free_bits` 64 are handled separately.
        let value = if count == 64 { value } else { value & ((1 << count) - 1) };
        self.word |= value << self.used;
        let free_bits = 64 - self.used;
        if count >= free_bits {
            self.bytes.extend_from_slice(&self.word.to_le_bytes());
            self.word = if free_bits == 64 { 0 } else { value >> free_bits };
            self.used = count - free_bits;
        } else {
            self.used += count;
        }
    }

    /// Writes `value` as a Rice code with parameter `k`, at most 32.
    pub(crate) fn rice(&mut self, value: u64, k: u32) {
        let high = value >> k;
        if high >= MAX_UNARY_ZEROS {
            self.bits(1 << MAX_UNARY_ZEROS, MAX_UNARY_ZEROS as u32 + 1);
            self.bits(value, 64);
        } else {
            self.bits(1 << high, high as u32 + 1);
            self.bits(value, k);
        }
    }

    /// Returns the bytes. Unused bits of the last byte are zero.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let rest = self.used.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.word.to_le_bytes()[..rest]);
        self.bytes
    }
}

/// Minimum number of valid bits that one peek returns. A peek reads a 64-bit word that starts at a byte, and up to 7
/// bits of its first byte may already be consumed.
const PEEK_BITS: u32 = 57;

/// Reads bits from a byte slice. A read that needs more bits than the slice still has returns `None`.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Position of the next bit, counted from the start of the slice.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns a word whose low bits, 57 or more, are the next bits. Does not consume them. Bits after the end of the
    /// slice are zero.
    #[inline]
    fn peek(&self) -> u64 {
        let from = self.at / 8;
        let word = match self.bytes.get(from..from + 8) {
            Some(eight) => u64::from_le_bytes([
                eight[0], eight[1], eight[2], eight[3], eight[4], eight[5], eight[6], eight[7],
            ]),
            None => self.tail(from),
        };
        word >> (self.at % 8)
    }

    #[cold]
    fn tail(&self, from: usize) -> u64 {
        let rest = self.bytes.get(from..).unwrap_or_default();
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }

    #[inline]
    fn skip(&mut self, count: u32) -> Option<()> {
        // The position stays beyond the end after a failed read, so that all later reads fail as well.
        self.at += count as usize;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// Reads the next `count` bits as a number. `count` is at most 64. Returns `None` if fewer bits remain.
    #[inline]
    pub(crate) fn bits(&mut self, count: u32) -> Option<u64> {
        // A peek returns only 57 bits, so longer values are read in two parts.
        if count > 56 {
            let low = self.bits(32)?;
            return Some(low | self.bits(count - 32)? << 32);
        }
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        Some(value)
    }

    /// Reads a Rice code with parameter `k`, at most 32. Returns `None` if the bits are used up or are not a valid
    /// code.
    #[inline]
    pub(crate) fn rice(&mut self, k: u32) -> Option<u64> {
        let word = self.peek();
        let high = word.trailing_zeros();
        // Fast path: the unary part and the low bits are both in the peeked word.
        if high + 1 + k <= 56 && high < MAX_UNARY_ZEROS as u32 {
            let low = (word >> (high + 1)) & ((1 << k) - 1);
            self.skip(high + 1 + k)?;
            return Some(u64::from(high) << k | low);
        }
        self.rice_slow(k, high)
    }

    /// Reads up to `count` Rice codes with parameter `k`, at most 32, and calls `each` with each value. `Some(false)`
    /// from `each` ends the reading early. Returns `None` if the bits are used up or are not a valid code, or if `each`
    /// returns `None`. This is faster than repeated calls of [`Self::rice`], because one peeked word often contains
    /// several codes.
    #[inline]
    pub(crate) fn rices(
        &mut self,
        count: u64,
        k: u32,
        mut each: impl FnMut(u64) -> Option<bool>,
    ) -> Option<()> {
        let mask = (1u64 << k) - 1;
        let (mut word, mut valid_bits) = (self.peek(), PEEK_BITS);
        for _ in 0..count {
            // Bits above `valid_bits` may be zeros that were shifted in. If a code is longer than `valid_bits`, its
            // last bits may be such zeros, so the code is read again from a newly peeked word.
            let mut high = word.trailing_zeros();
            let mut length = high + 1 + k;
            if length > valid_bits {
                (word, valid_bits) = (self.peek(), PEEK_BITS);
                high = word.trailing_zeros();
                length = high + 1 + k;
            }
            let value = if length <= valid_bits && u64::from(high) < MAX_UNARY_ZEROS {
                let value = u64::from(high) << k | (word >> (high + 1)) & mask;
                word >>= length;
                valid_bits -= length;
                self.skip(length)?;
                value
            } else {
                let value = self.rice(k)?;
                (word, valid_bits) = (self.peek(), PEEK_BITS);
                value
            };
            if !each(value)? {
                break;
            }
        }
        Some(())
    }

    #[cold]
    fn rice_slow(&mut self, k: u32, high: u32) -> Option<u64> {
        // No writer makes longer unary parts. The zeros that `peek` returns after the end of the slice are rejected
        // here too.
        if u64::from(high) > MAX_UNARY_ZEROS {
            return None;
        }
        self.skip(high + 1)?;
        if u64::from(high) == MAX_UNARY_ZEROS {
            self.bits(64)
        } else {
            Some(u64::from(high) << k | self.bits(k)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_bits_are_read_back(values in prop::collection::vec((any::<u64>(), 0u32..=64), 0..100)) {
            let mut out = BitWriter::default();
            for (value, count) in &values {
                out.bits(*value, *count);
            }
            let bytes = out.finish();
            let mut bits = BitReader::new(&bytes);
            for (value, count) in values {
                let expected = if count == 64 { value } else { value & ((1u64 << count) - 1) };
                prop_assert_eq!(bits.bits(count), Some(expected));
            }
            prop_assert_eq!(bits.bits(8), None);
        }

        #[test]
        fn written_rice_codes_are_read_back(values in prop::collection::vec((any::<u64>(), 0u32..64), 0..100), k in 0u32..=32) {
            let values: Vec<u64> = values.into_iter().map(|(value, shift)| value >> shift).collect();
            let mut out = BitWriter::default();
            for value in &values {
                out.rice(*value, k);
            }
            let bytes = out.finish();
            let mut bits = BitReader::new(&bytes);
            for value in &values {
                prop_assert_eq!(bits.rice(k), Some(*value));
            }
            let mut batch = Vec::new();
            let done = BitReader::new(&bytes).rices(values.len() as u64, k, |value| {
                batch.push(value);
                Some(true)
            });
            prop_assert_eq!((done, batch), (Some(()), values));
        }

        #[test]
        fn reading_arbitrary_bytes_terminates(bytes in prop::collection::vec(any::<u8>(), 0..100), k in 0u32..=32) {
            let mut bits = BitReader::new(&bytes);
            while bits.rice(k).is_some() {}
            let mut codes = 0;
            let done = BitReader::new(&bytes).rices(u64::MAX, k, |_| {
                codes += 1;
                Some(true)
            });
            prop_assert!(done.is_none() && codes <= 8 * bytes.len());
        }
    }
}
