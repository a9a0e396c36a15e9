//! Entry points for fuzzing the parsers of the decoder.

use super::id3;

/// Separates packed audio from its ID3 tags. Returns the time stamp (ticks of 90 kHz; `None` if none exists) and the
/// number of bytes of audio.
#[must_use]
pub fn packed_audio(bytes: &[u8]) -> (Option<u64>, usize) {
    let tagged = id3::split(bytes);
    (tagged.pts, tagged.audio.len())
}
