//! Checks the checksum of a frame (ATSC A/52:2018, 6.1.7.1).

/// Returns true if the checksum of a frame is valid. `frame` is the whole frame, with its sync word. The last checksum
/// of a frame covers all bytes after the sync word, in AC-3 and in E-AC-3.
pub(super) fn is_valid(frame: &[u8]) -> bool {
    frame.get(2..).is_some_and(|bytes| checksum(bytes) == 0)
}

/// Computes the checksum of bytes. It is 0 if the bytes end with their own checksum.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x8005;
    bytes.iter().fold(0, |sum, &byte| {
        // A frame has at most 4 KiB and 5 ms to 32 ms of audio, so a lookup table would save no measurable time.
        (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| {
            (sum << 1) ^ (POLYNOMIAL & 0_u16.wrapping_sub(sum >> 15))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bit_makes_the_checksum_invalid() {
        let mut frame = vec![0x0B, 0x77, 1, 2, 3, 4];
        let sum = checksum(&frame[2..]);
        frame.extend(sum.to_be_bytes());
        assert!(is_valid(&frame));
        frame[3] ^= 0x10;
        assert!(!is_valid(&frame));
        assert!(!is_valid(&[0x0B]));
    }
}
