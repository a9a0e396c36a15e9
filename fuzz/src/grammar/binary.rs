//! Generators of containers, which consist of nested elements with lengths.

use fastrand::Rng;

use super::{noise, number, one};

/// Maximum nesting of elements that are generated recursively.
const MAX_DEPTH: u8 = 5;

/// Maximum nesting of one element in itself.
const MAX_NESTING: usize = 4000;

const BOXES: &[&[u8; 4]] = &[
    b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"mdia", b"mdhd", b"hdlr", b"minf", b"smhd", b"stbl",
    b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"co64", b"mvex", b"trex", b"moof", b"mfhd", b"traf",
    b"tfhd", b"tfdt", b"trun", b"mdat", b"mp4a", b"esds", b"alac", b"fLaC", b"dfLa", b"Opus", b"dOps",
    b"ac-3", b"dac3", b"meta", b"ilst", b"udta", b"sidx", b"edts", b"elst", b"wave", b"uuid", b"free",
];

const CHUNKS: &[&[u8; 4]] = &[
    b"fmt ", b"data", b"LIST", b"INFO", b"fact", b"id3 ", b"COMM", b"SSND", b"bext", b"JUNK", b"cue ",
    b"smpl",
];

const CAF: &[&[u8; 4]] = &[b"desc", b"data", b"pakt", b"kuki", b"chan", b"info", b"free", b"strg", b"mark"];

const ELEMENTS: &[&[u8]] = &[
    b"\x1A\x45\xDF\xA3",
    b"\x18\x53\x80\x67",
    b"\x16\x54\xAE\x6B",
    b"\x1F\x43\xB6\x75",
    b"\x15\x49\xA9\x66",
    b"\xAE",
    b"\xD7",
    b"\x83",
    b"\x86",
    b"\x63\xA2",
    b"\xE1",
    b"\xB5",
    b"\x9F",
    b"\xA3",
    b"\xE7",
    b"\x12\x54\xC3\x67",
    b"\x73\x73",
    b"\xEC",
    b"\x1C\x53\xBB\x6B",
    b"\x10\x43\xA7\x70",
    b"\x6D\x80",
    b"\x42\x82",
];

/// Generates MP4 boxes, sometimes with one box nested in itself many times.
pub(super) fn boxes(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x10ftypM4A \0\0\0\0".to_vec();
    if rng.u8(..8) == 0 {
        let name = one(rng, BOXES);
        let depth = rng.usize(..MAX_NESTING);
        for left in (1..=depth).rev() {
            bytes.extend((left as u32 * 8).to_be_bytes());
            bytes.extend(name);
        }
        return bytes;
    }
    for _ in 0..rng.u8(1..5) {
        one_box(rng, MAX_DEPTH, seeds, &mut bytes);
    }
    bytes
}

fn one_box(rng: &mut Rng, depth: u8, seeds: &[Vec<u8>], bytes: &mut Vec<u8>) {
    let mut body = Vec::new();
    if depth > 0 && rng.u8(..3) > 0 {
        if rng.bool() {
            body.extend([0; 8].iter().take(rng.usize(..9)));
        }
        (0..rng.u8(..5)).for_each(|_| one_box(rng, depth - 1, seeds, &mut body));
    } else {
        body = fields(rng);
    }
    let length = if rng.u8(..12) == 0 { number(rng) as u32 } else { body.len() as u32 + 8 };
    bytes.extend(length.to_be_bytes());
    bytes.extend(one(rng, BOXES));
    bytes.extend(body);
}

/// Generates integers of two, four and eight bytes, often near their limits.
fn fields(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.u8(..24) {
        let value = number(rng).to_be_bytes();
        bytes.extend(&value[one(rng, &[&6_usize, &4, &4, &0]).to_owned()..]);
    }
    bytes
}

/// Generates RIFF, RF64 or AIFF.
pub(super) fn riff(rng: &mut Rng) -> Vec<u8> {
    let little = rng.u8(..4) > 0;
    let mut bytes =
        if little { b"RIFF\xFF\xFF\xFF\x7FWAVE".to_vec() } else { b"FORM\x7F\xFF\xFF\xFFAIFF".to_vec() };
    for _ in 0..rng.u8(1..6) {
        let name = one(rng, CHUNKS);
        let body = if name == b"fmt " && rng.bool() { format(rng) } else { fields(rng) };
        let length = if rng.u8(..8) == 0 { number(rng) as u32 } else { body.len() as u32 };
        bytes.extend(name);
        bytes.extend(if little { length.to_le_bytes() } else { length.to_be_bytes() });
        bytes.extend(body);
    }
    bytes
}

/// Generates the format chunk of a WAV file: format, channels, rate, bytes per second, block and bits.
fn format(rng: &mut Rng) -> Vec<u8> {
    let word = |rng: &mut Rng| [*one(rng, &[&0_u16, &1, &2, &3, &6, &16, &24, &64, &0x11, &0xFFFE, &0xFFFF])];
    let rate = *one(rng, &[&0_u32, &1, &7_999, &44_100, &48_000, &384_001, &u32::MAX]);
    let mut bytes = Vec::new();
    bytes.extend(word(rng).iter().chain(&word(rng)).flat_map(|word| word.to_le_bytes()));
    bytes.extend(rate.to_le_bytes());
    bytes.extend((number(rng) as u32).to_le_bytes());
    bytes.extend(word(rng).iter().chain(&word(rng)).flat_map(|word| word.to_le_bytes()));
    bytes.extend(noise(rng, 24));
    bytes
}

