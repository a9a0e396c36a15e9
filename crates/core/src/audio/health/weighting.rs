//! The K-weighting filter of ITU-R BS.1770-5, for two channels at once and any sample rate.

use std::f64::consts::PI;

/// Sample rate in hertz for which the recommendation gives its coefficients.
const REFERENCE_RATE: f64 = 48_000.0;

/// Coefficients of the first stage at [`REFERENCE_RATE`], a shelf of +4 dB for the effect of the head (table 1 of the
/// recommendation).
const SHELF: Coefficients = Coefficients {
    b: [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
    a: [-1.690_659_293_182_41, 0.732_480_774_215_85],
};

/// Coefficients of the second stage at [`REFERENCE_RATE`], a high-pass filter (table 2 of the recommendation).
const HIGH_PASS: Coefficients =
    Coefficients { b: [1.0, -2.0, 1.0], a: [-1.990_047_454_833_98, 0.990_072_250_366_21] };

/// Frequencies in hertz, near the corners of the two stages, at which a converted filter has exactly the response of
/// the original one.
const SHELF_CORNER: f64 = 1_682.0;
const HIGH_PASS_CORNER: f64 = 38.0;

/// Coefficients of a filter of second order, with a leading 1 of the denominator.
#[derive(Debug, Clone, Copy)]
struct Coefficients {
    b: [f64; 3],
    a: [f64; 2],
}

impl Coefficients {
    /// Converts the coefficients from [`REFERENCE_RATE`] to a sample rate of `rate` hertz: the bilinear transform is
    /// inverted, and applied again for the new rate, so that the response at `corner` hertz is the same.
    fn at_rate(self, rate: f64, corner: f64) -> Self {
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

/// Magnitude below which the state of a filter is replaced by 0: −600 dB. The next smaller numbers with full precision
/// begin near 1e-308, so half or twice this value has no effect.
const NEGLIGIBLE: f64 = 1e-30;

/// A sample of each of two channels, which the compiler processes with the same instructions.
type Pair = [f64; 2];

/// A filter of second order for two channels, in the transposed direct form II.
#[derive(Debug, Clone, Copy, Default)]
struct Stage {
    state: [Pair; 2],
}

impl Stage {
    #[inline(always)]
    fn process(&mut self, x: Pair, c: &Coefficients) -> Pair {
        let [mut s1, mut s2] = self.state;
        let mut y = [0.0; 2];
        for i in 0..2 {
            y[i] = c.b[0] * x[i] + s1[i];
            s1[i] = (c.b[1] * x[i] + s2[i]) - c.a[0] * y[i];
            s2[i] = c.b[2] * x[i] - c.a[1] * y[i];
        }
        self.state = [s1, s2];
        y
    }

    /// Replaces values that are too small to matter by 0. Filters that ring out in silence would otherwise compute with
    /// denormal numbers, which are slow.
    fn flush(&mut self) {
        for value in self.state.iter_mut().flatten().filter(|value| value.abs() < NEGLIGIBLE) {
            *value = 0.0;
        }
    }
}

/// The K-weighting filter for two channels.
#[derive(Debug, Clone)]
pub(super) struct KWeighting {
    shelf: (Coefficients, Stage),
    high_pass: (Coefficients, Stage),
}

impl KWeighting {
    /// Creates a filter for a sample rate of `rate` hertz.
    pub(super) fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self {
            shelf: (SHELF.at_rate(rate, SHELF_CORNER), Stage::default()),
            high_pass: (HIGH_PASS.at_rate(rate, HIGH_PASS_CORNER), Stage::default()),
        }
    }

    /// Filters samples of two channels and returns the sum of squares of each. Both slices must have the same length.
    pub(super) fn energy(&mut self, left: &[f32], right: &[f32]) -> [f64; 2] {
        let mut sum = [0.0; 2];
        // Local copies stay in registers.
        let ((shelf, mut first), (high_pass, mut second)) = (self.shelf, self.high_pass);
        for (&l, &r) in left.iter().zip(right) {
            let y = second.process(first.process([f64::from(l), f64::from(r)], &shelf), &high_pass);
            for i in 0..2 {
                sum[i] += y[i] * y[i];
            }
        }
        first.flush();
        second.flush();
        (self.shelf.1, self.high_pass.1) = (first, second);
        sum
    }
}
