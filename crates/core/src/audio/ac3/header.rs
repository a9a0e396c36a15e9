//! Reads the first bytes of a frame: AC-3 (ATSC A/52:2018, 5.3.1) and E-AC-3 (annex E, 2.2.1 and 2.2.2).

/// Number of bytes that a header needs.
pub(in super::super) const HEADER_BYTES: usize = 6;

/// Number of samples per channel in an audio block.
pub(in super::super) const BLOCK_SAMPLES: usize = 256;

/// Maximum number of audio blocks in a frame. An AC-3 frame always has this number.
pub(super) const MAX_BLOCKS: usize = 6;

/// Bit rates of AC-3 in kbit/s (table 5.18). Two size codes share each bit rate.
const BIT_RATES: [usize; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// Kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A frame of AC-3.
    Ac3,
    /// A frame of E-AC-3.
    Enhanced {
        /// 0 for an independent substream, 1 for a dependent one, 2 for an independent one that was converted from
        /// AC-3.
        stream_type: u8,
        /// Number of the substream, 0 to 7.
        substream: u8,
    },
}

/// The start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct SyncHeader {
    /// Length of the whole frame in bytes.
    pub(in super::super) length: usize,
    /// Sample rate in hertz.
    pub(in super::super) rate: u32,
    /// Number of audio blocks of [`BLOCK_SAMPLES`] samples, 1 to [`MAX_BLOCKS`].
    pub(in super::super) blocks: usize,
    /// Index of the sample rate in the tables of the standard: 0 for 48 kHz, 1 for 44.1 kHz, 2 for 32 kHz.
    pub(super) rate_code: usize,
    /// Kind of the frame.
    pub(super) kind: FrameKind,
}

impl SyncHeader {
    /// Reads the header of a frame. Returns `None` if the bytes do not begin with a valid header. E-AC-3 with reduced
    /// sample rates (below 32 kHz) counts as invalid, because it is not in use.
    pub(in super::super) fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let [0x0B, 0x77, third, fourth, fifth, sixth] = *bytes else { return None };
        let rate_code = usize::from(fifth >> 6);
        let rate = *[48_000, 44_100, 32_000].get(rate_code)?;
        match sixth >> 3 {
            0..=8 => {
                let size_code = usize::from(fifth & 0x3F);
                let bit_rate = *BIT_RATES.get(size_code / 2)?;
                let length = 2 * words(rate_code, bit_rate, size_code % 2);
                Some(Self { length, rate, blocks: MAX_BLOCKS, rate_code, kind: FrameKind::Ac3 })
            }
            11..=16 => {
                let (stream_type, substream) = (third >> 6, third >> 3 & 7);
                let length = 2 * (usize::from(u16::from_be_bytes([third & 7, fourth])) + 1);
                let blocks = [1, 2, 3, MAX_BLOCKS][usize::from(fifth >> 4 & 3)];
                let kind = FrameKind::Enhanced { stream_type, substream };
                (stream_type < 3 && length > HEADER_BYTES).then_some(Self {
                    length,
                    rate,
                    blocks,
                    rate_code,
                    kind,
                })
            }
            _ => None,
        }
    }

    /// Returns true for E-AC-3.
    pub(in super::super) fn is_enhanced(&self) -> bool {
        self.kind != FrameKind::Ac3
    }

    /// Returns true for the frames that are decoded: AC-3, and the first independent substream of E-AC-3. Dependent
    /// substreams only add channels, and other independent substreams are other programs.
    pub(in super::super) fn is_main(&self) -> bool {
        match self.kind {
            FrameKind::Ac3 => true,
            FrameKind::Enhanced { stream_type, substream } => stream_type != 1 && substream == 0,
        }
    }
}

/// Returns the length of an AC-3 frame in words of 16 bits (table 5.18). `padding` is 1 for the longer one of the two
/// frames of a bit rate at 44.1 kHz.
fn words(rate_code: usize, bit_rate: usize, padding: usize) -> usize {
    match rate_code {
        0 => 2 * bit_rate,
        1 => bit_rate * 1_000 * BLOCK_SAMPLES * MAX_BLOCKS / 16 / 44_100 + padding,
        _ => 3 * bit_rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_give_the_length_and_rate_of_a_frame() {
        let read = |rate_and_size: u8| SyncHeader::read(&[0x0B, 0x77, 0, 0, rate_and_size, 8 << 3]);
        let properties = |rate_and_size| read(rate_and_size).map(|header| (header.length, header.rate));
        assert_eq!(properties(20), Some((768, 48_000)));
        assert_eq!(properties(0x40), Some((138, 44_100)));
        assert_eq!(properties(0x41), Some((140, 44_100)));
        assert_eq!(properties(0x80 | 37), Some((3_840, 32_000)));
        assert_eq!(properties(38), None);
        assert_eq!(properties(0xC0), None);
    }

    #[test]
    fn only_the_first_independent_substream_is_the_main_program() {
        let read = |third: u8| SyncHeader::read(&[0x0B, 0x77, third, 0xFF, 0x30, 16 << 3]);
        let main = read(0x01).unwrap();
        assert_eq!((main.length, main.rate, main.blocks), (1_024, 48_000, 6));
        assert!(main.is_main());
        assert!(read(0x81).unwrap().is_main());
        assert!(!read(0x41).unwrap().is_main(), "a dependent substream");
        assert!(!read(0x09).unwrap().is_main(), "another program");
        assert_eq!(read(0xC1), None);
        assert_eq!(SyncHeader::read(&[0x0B, 0x77, 0, 0xFF, 0x30, 9 << 3]), None);
    }
}
