//! Reads the exponents of the frequency coefficients (ATSC A/52:2018, 7.1).

use super::fields::{Ac3Result, FieldReader};
use super::strategy::ExponentStrategy;
use super::tables::MAX_BINS;

/// Largest valid exponent.
const MAX_EXPONENT: i32 = 24;

/// Returns the number of coefficients that share an exponent. `strategy` is 1 to 3.
fn shared(strategy: ExponentStrategy) -> usize {
    1 << (strategy & 3).saturating_sub(1)
}

/// Returns the number of groups of three exponents that `count` coefficients need.
pub(super) fn groups(count: usize, strategy: ExponentStrategy) -> usize {
    count.div_ceil(3 * shared(strategy))
}

/// Reads `groups` groups of three exponents, each as the difference to the exponent before, for the coefficients from
/// `start` on. `first` is the exponent before the first group.
pub(super) fn read(
    fields: &mut FieldReader<'_>,
    first: i32,
    start: usize,
    groups: usize,
    strategy: ExponentStrategy,
    exponents: &mut [u8; MAX_BINS],
) -> Ac3Result<()> {
    let shared = shared(strategy);
    let (mut exponent, mut bin) = (first, start);
    for _ in 0..groups {
        let code = fields.integer(7)?;
        // Three differences from -2 to 2, each raised by 2, are the digits of a number of base 5.
        for difference in [code / 25, code / 5 % 5, code % 5] {
            exponent += difference - 2;
            if code > 124 || !(0..=MAX_EXPONENT).contains(&exponent) {
                return Err("invalid exponent");
            }
            // The last group may extend beyond the end of the channel.
            let end = (bin + shared).min(MAX_BINS);
            exponents[bin.min(end)..end].fill(exponent as u8);
            bin += shared;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_all_strategies_cover_the_coefficients() {
        // The formulas of the standard for a channel that ends at this coefficient.
        for end in (37..=253).step_by(3) {
            assert_eq!(groups(end - 1, 1), (end - 1) / 3);
            assert_eq!(groups(end - 1, 2), (end - 1 + 3) / 6);
            assert_eq!(groups(end - 1, 3), (end - 1 + 9) / 12);
        }
    }

    #[test]
    fn differences_are_added_and_checked() {
        let mut exponents = [0; MAX_BINS];
        // Differences 2, 0, -2 (code 110) and 0, 0, 1 (code 63).
        let bytes = [110 << 1, 63 << 2];
        read(&mut FieldReader::new(&bytes), 5, 1, 2, 2, &mut exponents).unwrap();
        assert_eq!(exponents[..14], [0, 7, 7, 7, 7, 5, 5, 5, 5, 5, 5, 6, 6, 0]);
        assert!(read(&mut FieldReader::new(&[0]), 1, 0, 1, 1, &mut exponents).is_err());
        assert!(read(&mut FieldReader::new(&[0xFF]), 9, 0, 1, 1, &mut exponents).is_err());
        // Groups that extend beyond the last coefficient are read without their rest.
        assert!(read(&mut FieldReader::new(&[62 << 1, 0]), 9, 252, 1, 3, &mut exponents).is_ok());
    }
}
