//! Decryption of segments whose audio frames are encrypted one by one (METHOD=SAMPLE-AES and SAMPLE-AES-CTR), with a key
//! from the playlist: MPEG-TS and packed audio by Apple's "MPEG-2 Stream Encryption Format for HTTP Live Streaming",
//! MP4 by ISO/IEC 23001-7 (schemes `cenc` and `cbcs`).
//!
//! The decrypted bytes have the same length and structure as the encrypted ones, so the decoder reads them like clear
//! media.

mod cipher;
mod frames;
mod mp4;
mod mp4_protection;
mod ts;

use refrain_core::audio::ts::looks_like_ts;

use crate::decode::{fmp4, id3};
pub(super) use cipher::SampleKey;
use frames::FrameCoding;

/// Bytes at the start of a segment by which its format is recognized: enough for the sync check of MPEG-TS at any
/// distance between its packets.
const HEAD_BYTES: usize = 2 << 10;

/// Decrypts a segment. `init` is its initialization section, as [`clear_init`] returned it; `None` without one. An error
/// describes why the segment cannot be decrypted. A wrong key is no error: the decoder then finds no valid audio.
pub(super) fn decrypt(segment: &[u8], init: Option<&[u8]>, key: &SampleKey) -> Result<Vec<u8>, String> {
    let mut bytes = segment.to_vec();
    if fmp4::looks_like_mp4(segment) {
        let own = fmp4::embedded_init(segment).map(mp4::clear_init);
        let section = own.as_deref().or(init).ok_or("the segment has no initialization section")?;
        if let Some(own) = &own {
            bytes[..own.len()].copy_from_slice(own);
        }
        mp4::decrypt(&mut bytes, section, key)?;
    } else if looks_like_ts(&segment[..segment.len().min(HEAD_BYTES)]) {
        ts::decrypt(&mut bytes, key)?;
    } else {
        let audio = segment.len() - id3::split(segment).audio.len();
        let frames = &mut bytes[audio..];
        let coding =
            FrameCoding::sniff(frames).ok_or("the segment is neither MPEG-TS, MP4 nor packed audio")?;
        frames::decrypt(frames, coding, key);
    }
    Ok(bytes)
}

/// Returns an initialization section in which encrypted tracks are declared like clear ones. Other sections are
/// returned unchanged.
pub(super) fn clear_init(init: &[u8]) -> Vec<u8> {
    if fmp4::looks_like_mp4(init) { mp4::clear_init(init) } else { init.to_vec() }
}
