//! Decryption of audio frames in an elementary stream. The header of a frame and the bytes after it are clear, so frames
//! are found without the key.

use super::cipher::{SampleKey, decrypt_blocks};

/// Number of clear bytes at the start of each frame: after the header for AAC, including the header for AC-3.
const CLEAR_BYTES: usize = 16;

/// Coding of encrypted audio frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameCoding {
    /// AAC with ADTS headers.
    Adts,
    /// AC-3 or E-AC-3.
    Ac3,
}

impl FrameCoding {
    /// Returns the coding of the frame at the start of `bytes`; `None` if no frame begins there.
    pub(super) fn sniff(bytes: &[u8]) -> Option<Self> {
        [Self::Adts, Self::Ac3].into_iter().find(|coding| coding.frame(bytes).is_some())
    }

    /// Returns the length of the frame at the start of `bytes`, and the length of its clear start, in bytes. Returns
    /// `None` if no frame begins there.
    fn frame(self, bytes: &[u8]) -> Option<(usize, usize)> {
        match self {
            Self::Adts => adts(bytes),
            Self::Ac3 => ac3(bytes).map(|length| (length, CLEAR_BYTES)),
        }
    }
}

/// Decrypts the complete frames of an elementary stream. Bytes between frames and an incomplete last frame stay
/// unchanged.
pub(super) fn decrypt(stream: &mut [u8], coding: FrameCoding, key: &SampleKey) {
    let mut at = 0;
    while at < stream.len() {
        let rest = &mut stream[at..];
        match coding.frame(rest) {
            Some((length, clear)) if length <= rest.len() => {
                // The vector is used again for each frame, so that a lost frame does not affect the next one.
                if let Some(encrypted) = rest.get_mut(clear..length) {
                    decrypt_blocks(encrypted, &key.key, &key.iv);
                }
                at += length;
            }
            // A damaged header has a meaningless length, so the search continues at the next byte.
            _ => at += 1,
        }
    }
}

/// Reads an ADTS header (ISO/IEC 13818-7, 6.2).
fn adts(bytes: &[u8]) -> Option<(usize, usize)> {
    let &[0xFF, second, _, third, fourth, fifth, _, ..] = bytes else { return None };
    let header = if second & 1 == 1 { 7 } else { 9 };
    let length = usize::from(third & 3) << 11 | usize::from(fourth) << 3 | usize::from(fifth >> 5);
    (second & 0xF6 == 0xF0 && length > header).then_some((length, header + CLEAR_BYTES))
}

/// Reads the length of a frame of AC-3 (ATSC A/52, 5.4.1) or E-AC-3 (annex E, 2.3.1).
fn ac3(bytes: &[u8]) -> Option<usize> {
    /// Bit rates in kbit/s by half of the code of the frame size.
    const BIT_RATES: [usize; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    /// Highest identification of the bit stream that has the syntax of AC-3.
    const MAX_AC3_ID: u8 = 10;
    let &[0x0B, 0x77, second, third, fourth, fifth, ..] = bytes else { return None };
    let words = if fifth >> 3 > MAX_AC3_ID {
        (usize::from(second & 7) << 8 | usize::from(third)) + 1
    } else {
        let code = usize::from(fourth & 0x3F);
        let rate = *BIT_RATES.get(code / 2)?;
        match fourth >> 6 {
            0 => rate * 2,
            1 => rate * 320 / 147 + code % 2,
            2 => rate * 3,
            _ => return None,
        }
    };
    Some(2 * words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_frames_are_read_from_their_headers() {
        assert_eq!(adts(&[0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC]), Some((16, 23)));
        assert_eq!(adts(&[0xFF, 0xF0, 0x50, 0x80, 0x02, 0x1F, 0xFC]), Some((16, 25)));
        assert_eq!(adts(&[0xFF, 0xF1, 0x50, 0x80, 0x00, 0x1F, 0xFC]), None);
        assert_eq!(ac3(&[0x0B, 0x77, 0, 0, 0x14, 0x40]), Some(768), "192 kbit/s at 48 kHz");
        assert_eq!(ac3(&[0x0B, 0x77, 0, 0, 0x55, 0x40]), Some(836), "192 kbit/s at 44.1 kHz");
        assert_eq!(ac3(&[0x0B, 0x77, 0x00, 0xFF, 0x34, 0x80]), Some(512), "E-AC-3");
        assert_eq!(ac3(&[0x0B, 0x77, 0, 0, 0xC0, 0x40]), None);
        assert_eq!(FrameCoding::sniff(&[0x0B, 0x77, 0, 0, 0x14, 0x40]), Some(FrameCoding::Ac3));
        assert_eq!(FrameCoding::sniff(b"<html>"), None);
    }

    #[test]
    fn only_whole_blocks_after_the_clear_start_change() {
        // An ADTS frame of 7 + 16 + 33 bytes, and an incomplete one.
        let frame = [&[0xFF, 0xF1, 0x50, 0x80, 0x07, 0x1F, 0xFC][..], &[1; 49]].concat();
        let mut stream = [&b"xy"[..], &frame, &frame[..30]].concat();
        decrypt(&mut stream, FrameCoding::Adts, &SampleKey { key: [1; 16], iv: [2; 16] });
        let (changed, tail) = (&stream[2 + 23..2 + 55], &stream[2 + 55..]);
        assert_eq!(&stream[..2 + 23], [&b"xy"[..], &frame[..23]].concat());
        assert!(changed.iter().filter(|byte| **byte == 1).count() < 4, "{changed:?}");
        assert_eq!(tail, [&[1][..], &frame[..30]].concat());
    }
}
