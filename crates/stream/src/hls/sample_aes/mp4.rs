//! Decryption of MP4 fragments in place (ISO/IEC 23001-7).

use std::ops::Range;

use super::cipher::{BLOCK_BYTES, CounterStream, SampleKey, decrypt_blocks};
use super::mp4_protection::{TrackProtection, child, children, number, vector};
use crate::decode::fmp4::{self, Defaults};

/// Flag of a `senc` box: each MP4 sample has a list of its clear and encrypted pieces.
const HAS_PIECES: u32 = 2;

/// Encryption of one MP4 sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SampleInfo {
    iv: [u8; BLOCK_BYTES],
    /// Lengths in bytes of a clear piece and the encrypted piece after it. Empty if the whole sample is encrypted.
    pieces: Vec<(usize, usize)>,
}

/// Returns an initialization section in which encrypted tracks are declared like clear ones.
pub(super) fn clear_init(init: &[u8]) -> Vec<u8> {
    let mut clear = init.to_vec();
    for protection in TrackProtection::read(init) {
        protection.declare_clear(&mut clear);
    }
    clear
}

/// Decrypts the encrypted audio tracks of a segment. An error describes why this is not possible.
pub(super) fn decrypt(segment: &mut [u8], init: &[u8], key: &SampleKey) -> Result<(), String> {
    for protection in TrackProtection::read(init) {
        if !matches!(&protection.scheme, b"cenc" | b"cbcs") {
            let scheme = protection.scheme.escape_ascii();
            return Err(format!(
                "the encryption scheme {scheme} of MP4 is not supported, only cenc and cbcs"
            ));
        }
        let samples = sample_ranges(segment, init, protection.track);
        let infos = infos(segment, &protection, key, samples.len())?;
        for (range, info) in samples.into_iter().zip(infos) {
            if let Some(sample) = segment.get_mut(range) {
                decrypt_sample(sample, &info, &protection, key);
            }
        }
    }
    Ok(())
}

/// Returns the positions in the segment of the MP4 samples of a track.
fn sample_ranges(segment: &[u8], init: &[u8], track: u32) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    fmp4::samples(segment, track, Defaults::read(init, track), &mut |sample| {
        ranges.push(sample.start..sample.start + sample.data.len());
    });
    ranges
}

/// Returns the encryption of the `count` MP4 samples of a track in the segment.
fn infos(
    segment: &[u8],
    protection: &TrackProtection,
    key: &SampleKey,
    count: usize,
) -> Result<Vec<SampleInfo>, String> {
    let constant = (protection.iv_bytes == 0).then(|| protection.constant_iv.unwrap_or(key.iv));
    let mut infos = Vec::new();
    let mut has_lists = false;
    for (_, moof) in children(segment, 0..segment.len()).filter(|found| &found.0 == b"moof") {
        for (_, traf) in children(segment, moof).filter(|found| &found.0 == b"traf") {
            let header = child(segment, traf.clone(), b"tfhd").and_then(|tfhd| number(&segment[tfhd], 4));
            if header != Some(protection.track) {
                continue;
            }
            // Other keys, or clear samples, in groups of the fragment.
            if children(segment, traf.clone()).any(|(name, body)| is_key_group(&name, &segment[body])) {
                return Err(
                    "the keys of the MP4 fragment change within it, which is not supported".to_owned()
                );
            }
            if let Some(senc) = child(segment, traf, b"senc") {
                has_lists = true;
                read_senc(&segment[senc], protection.iv_bytes, constant, count, &mut infos)
                    .ok_or("the senc box of the MP4 fragment is damaged")?;
            }
        }
    }
    match constant {
        // Without lists, all samples are encrypted as a whole.
        Some(iv) if !has_lists => Ok(vec![SampleInfo { iv, pieces: Vec::new() }; count]),
        _ if infos.len() >= count => Ok(infos),
        _ => Err("the MP4 fragment contains no initialization vectors (senc box)".to_owned()),
    }
}

/// Returns true for a box that assigns MP4 samples to groups with their own keys.
fn is_key_group(name: &[u8; 4], body: &[u8]) -> bool {
    name == b"sbgp" && body.get(4..8) == Some(b"seig")
}

