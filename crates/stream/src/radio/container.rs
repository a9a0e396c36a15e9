//! Changes between bare frames and Ogg within a connection.
//!
//! If a source of Icecast is replaced by a fallback of another format, the connections of the listeners continue with
//! the bytes of that format.

use bytes::{Bytes, BytesMut};
use refrain_core::audio::ts::FrameSplitter;

/// Number of initial bytes that identify the containers in [`CONTAINERS`].
pub(super) const MAGIC_BYTES: usize = 4;

/// First bytes of containers that cannot be split into frames: Ogg, FLAC, Matroska/WebM, RIFF.
const CONTAINERS: [&[u8; MAGIC_BYTES]; 4] = [OGG, b"fLaC", b"\x1A\x45\xDF\xA3", b"RIFF"];

/// First bytes of a page of Ogg (RFC 3533, 6).
const OGG: &[u8; MAGIC_BYTES] = b"OggS";

/// Start of the first page of a stream of Ogg: version 0, the flag of a first page, and a granule position of 0. These
/// 14 bytes do not occur in other audio by chance.
const OGG_START: &[u8; 14] = b"OggS\0\x02\0\0\0\0\0\0\0\0";

/// Length of the header of a page before its segment table, in bytes. The last byte is the number of segments.
const PAGE_HEADER_BYTES: usize = 27;

/// Number of bytes after the pages of Ogg in which frames are searched. Bare frames have at most 1.5 kB at usual rates.
/// At half this value, frames of high bit rates are not recognized; at twice this value, a change of the format
/// interrupts the audio of slow stations for longer than 8 s.
const SEARCH_BYTES: usize = 8 << 10;

/// Returns true if `first`, at least [`MAGIC_BYTES`] long, begins a container that cannot be split into frames.
pub(super) fn is_container(first: &[u8]) -> bool {
    CONTAINERS.iter().any(|magic| first.starts_with(*magic))
}

/// Returns true if `first` begins with a page of Ogg.
pub(super) fn is_ogg(first: &[u8]) -> bool {
    first.starts_with(OGG)
}

/// Searches the start of a stream of Ogg in other audio.
#[derive(Debug, Default)]
pub(super) struct OggSearch {
    /// The last bytes, fewer than [`OGG_START`] has.
    tail: BytesMut,
}

impl OggSearch {
    /// Searches in the next bytes of the audio. If Ogg begins in them, returns the bytes before it and the bytes of Ogg.
    pub(super) fn split(&mut self, bytes: &Bytes) -> Option<(Bytes, Bytes)> {
        let find = |bytes: &[u8]| bytes.windows(OGG_START.len()).position(|start| start == OGG_START);
        let edge = bytes.len().min(OGG_START.len() - 1);
        // The start can be divided between two calls.
        let before = self.tail.len();
        self.tail.extend_from_slice(bytes.get(..edge).unwrap_or_default());
        if let Some(at) = find(&self.tail).filter(|at| *at < before) {
            let mut ogg = self.tail.split_off(at);
            ogg.extend_from_slice(bytes.get(edge..).unwrap_or_default());
            return Some((Bytes::new(), ogg.freeze()));
        }
        if let Some(at) = find(bytes) {
            return Some((bytes.slice(..at), bytes.slice(at..)));
        }
        let kept = OGG_START.len() - 1;
        if let Some(end) = bytes.len().checked_sub(kept).and_then(|from| bytes.get(from..)) {
            self.tail.clear();
            self.tail.extend_from_slice(end);
        } else {
            self.tail = self.tail.split_off(self.tail.len().saturating_sub(kept));
        }
        None
    }
}

/// Follows the pages of Ogg and finds bare frames after them.
#[derive(Debug, Default)]
pub(super) struct OggPages {
    /// Bytes since the end of the current page, without those that are known to belong to a page.
    rest: BytesMut,
    /// Bytes of the current page that are still to come.
    remaining: usize,
}

