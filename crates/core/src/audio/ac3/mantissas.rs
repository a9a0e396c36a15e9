//! Reads the mantissas of the frequency coefficients (ATSC A/52:2018, 7.3).

use super::fields::{Ac3Result, FieldReader};

/// Reads the mantissas of one audio block. Small mantissas share a code, also across channels.
#[derive(Debug, Default)]
pub(super) struct MantissaReader {
    three: SharedCode,
    five: SharedCode,
    eleven: SharedCode,
}

impl MantissaReader {
    /// Reads the mantissa for a bit allocation pointer of 0 to 15. It is within ±1. For pointer 0, which has no bits,
    /// the mantissa is 0: the standard adds noise there, which would only disturb a fingerprint.
    pub(super) fn read(&mut self, pointer: u8, fields: &mut FieldReader<'_>) -> Ac3Result<f32> {
        match pointer {
            0 => Ok(0.0),
            1 => self.three.next(3, 3, 5, fields),
            2 => self.five.next(5, 3, 7, fields),
            3 => Ok(symmetric(fields.integer(3)?, 7)),
            4 => self.eleven.next(11, 2, 7, fields),
            5 => Ok(symmetric(fields.integer(4)?, 15)),
            6..14 => signed(fields, u32::from(pointer) - 1),
            14 => signed(fields, 14),
            _ => signed(fields, 16),
        }
    }
}

/// Mantissas of a code that are not used yet.
#[derive(Debug, Default)]
struct SharedCode {
    values: [f32; 3],
    left: usize,
}

impl SharedCode {
    /// Returns the next mantissa with this number of levels. If none is left, reads a code of `width` bits that
    /// contains `count` mantissas, at most 3, as digits of a number.
    fn next(
        &mut self,
        levels: i32,
        count: usize,
        width: u32,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<f32> {
        if self.left == 0 {
            let mut code = fields.integer(width)?;
            // The last digit is the last mantissa, and values are taken from the end.
            for value in &mut self.values[..count] {
                *value = symmetric(code % levels, levels);
                code /= levels;
            }
            if code > 0 {
                return Err("invalid code of mantissas");
            }
            self.left = count;
        }
        self.left -= 1;
        Ok(self.values[self.left])
    }
}

/// Returns the mantissa of a code of a quantizer with an odd number of levels. Codes beyond the levels are invalid and
/// count as the highest level.
fn symmetric(code: i32, levels: i32) -> f32 {
    (2 * code.min(levels - 1) - (levels - 1)) as f32 / levels as f32
}

/// Reads a mantissa as a signed number of `width` bits.
fn signed(fields: &mut FieldReader<'_>, width: u32) -> Ac3Result<f32> {
    let unused = 32 - width;
    let value = fields.integer(width)? << unused >> unused;
    Ok(value as f32 / (1_u32 << (width - 1)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_shared_in_their_order() {
        // 3 levels: code 2 * 9 + 0 * 3 + 1 = 19 (5 bits), then 11 levels: code 3 * 11 + 10 = 43 (7 bits), then -1.
        let bytes = [0b1001_1010, 0b1011_1100, 0];
        let (fields, mut reader) = (&mut FieldReader::new(&bytes), MantissaReader::default());
        assert_eq!(reader.read(1, fields), Ok(2.0 / 3.0));
        assert_eq!(reader.read(4, fields), Ok(-4.0 / 11.0));
        assert_eq!(reader.read(1, fields), Ok(-2.0 / 3.0));
        assert_eq!(reader.read(4, fields), Ok(10.0 / 11.0));
        assert_eq!(reader.read(1, fields), Ok(0.0));
        assert_eq!(reader.read(6, fields), Ok(-0.5));
        assert_eq!(reader.read(0, fields), Ok(0.0));
    }

    #[test]
    fn invalid_and_missing_codes_are_errors() {
        assert!(MantissaReader::default().read(1, &mut FieldReader::new(&[0xFF])).is_err());
        assert!(MantissaReader::default().read(2, &mut FieldReader::new(&[0xFF])).is_err());
        assert!(MantissaReader::default().read(4, &mut FieldReader::new(&[0xFF])).is_err());
        assert!(MantissaReader::default().read(15, &mut FieldReader::new(&[0xFF])).is_err());
        assert_eq!(MantissaReader::default().read(3, &mut FieldReader::new(&[0xFF])), Ok(6.0 / 7.0));
    }

    #[test]
    fn mantissas_of_every_pointer_are_within_one() {
        for byte in [0x00, 0x5A, 0x80, 0xFF] {
            for pointer in 0..16 {
                let value = MantissaReader::default().read(pointer, &mut FieldReader::new(&[byte; 4]));
                assert!(
                    value.is_err() || value.is_ok_and(|value| value.abs() <= 1.0),
                    "{pointer}: {value:?}"
                );
            }
        }
    }
}
