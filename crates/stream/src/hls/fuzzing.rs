//! Entry points for fuzzing the decryption of segments.

use super::sample_aes::{SampleKey, clear_init, decrypt};

/// Decrypts the audio frames of a segment with a fixed key. A segment of MP4 is also its own initialization section.
/// Returns the length of the result; `None` if the segment cannot be decrypted.
#[must_use]
pub fn sample_aes(segment: &[u8]) -> Option<usize> {
    let key = SampleKey { key: [7; 16], iv: [9; 16] };
    let init = clear_init(segment);
    decrypt(segment, Some(&init), &key).ok().map(|clear| clear.len())
}
