//! The adaptive hybrid transform of E-AC-3 (ATSC A/52:2018, annex E): the coefficients of the six blocks of a frame are
//! transformed a second time, and all of them are in the first block.
//!
//! The weakest coefficients are coded as vectors of a large code book. Their codes are skipped, and they stay silent.

use std::f32::consts::PI;

use super::CHANNELS;
use super::channel::{Channel, scale};
use super::fields::{Ac3Result, FieldReader};
use super::header::MAX_BLOCKS;
use super::tables::MAX_BINS;

/// High-efficiency bit allocation pointer for each difference of signal and mask (table E3.1).
pub(super) const POINTERS: [u8; 64] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 11, 12, 12, 12, 12, 13, 13, 13,
    13, 14, 14, 14, 14, 15, 15, 15, 15, 16, 16, 16, 16, 17, 17, 17, 17, 18, 18, 18, 18, 18, 18, 18, 18, 19,
    19, 19, 19, 19, 19, 19, 19, 19,
];

/// First pointer of coefficients that are not coded as vectors.
const FIRST_SCALAR: u8 = 8;

/// Number of bits for each pointer (table E3.2): of the code of a vector, or of a mantissa of one block.
const WIDTHS: [u32; 20] = [0, 2, 3, 4, 5, 7, 8, 9, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16];

/// Coefficients of the channels with the transform, for all blocks of a frame. The memory is used again for each frame.
#[derive(Debug)]
pub(super) struct HybridTransform {
    channels: [[[f32; MAX_BLOCKS]; MAX_BINS]; CHANNELS],
}

impl HybridTransform {
    /// Creates the memory of a track.
    pub(super) fn new() -> Self {
        Self { channels: [[[0.0; MAX_BLOCKS]; MAX_BINS]; CHANNELS] }
    }

    /// Sets the coefficients of a channel for a block. The first block of the frame contains those of all blocks, and
    /// must be read first.
    pub(super) fn read(
        &mut self,
        number: usize,
        block: usize,
        channel: &mut Channel,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        let blocks = &mut self.channels[number];
        if block == 0 {
            read_blocks(channel, blocks, fields)?;
        }
        channel.coefficients.fill(0.0);
        for bin in channel.range.clone() {
            channel.coefficients[bin] = blocks[bin][block];
        }
        Ok(())
    }
}

/// Reads the mantissas of all blocks, and sets the coefficients of the range of the channel.
fn read_blocks(
    channel: &Channel,
    blocks: &mut [[f32; MAX_BLOCKS]; MAX_BINS],
    fields: &mut FieldReader<'_>,
) -> Ac3Result<()> {
    let mode = fields.number(2)?;
    // Pointers from this one on have no gain.
    let end = if mode < 2 { 12 } else { 17 };
    let has_gain = |pointer: u8| mode > 0 && (FIRST_SCALAR..end).contains(&pointer);
    let count = channel.pointers[channel.range.clone()].iter().filter(|&&pointer| has_gain(pointer)).count();
    let gains = read_gains(mode, count, fields)?;
    let mut gains = gains.iter().copied();
    for bin in channel.range.clone() {
        let pointer = channel.pointers[bin];
        let width = WIDTHS[usize::from(pointer)];
        let mut values = [0.0; MAX_BLOCKS];
        if pointer < FIRST_SCALAR {
            fields.skip(width as usize)?;
        } else {
            let gain = if has_gain(pointer) { gains.next().unwrap_or(0) } else { 0 };
            for value in &mut values {
                *value = read_mantissa(width, gain, fields)?;
            }
        }
        let factor = scale(channel.exponents[bin]);
        blocks[bin] = inverse(&values).map(|value| factor * value);
    }
    Ok(())
}

/// Reads the gains of `count` coefficients, at most [`MAX_BINS`], as exponents of two: 0, 1 or 2.
fn read_gains(mode: usize, count: usize, fields: &mut FieldReader<'_>) -> Ac3Result<[u32; MAX_BINS + 2]> {
    let mut gains = [0; MAX_BINS + 2]; // the last code contains up to two gains more than there are coefficients
    if mode == 3 {
        for triple in gains.chunks_exact_mut(3).take(count.div_ceil(3)) {
            let code = fields.number(5)? as u32;
            if code > 26 {
                return Err("invalid gains of the adaptive hybrid transform");
            }
            triple.copy_from_slice(&[code / 9, code / 3 % 3, code % 3]);
        }
    } else {
        for gain in gains.iter_mut().take(count) {
            *gain = if fields.flag()? { mode as u32 } else { 0 };
        }
    }
    Ok(gains)
}

