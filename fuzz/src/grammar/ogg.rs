//! Ogg pages with right checksums and any packets. With wrong checksums, no packet would reach the parser of a codec.

use fastrand::Rng;

use super::noise;

/// Maximum size of a page body in bytes.
const PAGE: usize = 255 * 255;

/// First bytes of the header packets of the codecs, in the order of the packets.
const HEADERS: [&[&[u8]]; 5] = [
    &[b"\x01vorbis\0\0\0\0\x02\x44\xAC\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xB8\x01", b"\x03vorbis", b"\x05vorbis"],
    &[b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0", b"OpusTags"],
    &[b"\x7FFLAC\x01\0\0\x01fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0A\xC4\x42\xF0", b"\x04"],
    &[b"Speex   1.2", b"\x04"],
    &[b"\x80theora", b"\x81theora"],
];

/// Generates an input for [`pages`]: the codec, then packets with their lengths.
pub(super) fn packets(rng: &mut Rng) -> Vec<u8> {
    let codec = rng.u8(..HEADERS.len() as u8);
    let mut bytes = vec![codec];
    for _ in 0..rng.u8(1..8) {
        // Bytes of 0xFF give the largest numbers in the fields of a header.
        let body = match rng.u8(..5) {
            0 => vec![0xFF; rng.usize(..8192)],
            1 => vec![rng.u8(..); rng.usize(..1024)],
            // Codebooks of Vorbis start with a sync pattern, followed by the dimensions and the number of entries.
            2 => [&[rng.u8(..)][..], b"BCV", &noise(rng, 8), &vec![rng.u8(..); rng.usize(..8192)]].concat(),
            _ => noise(rng, 4096),
        };
        bytes.extend((body.len() as u16).to_le_bytes());
        bytes.extend(body);
    }
    bytes
}

/// Creates an Ogg file. The first byte of the input selects the codec, whose headers are the start of the first packets. Each
/// packet follows as its length in two bytes, and its bytes.
#[must_use]
pub fn pages(input: &[u8]) -> Vec<u8> {
    let Some((codec, mut rest)) = input.split_first() else { return Vec::new() };
    let headers = HEADERS[usize::from(*codec) % HEADERS.len()];
    let mut file = Vec::new();
    let mut number = 0;
    while let [low, high, body @ ..] = rest {
        let (body, behind) = body.split_at(body.len().min(usize::from(u16::from_le_bytes([*low, *high]))));
        rest = behind;
        let start = headers.get(number as usize).copied().unwrap_or_default();
        let packet = [start, body].concat();
        page(number, &packet[..packet.len().min(PAGE - 1)], rest.is_empty(), &mut file);
        number += 1;
    }
    file
}

/// Writes a page with one packet.
fn page(number: u32, packet: &[u8], last: bool, file: &mut Vec<u8>) {
    let from = file.len();
    let flags = u8::from(number == 0) << 1 | u8::from(last) << 2;
    file.extend(b"OggS\0");
    file.push(flags);
    file.extend(u64::from(number.saturating_sub(2) * 1024).to_le_bytes());
    file.extend(7_u32.to_le_bytes());
    file.extend(number.to_le_bytes());
    file.extend([0; 4]);
    let segments = packet.len() / 255 + 1;
    file.push(segments as u8);
    file.extend(std::iter::repeat_n(255, segments - 1));
    file.push((packet.len() % 255) as u8);
    file.extend(packet);
    let checksum = checksum(&file[from..]);
    file[from + 22..from + 26].copy_from_slice(&checksum.to_le_bytes());
}

/// Returns the CRC-32 of Ogg: polynomial 0x04C11DB7, not reflected, without inversion.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04C1_1DB7 }
        })
    })
}
