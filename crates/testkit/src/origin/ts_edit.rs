//! Changes of the program map table in a transport stream that ffmpeg wrote: one program, one stream, and one table per
//! packet.

/// Length of a packet in bytes.
pub(super) const PACKET: usize = 188;

/// Part of a packet of the audio stream or of the program map table.
pub(super) enum Part<'a> {
    /// The program map table, from its table id to the end of the packet.
    Table(&'a mut [u8]),
    /// Position in the stream, and length, of bytes of the elementary stream.
    Audio(usize, usize),
}

/// Passes the program map tables and the places of the audio to `visit`, in order. `visit` returns the packet id of the
/// audio for a table.
pub(super) fn parts(stream: &mut [u8], visit: &mut dyn FnMut(Part<'_>) -> Option<u16>) {
    let (mut table, mut audio) = (None, None);
    for start in (0..stream.len()).step_by(PACKET) {
        let packet = &mut stream[start..start + PACKET];
        let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
        let begins = packet[1] & 0x40 != 0;
        let skipped = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
        if pid == 0 {
            // The first program, after the pointer and the header of the section.
            table = Some(u16::from_be_bytes([packet[skipped + 11] & 0x1F, packet[skipped + 12]]));
        } else if Some(pid) == table && begins {
            audio = visit(Part::Table(&mut packet[skipped + 1..]));
        } else if Some(pid) == audio {
            let header = if begins { 9 + usize::from(packet[skipped + 8]) } else { 0 };
            visit(Part::Audio(start + skipped + header, PACKET - skipped - header));
        }
    }
}

/// Returns the position of the first stream in a program map table, and its packet id.
pub(super) fn first_stream(section: &[u8]) -> (usize, u16) {
    let at = 12 + usize::from(section[11]);
    (at, u16::from_be_bytes([section[at + 1] & 0x1F, section[at + 2]]))
}

/// Writes the checksum of a section.
pub(super) fn write_checksum(section: &mut [u8]) {
    let end = 3 + usize::from(u16::from_be_bytes([section[1] & 0x0F, section[2]])) - 4;
    let mut checksum = u32::MAX;
    for bit in section[..end].iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)))
    {
        let feedback = checksum >> 31 ^ bit;
        checksum = checksum << 1 ^ if feedback == 1 { 0x04C1_1DB7 } else { 0 };
    }
    section[end..end + 4].copy_from_slice(&checksum.to_be_bytes());
}

/// Adds a registration descriptor to the stream in all program map tables of a transport stream.
pub fn register_ts(stream: &[u8], name: [u8; 4]) -> Vec<u8> {
    let mut bytes = stream.to_vec();
    let descriptor = [&[5, 4][..], &name].concat();
    parts(&mut bytes, &mut |part| {
        let Part::Table(section) = part else { return None };
        let (at, pid) = first_stream(section);
        let place = at + 5;
        section.copy_within(place..section.len() - descriptor.len(), place + descriptor.len());
        section[place..place + descriptor.len()].copy_from_slice(&descriptor);
        section[at + 4] += descriptor.len() as u8;
        section[2] += descriptor.len() as u8;
        write_checksum(section);
        Some(pid)
    });
    bytes
}
