//! Reads the fields of a frame.

use super::super::bits::MsbBitReader;

/// Error for a frame that ends before its last field.
const TRUNCATED: &str = "the frame ends within a field";

/// Result of reading a frame. The error describes the damage or the unsupported feature.
pub(super) type Ac3Result<T> = Result<T, &'static str>;

/// A reader of the fields of one frame.
#[derive(Debug)]
pub(super) struct FieldReader<'a> {
    bits: MsbBitReader<'a>,
}

impl<'a> FieldReader<'a> {
    /// Creates a reader at the first bit of `frame`.
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self { bits: MsbBitReader::new(frame) }
    }

    /// Reads an unsigned number of `width` bits, at most 32.
    pub(super) fn number(&mut self, width: u32) -> Ac3Result<usize> {
        self.bits.take(width).map(|value| value as usize).ok_or(TRUNCATED)
    }

    /// Reads an unsigned number of `width` bits, at most 31, as a signed integer.
    pub(super) fn integer(&mut self, width: u32) -> Ac3Result<i32> {
        self.bits.take(width).map(u32::cast_signed).ok_or(TRUNCATED)
    }

    /// Reads a flag.
    pub(super) fn flag(&mut self) -> Ac3Result<bool> {
        self.bits.flag().ok_or(TRUNCATED)
    }

    /// Skips `width` bits.
    pub(super) fn skip(&mut self, width: usize) -> Ac3Result<()> {
        self.bits.skip_to(self.bits.position() + width).ok_or(TRUNCATED)
    }

    /// Reads a flag and, if it is set, skips a field of `width` bits.
    pub(super) fn skip_optional(&mut self, width: usize) -> Ac3Result<()> {
        if self.flag()? { self.skip(width) } else { Ok(()) }
    }
}
