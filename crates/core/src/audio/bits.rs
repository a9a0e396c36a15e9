//! Reads bits from a byte slice, most significant bit first.

/// A bit reader. A read beyond the end of the slice returns `None`.
#[derive(Debug, Clone)]
pub(super) struct MsbBitReader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> MsbBitReader<'a> {
    /// Creates a reader at the first bit.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Reads the next `count` bits as a number. `count` is at most 32.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u64;
        let end = self.position + count as usize;
        if count > 32 || end > self.data.len() * 8 {
            return None;
        }
        while self.position < end {
            let within = self.position % 8;
            let now = (8 - within).min(end - self.position);
            let byte = u64::from(self.data[self.position / 8]);
            let bits = (byte >> (8 - within - now)) & ((1 << now) - 1);
            value = (value << now) | bits;
            self.position += now;
        }
        u32::try_from(value).ok()
    }

    /// Reads the next bit. A bit of 1 is true.
    pub(super) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Returns the number of bits read so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Moves forward to a bit position, counted from the start of the slice. Returns `None` if `position` is before the
    /// current position or after the end.
    pub(super) fn skip_to(&mut self, position: usize) -> Option<()> {
        let forward = (self.position..=self.data.len() * 8).contains(&position);
        forward.then(|| self.position = position)
    }

    /// Reads the next `count` bytes, which may begin at any bit.
    pub(super) fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        if self.position + count * 8 > self.data.len() * 8 {
            return None;
        }
        (0..count).map(|_| self.take(8).and_then(|byte| u8::try_from(byte).ok())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_in_order_up_to_the_end() {
        let mut bits = MsbBitReader::new(&[0b1010_0101, 0xFF, 0x01]);
        assert_eq!(bits.take(3), Some(0b101));
        assert_eq!(bits.take(9), Some(0b0_0101_1111));
        assert_eq!(bits.bytes(1), Some(vec![0xF0]));
        assert_eq!(bits.bytes(1), None);
        assert_eq!(bits.take(4), Some(1));
        assert_eq!(bits.flag(), None);
    }
}
