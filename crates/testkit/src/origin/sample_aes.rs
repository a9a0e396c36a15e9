//! Encryption of single audio frames: SAMPLE-AES for MPEG-TS and packed audio by Apple's "MPEG-2 Stream Encryption Format
//! for HTTP Live Streaming", and the schemes `cenc` and `cbcs` of MP4 (ISO/IEC 23001-7).
//!
//! The functions accept only segments as ffmpeg writes them: one audio stream, and one program map table per packet.

use aes::cipher::{BlockCipherEncrypt, KeyInit};

use super::mp4_edit;
use super::ts_edit::{self, Part};

/// Length of a block of AES, of a key and of an initialization vector in bytes.
pub(super) const BLOCK: usize = 16;

/// AES in CBC mode: encrypts the whole blocks of `bytes`.
pub(super) fn encrypt_blocks(bytes: &mut [u8], key: [u8; BLOCK], iv: [u8; BLOCK]) {
    let cipher = aes::Aes128::new(&key.into());
    let mut previous = iv;
    for block in bytes.chunks_exact_mut(BLOCK) {
        let mut mixed = [0; BLOCK];
        for ((mixed, clear), previous) in mixed.iter_mut().zip(block.iter()).zip(previous) {
            *mixed = clear ^ previous;
        }
        let mut mixed = mixed.into();
        cipher.encrypt_block(&mut mixed);
        previous = mixed.into();
        block.copy_from_slice(&previous);
    }
}

/// Encrypts packed audio: the ADTS frames after an optional ID3 tag of less than 128 bytes.
pub fn encrypt_packed(segment: &[u8], key: [u8; BLOCK], iv: [u8; BLOCK]) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    let tag = if segment.starts_with(b"ID3") { 10 + usize::from(segment[9]) } else { 0 };
    encrypt_frames(&mut bytes[tag..], key, iv);
    bytes
}

/// Encrypts the audio frames of a transport stream, and changes the stream types in its program map tables.
pub fn encrypt_ts(segment: &[u8], key: [u8; BLOCK], iv: [u8; BLOCK]) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    let mut places: Vec<usize> = Vec::new();
    ts_edit::parts(&mut bytes, &mut |part| match part {
        Part::Audio(start, length) => {
            places.extend(start..start + length);
            None
        }
        Part::Table(section) => {
            let (at, pid) = ts_edit::first_stream(section);
            section[at] = match section[at] {
                0x81 => 0xC1,
                0x84 | 0x87 => 0xC2,
                _ => 0xCF,
            };
            ts_edit::write_checksum(section);
            Some(pid)
        }
    });
    let mut stream: Vec<u8> = places.iter().map(|place| bytes[*place]).collect();
    encrypt_frames(&mut stream, key, iv);
    places.iter().zip(stream).for_each(|(place, byte)| bytes[*place] = byte);
    bytes
}

/// Encrypts the frames of AAC with ADTS headers, or of AC-3.
fn encrypt_frames(stream: &mut [u8], key: [u8; BLOCK], iv: [u8; BLOCK]) {
    let mut at = 0;
    while at + 7 < stream.len() {
        let frame = &mut stream[at..];
        let (length, clear) = if frame[0] == 0xFF {
            let length =
                usize::from(frame[3] & 3) << 11 | usize::from(frame[4]) << 3 | usize::from(frame[5] >> 5);
            (length, BLOCK + if frame[1] & 1 == 1 { 7 } else { 9 })
        } else if frame[5] >> 3 > 10 {
            assert_eq!(frame[..2], [0x0B, 0x77], "a frame of E-AC-3");
            (2 * (usize::from(frame[2] & 7) << 8 | usize::from(frame[3])) + 2, BLOCK)
        } else {
            assert_eq!(frame[..2], [0x0B, 0x77], "a frame of AC-3 at 48 kHz");
            let rates =
                [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
            (4 * rates[usize::from(frame[4]) / 2], BLOCK)
        };
        let length = length.min(frame.len());
        if clear < length {
            encrypt_blocks(&mut frame[clear..length], key, iv);
        }
        at += length;
    }
}

/// Scheme of encrypted MP4 samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleScheme {
    /// Counter mode. Each sample has its own vector of 8 bytes, and its first 5 bytes are clear.
    Cenc,
    /// CBC mode with a constant vector. All whole blocks are encrypted.
    Cbcs,
}

/// Declares the audio track of an initialization section as encrypted. `iv` is the constant vector of
/// [`SampleScheme::Cbcs`].
pub fn encrypt_init(init: &[u8], scheme: SampleScheme, iv: [u8; BLOCK]) -> Vec<u8> {
    let (name, vector): (&[u8; 4], Vec<u8>) = match scheme {
        SampleScheme::Cenc => (b"cenc", vec![1, 8]),
        SampleScheme::Cbcs => (b"cbcs", vec![1, 0]),
    };
    let mut tenc = [&[1, 0, 0, 0, 0, 0][..], &vector, &[9; BLOCK]].concat();
    if scheme == SampleScheme::Cbcs {
        tenc.push(BLOCK as u8);
        tenc.extend(iv);
    }
    let sinf = [
        mp4_edit::new_box(b"frma", b"mp4a"),
        mp4_edit::new_box(b"schm", &[&[0; 4][..], name, &[0, 1, 0, 0]].concat()),
        mp4_edit::new_box(b"schi", &mp4_edit::new_box(b"tenc", &tenc)),
    ];
    let mut init = init.to_vec();
    let path: [&[u8; 4]; 7] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4a"];
    let entry = mp4_edit::append(&mut init, &path, &mp4_edit::new_box(b"sinf", &sinf.concat()));
    init[entry + 4..entry + 8].copy_from_slice(b"enca");
    init
}

/// Encrypts the samples of all fragments of a segment.
pub fn encrypt_fragments(segment: &[u8], scheme: SampleScheme, key: [u8; BLOCK], iv: [u8; BLOCK]) -> Vec<u8> {
    /// Number of clear bytes at the start of a sample in counter mode.
    const CLEAR: usize = 5;
    let mut number = 0_u64;
    mp4_edit::change_fragments(segment, &mut |samples: &mut [&mut [u8]]| {
        let mut senc = vec![0, 0, 0, if scheme == SampleScheme::Cenc { 2 } else { 0 }];
        senc.extend((samples.len() as u32).to_be_bytes());
        for sample in samples {
            match scheme {
                SampleScheme::Cbcs => encrypt_blocks(sample, key, iv),
                SampleScheme::Cenc => {
                    number += 1;
                    let clear = CLEAR.min(sample.len());
                    let encrypted = (sample.len() - clear) as u32;
                    senc.extend(number.to_be_bytes());
                    senc.extend([0, 1, 0, clear as u8]);
                    senc.extend(encrypted.to_be_bytes());
                    encrypt_counter(&mut sample[clear..], key, number);
                }
            }
        }
        mp4_edit::new_box(b"senc", &senc)
    })
}

/// AES in counter mode with a vector of 8 bytes.
fn encrypt_counter(bytes: &mut [u8], key: [u8; BLOCK], iv: u64) {
    let cipher = aes::Aes128::new(&key.into());
    for (block, counter) in bytes.chunks_mut(BLOCK).zip(u128::from(iv) << 64..) {
        let mut mask = counter.to_be_bytes().into();
        cipher.encrypt_block(&mut mask);
        block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}
