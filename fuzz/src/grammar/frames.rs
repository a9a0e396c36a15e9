//! Generator of frames of AC-3 and E-AC-3.

use fastrand::Rng;

/// Generates one to four frames with valid headers and random content.
pub(super) fn ac3(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let enhanced = rng.bool();
    let (words, modes) = (rng.u16(32..1_024), rng.u8(..));
    for _ in 0..rng.u8(1..5) {
        let start = bytes.len();
        // AC-3 has frames of fixed lengths: 32 kbit/s at 48 kHz takes 128 bytes.
        let length = if enhanced { usize::from(words) * 2 + 2 } else { 128 };
        bytes.extend((0..length).map(|_| rng.u8(..)));
        let frame = &mut bytes[start..];
        frame[..2].copy_from_slice(&[0x0B, 0x77]);
        if enhanced {
            frame[2..4].copy_from_slice(&words.to_be_bytes());
            frame[4] = modes & 0x3F;
        } else {
            frame[4] = 0;
        }
        frame[5] = (if enhanced { 16 } else { 8 }) << 3 | rng.u8(..8);
        // Long runs of zeros lead to more blocks without errors than random bits.
        let from = rng.usize(6..length);
        frame[from..].fill(0);
    }
    bytes
}

/// Corrects the checksum at the end of a frame.
pub fn correct_checksum(frame: &mut [u8]) {
    let Some(end) = frame.len().checked_sub(2).filter(|&end| end >= 2) else { return };
    let sum = frame[2..end].iter().fold(0_u16, |sum, &byte| {
        (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| (sum << 1) ^ (0x8005 * (sum >> 15)))
    });
    frame[end..].copy_from_slice(&sum.to_be_bytes());
}
