//! Decryption of MPEG-TS in place: encrypted audio frames are decrypted within their packets, and the program map table
//! gets the stream types of clear audio.

use std::ops::Range;

use refrain_core::audio::ts::section_checksum;

use super::cipher::SampleKey;
use super::frames::{self, FrameCoding};

/// Length of a packet in bytes.
const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;
/// Packet id of the program association table.
const PAT: u16 = 0;
/// Length in bytes of the start of a PES header. The last byte is the length of the rest of the header.
const PES_HEADER_BYTES: usize = 9;
/// Maximum length of a section of a program map table in bytes (ISO/IEC 13818-1, 2.4.4.9).
const MAX_SECTION_BYTES: usize = 1_024;

/// Returns the coding and the stream type of the clear stream for the type of an encrypted audio stream.
fn clear_type(stream_type: u8) -> Option<(FrameCoding, u8)> {
    match stream_type {
        0xCF => Some((FrameCoding::Adts, 0x0F)),
        0xC1 => Some((FrameCoding::Ac3, 0x81)),
        0xC2 => Some((FrameCoding::Ac3, 0x87)),
        _ => None,
    }
}

/// Bytes that are distributed over several packets.
#[derive(Default)]
struct Pieces(Vec<Range<usize>>);

impl Pieces {
    fn read(&self, segment: &[u8]) -> Vec<u8> {
        self.0.iter().filter_map(|range| segment.get(range.clone())).flatten().copied().collect()
    }

    /// Writes `bytes`, which have the length that `read` returned, or less, back to their places.
    fn write(&self, segment: &mut [u8], mut bytes: &[u8]) {
        for range in &self.0 {
            let Some(place) = segment.get_mut(range.clone()) else { return };
            let (now, later) = bytes.split_at(bytes.len().min(place.len()));
            place[..now.len()].copy_from_slice(now);
            bytes = later;
        }
    }
}

/// An encrypted audio stream.
struct EncryptedStream {
    pid: u16,
    coding: FrameCoding,
    /// Bytes of the elementary stream.
    pieces: Pieces,
    /// False until the first PES packet begins.
    begun: bool,
}

/// Decrypts the audio streams of a segment. An error describes why this is not possible. A segment whose audio is not
/// encrypted stays unchanged.
pub(super) fn decrypt(segment: &mut [u8], key: &SampleKey) -> Result<(), String> {
    let start = first_packet(segment).ok_or("the segment contains no packets of MPEG-TS")?;
    let mut tables: Vec<(u16, Pieces)> = Vec::new();
    let mut streams: Vec<EncryptedStream> = Vec::new();
    let mut has_table = false;
    for packet in (start..segment.len().saturating_sub(PACKET_BYTES - 1)).step_by(PACKET_BYTES) {
        let Some((pid, unit_start, payload)) = payload(segment, packet) else { continue };
        if pid == PAT && unit_start {
            for table in programs(&segment[payload]) {
                if tables.iter().all(|(known, _)| *known != table) {
                    tables.push((table, Pieces::default()));
                }
            }
        } else if let Some((_, pieces)) = tables.iter_mut().find(|(table, _)| *table == pid) {
            if add_section(segment, pieces, payload, unit_start) {
                has_table = true;
                change_table(segment, pieces, &mut streams);
            }
        } else if let Some(stream) = streams.iter_mut().find(|stream| stream.pid == pid) {
            stream.begun |= unit_start;
            let header = if unit_start { pes_header(&segment[payload.clone()]) } else { 0 };
            if stream.begun && payload.start + header < payload.end {
                stream.pieces.0.push(payload.start + header..payload.end);
            }
        }
    }
    if !has_table {
        return Err("the segment contains no program map table".to_owned());
    }
    for stream in streams {
        let mut bytes = stream.pieces.read(segment);
        frames::decrypt(&mut bytes, stream.coding, key);
        stream.pieces.write(segment, &bytes);
    }
    Ok(())
}

/// Returns the position of the first packet. A segment can begin with bytes that are not part of a packet.
fn first_packet(segment: &[u8]) -> Option<usize> {
    let is_packet = |at: usize| segment.get(at) == Some(&SYNC);
    (0..PACKET_BYTES.min(segment.len()))
        .find(|&at| is_packet(at) && (is_packet(at + PACKET_BYTES) || at + PACKET_BYTES == segment.len()))
}

