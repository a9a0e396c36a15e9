//! Computes the number of bits of each mantissa from the exponents (ATSC A/52:2018, 7.2).
//!
//! The encoder computes the same numbers, and they are not transmitted. So the arithmetic follows the standard exactly.

use std::ops::Range;

use super::delta::Delta;
use super::fields::{Ac3Result, FieldReader};
use super::tables::{BAND_OF_BIN, BAND_STARTS, BANDS, HEARING_THRESHOLD, LOG_ADDITION, MAX_BINS};

/// Fast gains by code (table 7.11).
const FAST_GAINS: [i32; 8] = [0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400];

/// Code of the fast gain that E-AC-3 uses if the block contains none.
pub(super) const DEFAULT_FAST_GAIN: usize = 4;

/// First band of the second part of the masking curve, in which low frequencies need no compensation.
const FIRST_HIGH_BAND: usize = 22;

/// Parameters of the masking model for all channels of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct MaskingParameters {
    slow_decay: i32,
    fast_decay: i32,
    slow_gain: i32,
    knee: i32,
    floor: i32,
}

impl MaskingParameters {
    /// Reads the parameters.
    pub(super) fn read(fields: &mut FieldReader<'_>) -> Ac3Result<Self> {
        let [slow_decay, fast_decay, slow_gain, knee] =
            [fields.number(2)?, fields.number(2)?, fields.number(2)?, fields.number(2)?];
        Ok(Self::of_codes(slow_decay, fast_decay, slow_gain, knee, fields.number(3)?))
    }

    /// Returns the parameters for the codes of the standard (tables 7.6 to 7.10).
    fn of_codes(slow_decay: usize, fast_decay: usize, slow_gain: usize, knee: usize, floor: usize) -> Self {
        Self {
            slow_decay: [0x0F, 0x11, 0x13, 0x15][slow_decay & 3],
            fast_decay: [0x3F, 0x53, 0x67, 0x7B][fast_decay & 3],
            slow_gain: [0x540, 0x4D8, 0x478, 0x410][slow_gain & 3],
            knee: [0x000, 0x700, 0x900, 0xB00][knee & 3],
            floor: [0x2F0, 0x2B0, 0x270, 0x230, 0x1F0, 0x170, 0x0F0, -0x800][floor & 7],
        }
    }
}

impl Default for MaskingParameters {
    /// Returns the parameters that E-AC-3 uses if the block contains none (annex E, 2.2.4).
    fn default() -> Self {
        Self::of_codes(2, 1, 1, 2, 7)
    }
}

/// Inputs of the bit allocation of one channel.
#[derive(Debug)]
pub(super) struct AllocationInput<'a> {
    /// Exponents of the coefficients.
    pub(super) exponents: &'a [u8; MAX_BINS],
    /// Coefficients of the channel.
    pub(super) range: Range<usize>,
    /// Index of the sample rate.
    pub(super) rate_code: usize,
    /// Code of the fast gain.
    pub(super) fast_gain: usize,
    /// Offset of the signal-to-noise ratio.
    pub(super) snr_offset: i32,
    /// Initial values of the fast and the slow leak, for the coupling channel.
    pub(super) leaks: (i32, i32),
    /// Corrections of the masking curve, from the first band of the channel on.
    pub(super) delta: &'a Delta,
}