/// Reads the mantissa of a coefficient in one block. `gain` is the exponent of its gain: small mantissas have this
/// number of bits less, and large ones follow an escape code.
fn read_mantissa(width: u32, gain: u32, fields: &mut FieldReader<'_>) -> Ac3Result<f32> {
    let small = signed(width - gain, fields)?;
    if gain == 0 {
        return Ok(2.0 * small as f32 / ((1_u32 << width) - 1) as f32);
    }
    if small != -(1 << (width - gain - 1)) {
        return Ok(small as f32 / (1_u32 << (width - 1)) as f32);
    }
    let width = if gain == 1 { width - 1 } else { width };
    let large = signed(width, fields)?;
    // Large mantissas begin where the small ones end, and are equally spaced up to 1. The code of a negative one is the
    // complement of the code of its absolute value.
    let limit = 1.0 / (1_u32 << gain) as f32;
    let step = 2.0 * (1.0 - limit) / ((1_u32 << width) - 1) as f32;
    Ok(if large < 0 { -limit - step * !large as f32 } else { limit + step * large as f32 })
}

fn signed(width: u32, fields: &mut FieldReader<'_>) -> Ac3Result<i32> {
    let unused = 32 - width;
    Ok(fields.integer(width)? << unused >> unused)
}

/// Returns the values of the six blocks for their transform, a discrete cosine transform of type II.
fn inverse(values: &[f32; MAX_BLOCKS]) -> [f32; MAX_BLOCKS] {
    std::array::from_fn(|block| {
        let angle = |j: usize| PI / 12.0 * (j * (2 * block + 1)) as f32;
        let rest: f32 = (1..MAX_BLOCKS).map(|j| values[j] * angle(j).cos()).sum();
        values[0] + std::f32::consts::SQRT_2 * rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_coefficient_is_the_same_in_all_blocks() {
        assert_eq!(inverse(&[0.5, 0.0, 0.0, 0.0, 0.0, 0.0]), [0.5; 6]);
        let power: f32 = inverse(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]).iter().map(|value| value * value).sum();
        assert!((power - 6.0).abs() < 1e-5, "{power}");
    }

    #[test]
    fn mantissas_with_gains_cover_the_whole_range() {
        let read = |width, gain, bits: u8| read_mantissa(width, gain, &mut FieldReader::new(&[bits, 0, 0]));
        let values = [
            (3, 0, 0b0110_0000, 6.0 / 7.0),
            (5, 1, 0b0111_0000, 7.0 / 16.0),
            // Codes of large mantissas, after the escape code of the small ones.
            (5, 1, 0b1000_0000, 0.5),
            (5, 1, 0b1000_1111, -0.5),
            (5, 1, 0b1000_1000, -0.5 - 7.0 / 15.0),
            (5, 2, 0b1000_1111, 0.25 + 15.0 * 1.5 / 31.0),
            (3, 2, 0b1000_0000, 0.25),
        ];
        for (width, gain, bits, expected) in values {
            let value = read(width, gain, bits).unwrap();
            assert!((value - expected).abs() < 1e-6, "{width} {gain} {bits:b}: {value} {expected}");
        }
        assert!(read_mantissa(16, 0, &mut FieldReader::new(&[0])).is_err());
    }

    #[test]
    fn all_blocks_are_read_from_the_first_one() {
        let mut channel = Channel::new();
        channel.range = 0..3;
        channel.pointers[..3].copy_from_slice(&[8, 1, 0]);
        channel.exponents[..3].copy_from_slice(&[1, 0, 0]);
        // No gains, six mantissas of 3 bits: 3 and five times 0, then a vector of 2 bits.
        let mut transform = HybridTransform::new();
        transform.read(0, 0, &mut channel, &mut FieldReader::new(&[0b0001_1000, 0, 0])).unwrap();
        transform.read(0, 5, &mut channel, &mut FieldReader::new(&[])).unwrap();
        assert_eq!(channel.coefficients[..4], [3.0 / 7.0, 0.0, 0.0, 0.0]);
    }
}