/// Returns the packet id of the packet at `at`, true if a unit starts in it, and the range of its payload. Returns
/// `None` for packets that are damaged, scrambled or without payload.
fn payload(segment: &[u8], at: usize) -> Option<(u16, bool, Range<usize>)> {
    let &[SYNC, flags, low, control, adaptation, ..] = segment.get(at..at + PACKET_BYTES)? else {
        return None;
    };
    let skipped = match control >> 4 & 3 {
        1 => 4,
        3 => 5 + usize::from(adaptation),
        _ => return None,
    };
    let is_usable = flags & 0x80 == 0 && control & 0xC0 == 0 && skipped < PACKET_BYTES;
    let pid = u16::from_be_bytes([flags & 0x1F, low]);
    is_usable.then_some((pid, flags & 0x40 != 0, at + skipped..at + PACKET_BYTES))
}

/// Returns the length of the PES header at the start of `payload`. A header that is longer than a packet has no payload
/// in this packet.
fn pes_header(payload: &[u8]) -> usize {
    payload.get(PES_HEADER_BYTES - 1).map_or(payload.len(), |rest| PES_HEADER_BYTES + usize::from(*rest))
}

/// Returns the packet ids of the program map tables in the payload of a packet of the program association table.
fn programs(payload: &[u8]) -> Vec<u16> {
    let section = payload.first().and_then(|pointer| payload.get(1 + usize::from(*pointer)..));
    let Some(&[0, high, low, ..]) = section else { return Vec::new() };
    let end = 3 + (usize::from(high & 0x0F) << 8 | usize::from(low));
    let entries = section.and_then(|section| section.get(8..end.checked_sub(4)?)).unwrap_or_default();
    let programs = entries.chunks_exact(4).filter(|entry| entry[..2] != [0, 0]);
    programs.map(|entry| u16::from_be_bytes([entry[2] & 0x1F, entry[3]])).collect()
}

/// Adds a payload to the pieces of a section. Returns true if the section is complete now.
fn add_section(segment: &[u8], pieces: &mut Pieces, payload: Range<usize>, unit_start: bool) -> bool {
    if unit_start {
        pieces.0.clear();
        let pointer = usize::from(segment[payload.start]);
        pieces.0.push((payload.start + 1 + pointer).min(payload.end)..payload.end);
    } else if !pieces.0.is_empty() {
        pieces.0.push(payload);
    }
    let section = pieces.read(segment);
    // Without this check, a section that never ends would be read again with each of its packets.
    if section.len() > MAX_SECTION_BYTES + PACKET_BYTES {
        pieces.0.clear();
    }
    section_length(&section).is_some()
}

/// Returns the length of the program map table at the start of `section`, if it is complete.
fn section_length(section: &[u8]) -> Option<usize> {
    let &[2, high, low, ..] = section else { return None };
    let length = 3 + (usize::from(high & 0x0F) << 8 | usize::from(low));
    (length <= MAX_SECTION_BYTES && length <= section.len()).then_some(length)
}

/// Replaces the types of encrypted audio streams in a complete program map table, and adds new streams to `streams`.
fn change_table(segment: &mut [u8], pieces: &mut Pieces, streams: &mut Vec<EncryptedStream>) {
    let mut bytes = pieces.read(segment);
    let Some(section) = section_length(&bytes).and_then(|length| bytes.get_mut(..length)) else { return };
    let Some(end) = section.len().checked_sub(4) else { return };
    let field = |section: &[u8], at: usize| match section.get(at..at + 2) {
        Some(&[high, low]) => usize::from(high & 0x0F) << 8 | usize::from(low),
        _ => usize::MAX / 2,
    };
    let mut at = 12 + field(section, 10);
    let mut is_changed = false;
    while at + 5 <= end {
        let pid = u16::from_be_bytes([section[at + 1] & 0x1F, section[at + 2]]);
        if let Some((coding, clear)) = clear_type(section[at]) {
            section[at] = clear;
            is_changed = true;
            if streams.iter().all(|stream| stream.pid != pid) {
                streams.push(EncryptedStream { pid, coding, pieces: Pieces::default(), begun: false });
            }
        }
        at += 5 + field(section, at + 3);
    }
    if is_changed {
        let checksum = section_checksum(&section[..end]).to_be_bytes();
        section[end..].copy_from_slice(&checksum);
        pieces.write(segment, &bytes);
    }
    pieces.0.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_without_tables_are_errors() {
        let key = SampleKey { key: [1; 16], iv: [2; 16] };
        let mut packet = [0xFF; PACKET_BYTES];
        packet[..4].copy_from_slice(&[SYNC, 0x1F, 0xFF, 0x10]);
        let error = decrypt(&mut packet.repeat(3), &key).unwrap_err();
        assert!(error.contains("program map"), "{error}");
        for bytes in [&b""[..], b"G", &[SYNC; 100], &[0; 400]] {
            assert!(decrypt(&mut bytes.to_vec(), &key).is_err());
        }
    }
}