impl AllocationInput<'_> {
    /// Computes the bit allocation pointers of a channel: `pointers` maps the difference of signal and mask to them.
    pub(super) fn allocate(
        &self,
        parameters: &MaskingParameters,
        pointers: &[u8; 64],
        out: &mut [u8; MAX_BINS],
    ) {
        out.fill(0);
        let range = self.range.start..self.range.end.min(MAX_BINS);
        if range.is_empty() {
            return;
        }
        let bands = usize::from(BAND_OF_BIN[range.start])..usize::from(BAND_OF_BIN[range.end - 1]) + 1;
        let power = self.band_power(&range, bands.clone());
        let excitation = self.excitation(parameters, &power, bands.clone());
        let first_band = bands.start;
        for band in bands {
            let below_knee = (parameters.knee - power[band]).max(0) >> 2;
            let threshold = i32::from(HEARING_THRESHOLD[self.rate_code][band]) << 4;
            let mask =
                (excitation[band] + below_knee).max(threshold) + i32::from(self.delta[band - first_band]);
            let mask = (mask - self.snr_offset - parameters.floor).max(0) & 0x1FE0;
            let mask = mask + parameters.floor;
            let bins = BAND_STARTS[band].max(range.start)..BAND_STARTS[band + 1].min(range.end);
            for bin in bins {
                let address = (self.bin_power(bin) - mask) >> 5;
                out[bin] = pointers[address.clamp(0, 63) as usize];
            }
        }
    }

    /// Returns the power of a coefficient. An exponent step is 128 units.
    fn bin_power(&self, bin: usize) -> i32 {
        3_072 - (i32::from(self.exponents[bin]) << 7)
    }

    /// Returns the power of each band: the sum of its coefficients.
    fn band_power(&self, range: &Range<usize>, bands: Range<usize>) -> [i32; BANDS] {
        let mut power = [0; BANDS];
        for band in bands {
            let first = BAND_STARTS[band].max(range.start);
            let rest = first + 1..BAND_STARTS[band + 1].min(range.end);
            power[band] = rest.fold(self.bin_power(first), |sum, bin| {
                let one = self.bin_power(bin);
                let half_difference = (sum - one).unsigned_abs() as usize >> 1;
                sum.max(one) + i32::from(LOG_ADDITION[half_difference.min(255)])
            });
        }
        power
    }

    /// Returns how much each band excites the ear, with the masking of higher bands by lower ones.
    fn excitation(
        &self,
        parameters: &MaskingParameters,
        power: &[i32; BANDS],
        bands: Range<usize>,
    ) -> [i32; BANDS] {
        let fast_gain = FAST_GAINS[self.fast_gain & 7];
        let mut excitation = [0; BANDS];
        let (mut fast_leak, mut slow_leak) = self.leaks;
        let mut begin = bands.start;
        let mut low = LowCompensation::new(bands.end);
        if bands.start == 0 {
            for (band, value) in excitation.iter_mut().enumerate().take(2) {
                low.update(power, band);
                *value = power[band] - fast_gain - low.value;
            }
            begin = 7;
            for (band, value) in excitation.iter_mut().enumerate().take(7).skip(2) {
                low.update(power, band);
                fast_leak = power[band] - fast_gain;
                slow_leak = power[band] - parameters.slow_gain;
                *value = fast_leak - low.value;
                // The leaks begin at the first band that is not louder than the next one.
                if low.has_next(band) && power[band] <= power[band + 1] {
                    begin = band + 1;
                    break;
                }
            }
        }
        for (band, value) in excitation.iter_mut().enumerate().take(bands.end).skip(begin) {
            fast_leak = (fast_leak - parameters.fast_decay).max(power[band] - fast_gain);
            slow_leak = (slow_leak - parameters.slow_decay).max(power[band] - parameters.slow_gain);
            let compensation = if bands.start == 0 && band < FIRST_HIGH_BAND {
                low.update(power, band);
                low.value
            } else {
                0
            };
            *value = (fast_leak - compensation).max(slow_leak);
        }
        excitation
    }
}

/// Compensation of steep slopes at low frequencies.
#[derive(Debug)]
struct LowCompensation {
    value: i32,
    /// End of the bands of the channel.
    end: usize,
}

impl LowCompensation {
    fn new(end: usize) -> Self {
        Self { value: 0, end }
    }

    /// Returns false for the last band of the LFE channel, which has seven bands.
    fn has_next(&self, band: usize) -> bool {
        self.end != 7 || band != 6
    }

    fn update(&mut self, power: &[i32; BANDS], band: usize) {
        if !self.has_next(band) {
            return;
        }
        let (this, next) = (power[band], power[band + 1]);
        self.value = match band {
            0..7 if this + 256 == next => 384,
            7..20 if this + 256 == next => 320,
            0..20 if this > next => (self.value - 64).max(0),
            0..20 => self.value,
            _ => (self.value - 128).max(0),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::POINTERS;
    use super::*;

    fn pointers(exponents: &[u8; MAX_BINS], range: Range<usize>, snr_offset: i32) -> [u8; MAX_BINS] {
        corrected_pointers(exponents, range, snr_offset, [0; BANDS])
    }

    fn corrected_pointers(
        exponents: &[u8; MAX_BINS],
        range: Range<usize>,
        snr_offset: i32,
        delta: Delta,
    ) -> [u8; MAX_BINS] {
        let leaks = (768, 768);
        let input = AllocationInput {
            exponents,
            range,
            rate_code: 0,
            fast_gain: 4,
            snr_offset,
            leaks,
            delta: &delta,
        };
        let mut out = [9; MAX_BINS];
        input.allocate(&MaskingParameters::default(), &POINTERS, &mut out);
        out
    }

    #[test]
    fn louder_coefficients_and_higher_offsets_get_more_bits() {
        let mut exponents = [20; MAX_BINS];
        exponents[60] = 2;
        let out = pointers(&exponents, 0..100, 0);
        assert!(out[60] > out[90], "{out:?}");
        assert_eq!(out[100..], [0; 153]);
        let more = pointers(&exponents, 0..100, 600);
        assert!(out.iter().zip(more).all(|(&less, more)| less <= more) && out != more);
    }

    #[test]
    fn corrections_begin_at_the_first_band_of_the_channel() {
        let exponents = [12; MAX_BINS];
        let mut delta = [0; BANDS];
        delta[1] = -512;
        // The coupling channel begins at the band of coefficients 85 to 96, so the correction is for 97 to 108.
        let (plain, corrected) =
            (pointers(&exponents, 85..253, 0), corrected_pointers(&exponents, 85..253, 0, delta));
        let changed = |bin: &usize| plain[*bin] != corrected[*bin];
        assert_eq!((0..MAX_BINS).filter(changed).collect::<Vec<_>>(), (97..109).collect::<Vec<_>>());
    }

    #[test]
    fn every_range_is_computed_without_a_panic() {
        for range in [0..0, 0..7, 0..37, 0..253, 37..61, 252..253, 133..300] {
            for exponent in [0, 12, 24] {
                pointers(&[exponent; MAX_BINS], range.clone(), -960);
            }
        }
    }
}