impl OggPages {
    /// Processes the next bytes. Returns the bytes after the last page if they are bare frames.
    pub(super) fn push(&mut self, bytes: &Bytes) -> Option<BytesMut> {
        let skipped = self.remaining.min(bytes.len());
        self.remaining -= skipped;
        self.rest.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
        while self.rest.len() >= MAGIC_BYTES {
            if !is_ogg(&self.rest) {
                // After damage, the pages continue at their next mark.
                let next = self.rest.windows(MAGIC_BYTES).position(is_ogg);
                if let Some(at) = next {
                    self.rest = self.rest.split_off(at);
                    continue;
                }
                return self.frames();
            }
            let Some(length) = page_length(&self.rest) else { break };
            let complete = length.min(self.rest.len());
            self.remaining = length - complete;
            self.rest = self.rest.split_off(complete);
        }
        None
    }

    /// Returns the bytes after the last page if they are bare frames. Otherwise discards the first half of them if
    /// there are more than [`SEARCH_BYTES`].
    fn frames(&mut self) -> Option<BytesMut> {
        if self.rest.len() < SEARCH_BYTES {
            return None;
        }
        if FrameSplitter::sniff(&self.rest).is_some() {
            return Some(std::mem::take(&mut self.rest));
        }
        self.rest = self.rest.split_off(self.rest.len() - SEARCH_BYTES / 2);
        None
    }
}

/// Returns the length in bytes of the page that begins with `bytes`, or `None` if its header is incomplete.
fn page_length(bytes: &[u8]) -> Option<usize> {
    let segments = usize::from(*bytes.get(PAGE_HEADER_BYTES - 1)?);
    let table = bytes.get(PAGE_HEADER_BYTES..PAGE_HEADER_BYTES + segments)?;
    let content: usize = table.iter().map(|&length| usize::from(length)).sum();
    Some(PAGE_HEADER_BYTES + segments + content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns a page with one segment of `content` bytes. The first page of a stream has `is_first`.
    fn page(content: u8, is_first: bool) -> Vec<u8> {
        let mut page = OGG_START.to_vec();
        page[5] = if is_first { 2 } else { 0 };
        page.resize(PAGE_HEADER_BYTES - 1, 7);
        page.extend([1, content]);
        page.resize(page.len() + usize::from(content), 9);
        page
    }

    /// Returns `count` frames of MPEG audio, 128 kbit/s.
    fn frames(count: usize) -> Vec<u8> {
        [&[0xFF, 0xFB, 0x90, 0x00][..], &[7; 413]].concat().repeat(count)
    }

    proptest! {
        #[test]
        fn ogg_is_found_for_any_piece_size(before in 0..100_usize, piece in 1..200_usize) {
            let audio = [frames(1)[..before].to_vec(), page(200, true), page(100, false)].concat();
            let mut search = OggSearch::default();
            let mut passed = 0;
            for (nth, bytes) in audio.chunks(piece).enumerate() {
                let bytes = Bytes::copy_from_slice(bytes);
                if let Some((first, ogg)) = search.split(&bytes) {
                    let end = (nth * piece + bytes.len()).min(audio.len());
                    prop_assert_eq!(&ogg[..], &audio[before..end]);
                    // Bytes of the mark may have been passed on already, but no byte before it is missing.
                    prop_assert!(passed + first.len() >= before && passed <= before + OGG_START.len());
                    return Ok(());
                }
                passed += bytes.len();
            }
            prop_assert!(false, "not found");
        }

        #[test]
        fn frames_after_the_last_page_are_complete_for_any_piece_size(piece in 1..3_000_usize) {
            let audio = [page(200, true), page(255, false), page(3, false), frames(40)].concat();
            let pages = audio.len() - frames(40).len();
            let mut search = OggPages::default();
            let found = audio.chunks(piece).find_map(|bytes| search.push(&Bytes::copy_from_slice(bytes)));
            let found = found.unwrap();
            prop_assert!(audio[pages..].starts_with(&found) && found.len() >= SEARCH_BYTES);
        }
    }

    #[test]
    fn pages_after_damage_are_followed_again() {
        let audio = [page(200, true), page(255, false)[50..].to_vec(), page(10, false)].concat();
        let mut search = OggPages::default();
        assert_eq!(search.push(&audio.into()), None);
        assert_eq!(search.push(&vec![0; 20_000].into()), None);
        assert!(search.rest.len() < SEARCH_BYTES);
        assert_eq!(search.push(&page(1, true).into()), None);
        assert!(search.rest.is_empty() && search.remaining == 0);
    }
}
