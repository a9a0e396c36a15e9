//! State of one channel within a frame.

use std::ops::Range;

use super::allocation::{AllocationInput, DEFAULT_FAST_GAIN, MaskingParameters};
use super::delta::Delta;
use super::exponents;
use super::fields::{Ac3Result, FieldReader};
use super::mantissas::MantissaReader;
use super::strategy::ExponentStrategy;
use super::tables::{BANDS, MAX_BINS};

/// A channel: a full-bandwidth channel, the LFE channel, or the coupling channel.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    /// Coefficients that the channel contains. Empty before the first exponents of a frame.
    pub(super) range: Range<usize>,
    /// Exponents of the coefficients.
    pub(super) exponents: [u8; MAX_BINS],
    /// Bit allocation pointers of the coefficients.
    pub(super) pointers: [u8; MAX_BINS],
    /// Frequency coefficients of the current block.
    pub(super) coefficients: [f32; MAX_BINS],
    /// Fine offset of the signal-to-noise ratio.
    pub(super) fine_snr: i32,
    /// Code of the fast gain.
    pub(super) fast_gain: usize,
    /// Corrections of the masking curve.
    pub(super) delta: Delta,
    /// True if the current block has two short transforms.
    pub(super) short: bool,
}

impl Channel {
    /// Creates a channel at the start of a frame.
    pub(super) fn new() -> Self {
        Self {
            range: 0..0,
            exponents: [0; MAX_BINS],
            pointers: [0; MAX_BINS],
            coefficients: [0.0; MAX_BINS],
            fine_snr: 0,
            fast_gain: DEFAULT_FAST_GAIN,
            delta: [0; BANDS],
            short: false,
        }
    }

    /// Reads new exponents for the coefficients of `range`, which begins at 0.
    pub(super) fn read_exponents(
        &mut self,
        range: Range<usize>,
        strategy: ExponentStrategy,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        let first = fields.integer(4)?;
        let groups = exponents::groups(range.len().saturating_sub(1), strategy);
        self.exponents[0] = first as u8;
        self.range = range;
        exponents::read(fields, first, 1, groups, strategy, &mut self.exponents)
    }

    /// Reads new exponents for the coefficients of the coupling channel.
    pub(super) fn read_coupling_exponents(
        &mut self,
        range: Range<usize>,
        strategy: ExponentStrategy,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        // The first exponent has half the resolution, and belongs to no coefficient.
        let first = 2 * fields.integer(4)?;
        let groups = exponents::groups(range.len(), strategy);
        let start = range.start;
        self.range = range;
        exponents::read(fields, first, start, groups, strategy, &mut self.exponents)
    }

    /// Computes the bit allocation pointers of the coefficients. `pointers` is the table of pointers to use, and `leaks`
    /// are the initial leaks of the masking model.
    pub(super) fn allocate(
        &mut self,
        parameters: &MaskingParameters,
        coarse_snr: i32,
        rate_code: usize,
        leaks: (i32, i32),
        pointers: &[u8; 64],
    ) {
        let input = AllocationInput {
            exponents: &self.exponents,
            range: self.range.clone(),
            rate_code,
            fast_gain: self.fast_gain,
            snr_offset: (((coarse_snr - 15) << 4) + self.fine_snr) << 2,
            leaks,
            delta: &self.delta,
        };
        input.allocate(parameters, pointers, &mut self.pointers);
    }

    /// Reads the mantissas of a block and computes its coefficients. Coefficients outside of the range become 0.
    pub(super) fn read_coefficients(
        &mut self,
        mantissas: &mut MantissaReader,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        self.coefficients.fill(0.0);
        for bin in self.range.clone() {
            let pointer = self.pointers[bin];
            if pointer > 0 {
                self.coefficients[bin] = mantissas.read(pointer, fields)? * scale(self.exponents[bin]);
            }
        }
        Ok(())
    }
}

/// Returns the factor of an exponent, a negative power of two.
pub(super) fn scale(exponent: u8) -> f32 {
    // The bits of a power of two contain only its exponent, with an offset of 127.
    f32::from_bits((127 - u32::from(exponent.min(126))) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_powers_of_two() {
        assert_eq!([0, 1, 10, 24].map(scale), [1.0, 0.5, 1.0 / 1_024.0, 1.0 / 16_777_216.0]);
    }

    #[test]
    fn exponents_define_the_range() {
        let mut channel = Channel::new();
        // First exponent 8, then two groups without differences: the LFE channel.
        let bits = [0b1000_0111, 0b1100_1111, 0b1000_0000];
        channel.read_exponents(0..7, 1, &mut FieldReader::new(&bits)).unwrap();
        assert_eq!(channel.range, 0..7);
        assert_eq!(channel.exponents[..8], [8, 8, 8, 8, 8, 8, 8, 0]);
        assert!(channel.read_coupling_exponents(37..49, 1, &mut FieldReader::new(&bits)).is_err());
    }
}