/// Reads a `senc` box and appends at most `limit` entries to `infos`. Returns `None` if the box is damaged.
fn read_senc(
    senc: &[u8],
    iv_bytes: usize,
    constant: Option<[u8; BLOCK_BYTES]>,
    limit: usize,
    infos: &mut Vec<SampleInfo>,
) -> Option<()> {
    let has_pieces = number(senc, 0)? & HAS_PIECES != 0;
    let count = number(senc, 4)? as usize;
    let mut rest = senc.get(8..)?;
    // Entries can have no bytes, so their number must be bounded by the number of samples.
    for _ in 0..count.min(limit.saturating_sub(infos.len())) {
        let (iv, after) = rest.split_at_checked(iv_bytes)?;
        let mut info = SampleInfo { iv: constant.or_else(|| vector(iv))?, pieces: Vec::new() };
        rest = after;
        if has_pieces {
            let (&pieces, after) = rest.split_first_chunk::<2>()?;
            let (pieces, after) = after.split_at_checked(6 * usize::from(u16::from_be_bytes(pieces)))?;
            for piece in pieces.chunks_exact(6) {
                let clear = u16::from_be_bytes([piece[0], piece[1]]);
                info.pieces.push((clear.into(), number(piece, 2)? as usize));
            }
            rest = after;
        }
        infos.push(info);
    }
    Some(())
}

/// Decrypts one MP4 sample. Pieces beyond its end are ignored.
fn decrypt_sample(sample: &mut [u8], info: &SampleInfo, protection: &TrackProtection, key: &SampleKey) {
    let is_counter = &protection.scheme == b"cenc";
    let mut counter = CounterStream::new(&key.key, &info.iv);
    let whole = [(0, sample.len())];
    let pieces = if info.pieces.is_empty() { &whole[..] } else { &info.pieces };
    let mut at = 0_usize;
    for &(clear, encrypted) in pieces {
        let start = at.saturating_add(clear).min(sample.len());
        at = start.saturating_add(encrypted).min(sample.len());
        let piece = &mut sample[start..at];
        match protection.pattern {
            _ if is_counter => counter.apply(piece),
            (1.., 1..) => decrypt_pattern(piece, protection.pattern, info, key),
            _ => decrypt_blocks(piece, &key.key, &info.iv),
        }
    }
}

/// Decrypts the encrypted blocks of a repeating pattern of encrypted and clear blocks.
fn decrypt_pattern(piece: &mut [u8], (encrypted, clear): (usize, usize), info: &SampleInfo, key: &SampleKey) {
    let mut iv = info.iv;
    for run in piece.chunks_mut((encrypted + clear) * BLOCK_BYTES) {
        // A run that is shorter than its encrypted blocks is clear (ISO/IEC 23001-7, 9.6).
        let Some(blocks) = run.get_mut(..encrypted * BLOCK_BYTES) else { return };
        // The vector of the next run is the last encrypted block of this one.
        let next = blocks.last_chunk().copied().unwrap_or(iv);
        decrypt_blocks(blocks, &key.key, &iv);
        iv = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_pieces_are_read_and_bounded() {
        let mut infos = Vec::new();
        let senc =
            [&[0, 0, 0, 2, 0, 0, 0, 2][..], &[7; 8], &[0, 1, 0, 5, 0, 0, 0, 32], &[8; 8], &[0, 0]].concat();
        assert_eq!(read_senc(&senc, 8, None, 10, &mut infos), Some(()));
        let iv = |byte| vector(&[byte; 8]).unwrap();
        assert_eq!(infos[0], SampleInfo { iv: iv(7), pieces: vec![(5, 32)] });
        assert_eq!(infos[1], SampleInfo { iv: iv(8), pieces: vec![] });
        assert!((8..senc.len()).all(|cut| read_senc(&senc[..cut], 8, None, 10, &mut Vec::new()).is_none()));
        // Entries without bytes, four billion of them.
        let mut many = Vec::new();
        let senc = [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(read_senc(&senc, 0, Some([1; 16]), 3, &mut many), Some(()));
        assert_eq!(many.len(), 3);
    }

    #[test]
    fn clear_sections_stay_unchanged() {
        let init = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov";
        assert_eq!(clear_init(init), init);
        let mut segment = *b"\0\0\0\x08moof\0\0\0\x09mdat!";
        assert_eq!(decrypt(&mut segment, init, &SampleKey { key: [1; 16], iv: [2; 16] }), Ok(()));
        assert_eq!(&segment, b"\0\0\0\x08moof\0\0\0\x09mdat!");
    }
}