/// Generates Matroska elements.
pub(super) fn ebml(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = b"\x1A\x45\xDF\xA3\x84\x42\x82\x81w".to_vec();
    if rng.u8(..8) == 0 {
        let name = one(rng, ELEMENTS);
        bytes.extend([name, b"\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF"].concat().repeat(rng.usize(..MAX_NESTING)));
        return bytes;
    }
    (0..rng.u8(1..6)).for_each(|_| element(rng, MAX_DEPTH, &mut bytes));
    bytes
}

fn element(rng: &mut Rng, depth: u8, bytes: &mut Vec<u8>) {
    let mut body = Vec::new();
    if depth > 0 && rng.bool() {
        (0..rng.u8(..6)).for_each(|_| element(rng, depth - 1, &mut body));
    } else if rng.bool() {
        body.extend(one(
            rng,
            &[&b"A_AAC"[..], b"A_VORBIS", b"A_OPUS", b"A_FLAC", b"A_PCM/INT/LIT", b"A_ALAC", b"matroska"],
        ));
    } else {
        body = fields(rng);
    }
    let length = if rng.u8(..12) == 0 { number(rng) } else { body.len() as u64 };
    bytes.extend(one(rng, ELEMENTS));
    bytes.extend((length & 0x00FF_FFFF_FFFF_FFFF | 1 << 56).to_be_bytes());
    bytes.extend(body);
}

/// Generates CAF chunks.
pub(super) fn caf(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = b"caff\0\x01\0\0".to_vec();
    bytes.extend(b"desc\0\0\0\0\0\0\0\x20\x40\xE5\x88\x80\0\0\0\0");
    bytes.extend(one(rng, &[b"lpcm", b"alac", b"aac ", b"ulaw", b"ima4"]));
    bytes.extend((0..5).flat_map(|_| (number(rng) as u32).to_be_bytes()));
    for _ in 0..rng.u8(1..6) {
        let body = fields(rng);
        let length = if rng.u8(..4) == 0 { number(rng) } else { body.len() as u64 };
        bytes.extend(one(rng, CAF));
        bytes.extend(length.to_be_bytes());
        bytes.extend(body);
    }
    bytes
}

/// Generates native FLAC.
pub(super) fn flac(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = b"fLaC".to_vec();
    for _ in 0..rng.u8(1..5) {
        let body = fields(rng);
        let length = if rng.u8(..6) == 0 { number(rng) as u32 } else { body.len() as u32 };
        bytes.push(rng.u8(..8) | u8::from(rng.bool()) << 7);
        bytes.extend(&length.to_be_bytes()[1..]);
        bytes.extend(body);
    }
    bytes.extend(noise(rng, 64));
    bytes
}

/// Generates MPEG-TS packets: tables, and audio of a seed.
pub(super) fn transport_stream(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    const PACKET: usize = 188;
    let mut bytes = Vec::new();
    let audio = rng.choice(seeds).cloned().unwrap_or_default();
    for number in 0..rng.u8(1..60) {
        let pid = *one(rng, &[&0_u16, &0x100, &0x100, &0x1000, &0x1FFF]);
        let start = rng.u8(..3) == 0;
        let mut packet = vec![0x47, u8::from(start) << 6 | (pid >> 8) as u8, pid as u8, 0x10 | number & 0x0F];
        if rng.u8(..6) == 0 {
            packet[3] |= 0x20;
            packet.push(rng.u8(..));
        }
        match rng.u8(..4) {
            0 if start => packet.extend(b"\0\0\0\x01\xC0\0\0\x80\x80\x05\x21\0\x01\0\x01"),
            1 if start => packet.extend(b"\0\x02\xB0\x12\0\x01\xC1\0\0\xE1\0\xF0\0\x0F\xE1\0\xF0\0"),
            2 => packet.extend(noise(rng, PACKET)),
            _ => packet.extend(audio.iter().skip(usize::from(number) * PACKET).take(PACKET)),
        }
        packet.resize(PACKET, rng.u8(..));
        bytes.extend(packet);
    }
    bytes
}

/// Generates a chain of deliveries: kind, length, three numbers, bytes.
pub(super) fn chain(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.u8(1..12) {
        let body = match rng.u8(..4) {
            0 => noise(rng, 300),
            1 => boxes(rng, seeds),
            2 => transport_stream(rng, seeds),
            _ => rng.choice(seeds).cloned().unwrap_or_default(),
        };
        let length = body.len().min(usize::from(u16::MAX));
        bytes.push(rng.u8(..));
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend([rng.u8(..), rng.u8(..), rng.u8(..)]);
        bytes.extend(&body[..length]);
    }
    bytes
}

/// Generates interval, length of pieces, and a body with ICY metadata.
pub(super) fn icy(rng: &mut Rng) -> Vec<u8> {
    let interval = rng.u16(..64);
    let mut bytes = interval.to_le_bytes().to_vec();
    bytes.push(rng.u8(..));
    if rng.u8(..4) == 0 {
        bytes.extend(b"ICY 200 OK\r\nicy-metaint:");
        bytes.extend(number(rng).to_string().bytes());
        bytes.extend(b"\r\n\r\n");
    }
    for _ in 0..rng.u8(..20) {
        bytes.extend(vec![b'a'; usize::from(interval) + 1]);
        let title = one(
            rng,
            &[&b"StreamTitle='A';"[..], b"StreamTitle='", b"StreamTitle='';StreamUrl='';", b"';';'", b"\xFF"],
        );
        bytes.push(if rng.u8(..6) == 0 { rng.u8(..) } else { title.len().div_ceil(16) as u8 });
        bytes.extend(title);
        bytes.resize(bytes.len().next_multiple_of(16), 0);
    }
    bytes
}
