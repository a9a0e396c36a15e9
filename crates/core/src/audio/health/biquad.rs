//! The two stages of the K-weighting filter of ITU-R BS.1770-5, for any sample rate.

use std::f64::consts::PI;

/// Sample rate in hertz for which the recommendation gives its coefficients.
const REFERENCE_RATE: f64 = 48_000.0;

/// Coefficients of the first stage at [`REFERENCE_RATE`], a shelf of +4 dB for the effect of the head (table 1 of the
/// recommendation).
pub(super) const SHELF: Coefficients = Coefficients {
    b: [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
    a: [-1.690_659_293_182_41, 0.732_480_774_215_85],
};

/// Coefficients of the second stage at [`REFERENCE_RATE`], a high-pass filter (table 2 of the recommendation).
pub(super) const HIGH_PASS: Coefficients =
    Coefficients { b: [1.0, -2.0, 1.0], a: [-1.990_047_454_833_98, 0.990_072_250_366_21] };

/// Frequencies in hertz, near the corners of the two stages, at which a converted filter has exactly the response of
/// the original one.
pub(super) const SHELF_CORNER: f64 = 1_682.0;
pub(super) const HIGH_PASS_CORNER: f64 = 38.0;

/// Coefficients of a filter of second order, with a leading 1 of the denominator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coefficients {
    pub(super) b: [f64; 3],
    pub(super) a: [f64; 2],
}

impl Coefficients {
    /// Converts the coefficients from [`REFERENCE_RATE`] to a sample rate of `rate` hertz: the bilinear transform is
    /// inverted, and applied again for the new rate, so that the response at `corner` hertz is the same.
    pub(super) fn at_rate(self, rate: f64, corner: f64) -> Self {
        // Below this rate the corner is above the highest frequency. Such audio has no frequencies that the shelf
        // raises.
        let rate = rate.max(4.0 * corner);
        let ratio = (PI * corner / REFERENCE_RATE).tan() / (PI * corner / rate).tan();
        let convert = |[c0, c1, c2]: [f64; 3]| {
            // The polynomial in p, with z⁻¹ = (1 − p) / (1 + p), and p scaled by the ratio of the rates.
            let (p0, p1, p2) = (c0 + c1 + c2, 2.0 * (c0 - c2) * ratio, (c0 - c1 + c2) * ratio * ratio);
            [p0 + p1 + p2, 2.0 * (p0 - p2), p0 - p1 + p2]
        };
        let (b, a) = (convert(self.b), convert([1.0, self.a[0], self.a[1]]));
        Self { b: b.map(|c| c / a[0]), a: [a[1] / a[0], a[2] / a[0]] }
    }
}
