//! Random changes of an input.

use fastrand::Rng;

use crate::limits::MAX_INPUT_BYTES;

/// Maximum number of changes of one input.
const MAX_CHANGES: usize = 8;

/// Maximum number of bytes that one change copies, moves or removes.
const MAX_STRETCH: usize = 4096;

/// Values at which integer fields overflow, turn negative or ask for huge sizes.
const VALUES: [u64; 16] = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    0x8000_0000_0000_0000,
    0xFFFF_FFFF_FFFF_FFFF,
];

/// Changes an input once or a few times. `others` are inputs from which bytes are copied.
pub(crate) fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    // Most faults need few changes: each further one is half as likely.
    let changes = (1..MAX_CHANGES).take_while(|_| rng.bool()).count() + 1;
    for _ in 0..changes {
        change(input, others, rng);
        input.truncate(MAX_INPUT_BYTES);
    }
}

fn change(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    if input.is_empty() {
        input.extend((0..rng.usize(1..64)).map(|_| rng.u8(..)));
        return;
    }
    let at = place(input.len(), rng);
    match rng.u8(..10) {
        0 => input[at] ^= 1 << rng.u8(..8),
        1 => input[at] = rng.u8(..),
        2 | 3 => set_integer(input, at, rng),
        4 => {
            let end = (at + rng.usize(1..=MAX_STRETCH.min(input.len()))).min(input.len());
            input.drain(at..end);
        }
        5 => input.truncate(at),
        6 => {
            let stretch: Vec<u8> = (0..rng.usize(1..32)).map(|_| rng.u8(..)).collect();
            insert(input, at, &stretch);
        }
        7 => repeat(input, at, rng),
        8 => {
            let other = rng.choice(others).map_or(&[][..], Vec::as_slice);
            let stretch = stretch(other, rng).to_vec();
            insert(input, at, &stretch);
        }
        _ => {
            let stretch = stretch(input, rng).to_vec();
            for (to, from) in input[at..].iter_mut().zip(stretch) {
                *to = from;
            }
        }
    }
}

/// Chooses a random position, with a probability of one half among the first bytes, which usually contain headers.
fn place(length: usize, rng: &mut Rng) -> usize {
    const HEADER: usize = 256;
    let end = if rng.bool() { length.min(HEADER) } else { length };
    rng.usize(..end)
}

fn stretch<'a>(bytes: &'a [u8], rng: &mut Rng) -> &'a [u8] {
    if bytes.is_empty() {
        return bytes;
    }
    let from = rng.usize(..bytes.len());
    let length = rng.usize(1..=MAX_STRETCH).min(bytes.len() - from);
    &bytes[from..from + length]
}

fn insert(input: &mut Vec<u8>, at: usize, stretch: &[u8]) {
    input.splice(at..at, stretch.iter().copied());
}

/// Writes a critical value, or the length of the rest of the input, as an integer of 1 to 8 bytes.
fn set_integer(input: &mut [u8], at: usize, rng: &mut Rng) {
    let rest = (input.len() - at) as u64;
    let near = rest.wrapping_add(rng.u64(..9)).wrapping_sub(4);
    let value = if rng.u8(..4) == 0 { near } else { rng.choice(VALUES).unwrap_or_default() };
    let width = [1, 2, 3, 4, 8][rng.usize(..5)];
    let bytes = value.to_be_bytes();
    let mut bytes = bytes[8 - width..].to_vec();
    if rng.bool() {
        bytes.reverse();
    }
    for (to, from) in input[at..].iter_mut().zip(bytes) {
        *to = from;
    }
}

/// Repeats a few bytes many times, which nests brackets and chains elements.
fn repeat(input: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let length = rng.usize(1..=64).min(input.len() - at);
    let stretch = input[at..at + length].to_vec();
    let times = 1 << rng.u8(..14);
    let room = MAX_INPUT_BYTES.saturating_sub(input.len()) / length;
    let repeated = stretch.repeat(times.min(room));
    insert(input, at, &repeated);
}
