//! Generator of ID3v2 tags with nested frames.

use fastrand::Rng;

use super::{noise, number, one};
use crate::limits::MAX_INPUT_BYTES;

/// Maximum number of frames in a tag.
const MAX_FRAMES: u8 = 12;

/// Maximum nesting of chapters. A nesting of 2,000 overflowed a stack of 2 MiB.
const MAX_NESTING: usize = 4000;

/// Maximum number of audio bytes after a tag.
const MAX_AUDIO: usize = 2048;

const FRAMES: &[&[u8; 4]] = &[
    b"TIT2", b"TPE1", b"TALB", b"TSRC", b"TXXX", b"COMM", b"APIC", b"PRIV", b"CHAP", b"CTOC", b"USLT",
    b"GEOB", b"UFID", b"RVA2", b"SYLT", b"WXXX", b"TDRC", b"POPM",
];

/// Generates tags, and audio after them.
pub(super) fn tagged(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.u8(1..3) {
        let any = rng.u8(..);
        let version = [one(rng, &[&4, &4, &3, &2, &any]).to_owned(), 0];
        let body = if rng.u8(..4) == 0 { nested(rng, version[0]) } else { frames(rng, version[0]) };
        bytes.extend(b"ID3");
        bytes.extend(version);
        bytes.push(if rng.u8(..4) == 0 { rng.u8(..) } else { 0 });
        bytes.extend(size(rng, body.len(), 4));
        bytes.extend(body);
    }
    let audio = rng.choice(seeds).map_or(&[0xFF, 0xFB, 0x90, 0x64][..], Vec::as_slice);
    bytes.extend(&audio[..audio.len().min(MAX_AUDIO)]);
    bytes
}

fn frames(rng: &mut Rng, version: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.u8(..MAX_FRAMES) {
        let mut body = vec![rng.u8(..5)];
        body.extend(noise(rng, 64));
        let name = one(rng, FRAMES);
        if name == b"PRIV" && rng.bool() {
            body = [b"com.apple.streaming.transportStreamTimestamp\0".as_slice(), &number(rng).to_be_bytes()]
                .concat();
        }
        frame(rng, name, &body, version, &mut bytes);
    }
    bytes
}

/// Generates chapters that are nested many times. All lengths are right, so that the parser descends to the innermost one.
fn nested(rng: &mut Rng, version: u8) -> Vec<u8> {
    const CHAPTER: &[u8] = b"c\0\0\0\0\0\0\0\0\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
    let name = one(rng, &[b"CHAP", b"CTOC"]);
    let header = 10 + CHAPTER.len();
    let depth = rng.usize(1..MAX_NESTING).min(MAX_INPUT_BYTES / header);
    let mut bytes = Vec::new();
    for left in (0..depth).rev() {
        bytes.extend(name);
        bytes.extend(encoded(CHAPTER.len() + left * header, if version == 4 { 7 } else { 8 }));
        bytes.extend([0, 0]);
        bytes.extend(CHAPTER);
    }
    bytes
}

fn frame(rng: &mut Rng, name: &[u8; 4], body: &[u8], version: u8, bytes: &mut Vec<u8>) {
    bytes.extend(name);
    bytes.extend(size(rng, body.len(), version));
    bytes.extend(if rng.u8(..8) == 0 { [rng.u8(..), rng.u8(..)] } else { [0, 0] });
    bytes.extend(body);
}

/// Encodes a length, which is wrong in one of sixteen cases.
fn size(rng: &mut Rng, length: usize, version: u8) -> [u8; 4] {
    let length = if rng.u8(..16) == 0 { number(rng) as usize } else { length };
    encoded(length, if version == 4 { 7 } else { 8 })
}

fn encoded(length: usize, bits: u32) -> [u8; 4] {
    let mask = (1 << bits) - 1;
    [3, 2, 1, 0].map(|place| (length >> (place * bits) & mask) as u8)
}
