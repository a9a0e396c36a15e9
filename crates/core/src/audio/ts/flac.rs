//! Finds FLAC frames in an elementary stream (RFC 9639, 9). A frame does not contain its length, so its end is found by
//! its checksum.

use super::headers::{FrameFormat, FrameHeader, HeaderResult};

/// Maximum length of a frame in bytes. Encoders write at most 28 KB (4,608 samples of 24-bit stereo). At half this
/// value, frames of 5.1 are lost; at twice this value, up to 256 KiB after a damaged frame are lost.
const MAX_FRAME_BYTES: usize = 128 << 10;
/// Length in bytes of the longest header: 4 fixed bytes, 7 of the number, 2 of the size, 2 of the rate, and a checksum.
const MAX_HEADER_BYTES: usize = 16;

/// Reads the frame at the start of `bytes`. The frame is complete if its checksum is correct and another frame follows,
/// or the end of the stream: `last` is true if no more bytes follow.
pub(super) fn read(bytes: &[u8], last: bool) -> HeaderResult {
    let Some((header, format)) = header(bytes) else {
        let is_short = bytes.len() < MAX_HEADER_BYTES && is_sync(bytes);
        return if is_short { HeaderResult::Incomplete } else { HeaderResult::None };
    };
    let mut checksum = 0;
    for (at, &byte) in bytes.iter().enumerate().take(MAX_FRAME_BYTES) {
        checksum = CRC16[usize::from((checksum >> 8) as u8 ^ byte)] ^ checksum << 8;
        let end = at + 1;
        if checksum != 0 || end <= header + 2 || !is_sync(&bytes[end..]) {
            continue;
        }
        // The next two bytes must be known. Otherwise the result would depend on how the bytes are split into pushes.
        if bytes.len() >= end + 2 || last {
            return HeaderResult::Header(FrameHeader { length: end, strip: 0, format: Some(format) });
        }
        return HeaderResult::Incomplete;
    }
    if bytes.len() < MAX_FRAME_BYTES {
        return HeaderResult::Incomplete;
    }
    // All of these bytes are skipped: a search from each of them would take time in proportion to the square of their
    // number.
    HeaderResult::Damaged(MAX_FRAME_BYTES)
}

/// Returns true if `bytes` can be the start of a frame. A few missing bytes do not prevent this.
fn is_sync(bytes: &[u8]) -> bool {
    let is_first = |(at, byte): (usize, &u8)| if at == 0 { *byte == 0xFF } else { byte & 0xFE == 0xF8 };
    bytes.iter().enumerate().take(2).all(is_first)
}

/// Returns the length of the header at the start of `bytes` and the format of the frame. Returns `None` if the header is
/// invalid, incomplete, or does not contain the format.
fn header(bytes: &[u8]) -> Option<(usize, FrameFormat)> {
    let &[0xFF, 0xF8 | 0xF9, sizes, layout, number, ..] = bytes else { return None };
    // The number of leading ones is the length of the number, as in UTF-8.
    let mut at = 4 + match number.leading_ones() {
        0 => 1,
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let mut field = |length: usize| {
        let value = bytes.get(at..at + length)?.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
        at += length;
        Some(value)
    };
    let samples = match sizes >> 4 {
        1 => 192,
        code @ 2..=5 => 144 << code,
        6 => field(1)? + 1,
        7 => field(2)? + 1,
        code @ 8.. => 1 << code,
        _ => return None,
    };
    let rate = match sizes & 0xF {
        code @ 1..=11 => {
            [88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]
                [usize::from(code) - 1]
        }
        12 => field(1)? * 1_000,
        13 => field(2)?,
        14 => field(2)? * 10,
        _ => return None,
    };
    let channels = match layout >> 4 {
        code @ 0..=7 => code + 1,
        8..=10 => 2,
        _ => return None,
    };
    let bits = match layout >> 1 & 7 {
        1 => 8,
        2 => 12,
        4 => 16,
        5 => 20,
        6 => 24,
        7 => 32,
        _ => return None,
    };
    let is_valid = layout & 1 == 0 && rate > 0 && crc8(bytes.get(..=at)?) == 0;
    is_valid.then_some((at + 1, FrameFormat::Flac { rate, channels, bits, samples }))
}

/// Returns the stream information block (RFC 9639, 8.2) that decoders need, for frames of a format.
pub(super) fn stream_info(rate: u32, channels: u8, bits: u8) -> Box<[u8]> {
    /// Limits of the block size, which frames do not exceed, in samples.
    const BLOCK_SIZES: [u16; 2] = [16, u16::MAX];
    let mut info = [0; 34];
    info[..2].copy_from_slice(&BLOCK_SIZES[0].to_be_bytes());
    info[2..4].copy_from_slice(&BLOCK_SIZES[1].to_be_bytes());
    // After the frame sizes, which are unknown: rate (20 bits), channels (3), bits (5), samples (36, unknown).
    let layout = u64::from(rate) << 44
        | u64::from(channels.saturating_sub(1)) << 41
        | u64::from(bits.saturating_sub(1)) << 36;
    info[10..18].copy_from_slice(&layout.to_be_bytes());
    info.into()
}

/// Checksum of a header, which is 0 over a valid header.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ byte, |crc, _| crc << 1 ^ (0x07 & 0_u8.wrapping_sub(crc >> 7)))
    })
}

/// Remainders for the checksum of a frame, by byte.
const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ (0x8005 & 0_u16.wrapping_sub(crc >> 15));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a frame with this body, and valid checksums: 48 kHz, stereo, 16 bits, 192 samples.
    fn frame(body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xF8, 0x1A, 0x18, 0x05];
        bytes.push(crc8(&bytes));
        bytes.extend(body);
        let checksum =
            bytes.iter().fold(0, |crc: u16, &byte| CRC16[usize::from((crc >> 8) as u8 ^ byte)] ^ crc << 8);
        bytes.extend(checksum.to_be_bytes());
        bytes
    }

    #[test]
    fn frames_end_at_their_checksum() {
        let one = frame(&[7; 100]);
        let format = Some(FrameFormat::Flac { rate: 48_000, channels: 2, bits: 16, samples: 192 });
        let expected = HeaderResult::Header(FrameHeader { length: one.len(), strip: 0, format });
        assert_eq!((read(&one, true), read(&one, false)), (expected, HeaderResult::Incomplete));
        assert_eq!(read(&one.repeat(2), false), expected);
        assert_eq!(read(&one[..60], true), HeaderResult::Incomplete);
        assert_eq!(read(&one[1..], false), HeaderResult::None);
        let mut damaged = one.clone();
        damaged[2] ^= 1;
        assert_eq!(read(&damaged, false), HeaderResult::None);
        let endless = [&one[..50], &[1; MAX_FRAME_BYTES]].concat();
        assert_eq!(read(&endless, false), HeaderResult::Damaged(MAX_FRAME_BYTES));
    }

    #[test]
    fn stream_information_contains_the_format() {
        let info = stream_info(44_100, 2, 16);
        assert_eq!(info[10..14], [0x0A, 0xC4, 0x42, 0xF0]);
    }
}
