//! Reads how the tracks of an initialization section are encrypted (ISO/IEC 23001-7, 8.2; ISO/IEC 14496-12, 8.12).

use std::ops::Range;

use super::cipher::BLOCK_BYTES;

/// Length in bytes of the fields before the boxes in an audio sample entry, including the header of the box. Version 1
/// of QuickTime adds [`QUICKTIME_BYTES`].
const AUDIO_ENTRY_BYTES: usize = 8 + 28;
const QUICKTIME_BYTES: usize = 16;

/// Encryption of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrackProtection {
    /// Id of the track.
    pub(super) track: u32,
    /// Name of the scheme: `cenc`, `cbcs` or another one.
    pub(super) scheme: [u8; 4],
    /// Length in bytes of the vectors of the MP4 samples; 0 if all use `constant_iv`.
    pub(super) iv_bytes: usize,
    pub(super) constant_iv: Option<[u8; BLOCK_BYTES]>,
    /// Number of encrypted blocks, and of clear blocks after them, in a repeating pattern; (0, 0) if all blocks are
    /// encrypted.
    pub(super) pattern: (usize, usize),
    /// Position in the section of the name of the sample entry, and the name that it has without encryption.
    entry: (usize, [u8; 4]),
}

impl TrackProtection {
    /// Returns the encrypted audio tracks of an initialization section.
    pub(super) fn read(init: &[u8]) -> Vec<Self> {
        let moov = children(init, 0..init.len()).find(|found| &found.0 == b"moov");
        let boxes = moov.into_iter().flat_map(|(_, body)| children(init, body));
        boxes.filter(|found| &found.0 == b"trak").filter_map(|(_, trak)| Self::of_track(init, trak)).collect()
    }

    fn of_track(init: &[u8], trak: Range<usize>) -> Option<Self> {
        let header = init.get(child(init, trak.clone(), b"tkhd")?)?;
        // The times before the id have 64 bits in version 1.
        let track = number(header, if *header.first()? == 1 { 20 } else { 12 })?;
        let minf = child(init, child(init, trak, b"mdia")?, b"minf")?;
        let stsd = child(init, child(init, minf, b"stbl")?, b"stsd")?;
        // Version and number of entries precede the entries.
        let entries = stsd.start.checked_add(8)?..stsd.end;
        children(init, entries).find_map(|(_, entry)| Self::of_entry(init, track, entry))
    }

    /// Reads the entry whose body is at `entry`.
    fn of_entry(init: &[u8], track: u32, entry: Range<usize>) -> Option<Self> {
        let start = entry.start.checked_sub(8)?;
        let version = init.get(entry.start + 8..entry.start + 10)?;
        let fixed = AUDIO_ENTRY_BYTES + if version == [0, 1] { QUICKTIME_BYTES } else { 0 };
        let sinf = child(init, start + fixed..entry.end, b"sinf")?;
        let original = init.get(child(init, sinf.clone(), b"frma")?)?.first_chunk()?;
        let scheme = init.get(child(init, sinf.clone(), b"schm")?)?.get(4..8)?.first_chunk()?;
        let tenc = init.get(child(init, child(init, sinf, b"schi")?, b"tenc")?)?;
        let &[version, _, _, _, _, pattern, is_protected, iv_bytes, ..] = tenc else { return None };
        if is_protected == 0 {
            return None;
        }
        // A constant vector of 8 or 16 bytes follows the key id if MP4 samples have none.
        let constant = tenc.get(24).and_then(|length| tenc.get(25..25 + usize::from(*length)));
        Some(Self {
            track,
            scheme: *scheme,
            iv_bytes: usize::from(iv_bytes),
            constant_iv: constant.filter(|_| iv_bytes == 0).and_then(vector),
            pattern: if version > 0 {
                (usize::from(pattern >> 4), usize::from(pattern & 0xF))
            } else {
                (0, 0)
            },
            entry: (start + 4, *original),
        })
    }

    /// Declares the track as clear in its initialization section. The boxes with the parameters of the encryption stay
    /// in it.
    pub(super) fn declare_clear(&self, init: &mut [u8]) {
        let (at, name) = self.entry;
        if let Some(place) = init.get_mut(at..at + name.len()) {
            place.copy_from_slice(&name);
        }
    }
}

/// Extends an initialization vector of 8 or 16 bytes with zeros. Returns `None` for other lengths.
pub(super) fn vector(bytes: &[u8]) -> Option<[u8; BLOCK_BYTES]> {
    let mut whole = [0; BLOCK_BYTES];
    matches!(bytes.len(), 8 | 16).then(|| whole[..bytes.len()].copy_from_slice(bytes))?;
    Some(whole)
}

/// Reads the number of 32 bits at a position.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Returns the body of the first box with this name in a range of `bytes`.
pub(super) fn child(bytes: &[u8], range: Range<usize>, name: &[u8; 4]) -> Option<Range<usize>> {
    children(bytes, range).find(|found| &found.0 == name).map(|found| found.1)
}

/// Returns the names and bodies of the boxes in a range of `bytes`. Ends at a box with an invalid size.
pub(super) fn children(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = ([u8; 4], Range<usize>)> {
    let mut at = range.start;
    let end = range.end.min(bytes.len());
    std::iter::from_fn(move || {
        let header = bytes.get(at..end)?.first_chunk::<8>()?;
        let [a, b, c, d, name @ ..] = *header;
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, end - at),
            1 => {
                let large = bytes.get(at + 8..end)?.first_chunk::<8>()?;
                (16, usize::try_from(u64::from_be_bytes(*large)).ok()?)
            }
            size => (8, usize::try_from(size).ok()?),
        };
        if size < header {
            return None;
        }
        let body = at + header..at.checked_add(size)?.min(end);
        at = body.end;
        (body.start <= body.end).then_some((name, body))
    })
}
