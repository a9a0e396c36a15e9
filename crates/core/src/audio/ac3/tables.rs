//! Tables of the bit allocation (ATSC A/52:2018, 7.2.3).

use std::sync::LazyLock;

/// Number of bands of the masking curve.
pub(super) const BANDS: usize = 50;

/// Number of frequency coefficients that a channel can contain.
pub(super) const MAX_BINS: usize = 253;

/// First coefficient of each band, and the end of the last band (table 7.12).
pub(super) const BAND_STARTS: [usize; BANDS + 1] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    31, 34, 37, 40, 43, 46, 49, 55, 61, 67, 73, 79, 85, 97, 109, 121, 133, 157, 181, 205, 229, 253,
];

/// Band of each coefficient (table 7.13).
pub(super) const BAND_OF_BIN: [u8; MAX_BINS] = {
    let mut bands = [0; MAX_BINS];
    let (mut bin, mut band) = (0, 0);
    while bin < MAX_BINS {
        if bin == BAND_STARTS[band as usize + 1] {
            band += 1;
        }
        bands[bin] = band;
        bin += 1;
    }
    bands
};

/// Hearing threshold for each sample rate (index: rate code) and band (table 7.15), as 1/16 of its value. All values of
/// the standard are multiples of 16.
pub(super) const HEARING_THRESHOLD: [[u8; BANDS]; 3] = [
    [
        0x4d, 0x4d, 0x44, 0x40, 0x3e, 0x3c, 0x3b, 0x3b, 0x3a, 0x3a, 0x3a, 0x3a, 0x3a, 0x39, 0x39, 0x39, 0x38,
        0x38, 0x37, 0x37, 0x36, 0x36, 0x35, 0x35, 0x34, 0x34, 0x33, 0x32, 0x31, 0x30, 0x2f, 0x2f, 0x2f, 0x2f,
        0x30, 0x31, 0x34, 0x39, 0x3e, 0x42, 0x46, 0x49, 0x4a, 0x46, 0x44, 0x44, 0x52, 0x80, 0x84, 0x84,
    ],
    [
        0x4f, 0x4f, 0x46, 0x41, 0x3e, 0x3d, 0x3c, 0x3b, 0x3b, 0x3a, 0x3a, 0x3a, 0x3a, 0x3a, 0x39, 0x39, 0x39,
        0x38, 0x38, 0x38, 0x37, 0x37, 0x36, 0x36, 0x35, 0x35, 0x34, 0x34, 0x32, 0x31, 0x30, 0x2f, 0x2f, 0x2f,
        0x2f, 0x30, 0x32, 0x35, 0x39, 0x3e, 0x42, 0x45, 0x4a, 0x49, 0x46, 0x44, 0x48, 0x63, 0x84, 0x84,
    ],
    [
        0x58, 0x58, 0x4b, 0x45, 0x42, 0x3f, 0x3e, 0x3d, 0x3c, 0x3b, 0x3b, 0x3b, 0x3a, 0x3a, 0x3a, 0x3a, 0x3a,
        0x3a, 0x3a, 0x3a, 0x39, 0x39, 0x39, 0x39, 0x38, 0x38, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31,
        0x30, 0x2f, 0x2f, 0x2f, 0x30, 0x31, 0x33, 0x35, 0x3c, 0x41, 0x47, 0x4a, 0x46, 0x44, 0x45, 0x4e,
    ],
];

/// Bit allocation pointer for each difference of signal and mask (table 7.16).
pub(super) const POINTERS: [u8; 64] = [
    0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10,
    10, 11, 11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 14, 14, 14, 14, 15, 15, 15, 15, 15,
    15, 15, 15, 15,
];

/// Decibels per unit of the power spectrum. An exponent step of 128 units counts as exactly 6 dB.
const UNIT_DB: f64 = 6.0 / 128.0;

/// Increase of a level when a lower level is added to it, by half the difference of both levels (table 7.14). The
/// values of the standard are the sum of two powers, rounded down.
pub(super) static LOG_ADDITION: LazyLock<[u8; 256]> = LazyLock::new(|| {
    std::array::from_fn(|half| {
        let difference_db = 2.0 * half as f64 * UNIT_DB;
        let increase_db = 10.0 * (1.0 + 10_f64.powf(-difference_db / 10.0)).log10();
        (increase_db / UNIT_DB) as u8
    })
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_belong_to_the_bands_of_the_standard() {
        let bands = [27, 28, 30, 31, 46, 48, 49, 54, 79, 84, 85, 133, 228, 229, 252]
            .map(|bin: usize| BAND_OF_BIN[bin]);
        assert_eq!(bands, [27, 28, 28, 29, 34, 34, 35, 35, 40, 40, 41, 45, 48, 49, 49]);
    }

    #[test]
    fn the_log_addition_table_has_the_values_of_the_standard() {
        let start = [0x40, 0x3f, 0x3e, 0x3d, 0x3c, 0x3b, 0x3a, 0x39, 0x38, 0x37, 0x36, 0x35, 0x34, 0x34];
        assert_eq!(LOG_ADDITION[..14], start);
        assert_eq!((LOG_ADDITION[100], LOG_ADDITION[200], LOG_ADDITION[255]), (0x0a, 1, 0));
    }
}
