//! The warped frequency scale of landmarks and neighbourhoods.
//!
//! The accuracy of a peak's frequency is a fraction of a bin at low frequencies, and a fraction of a per cent at high
//! ones. So the scale is linear below a corner frequency and logarithmic above it. One unit is about one resolvable
//! step everywhere. Above the corner, a change of speed shifts all positions by the same distance.

use std::sync::LazyLock;

use super::constellation::FREQUENCY_BITS;
use super::params::{ANALYSIS_RATE, STEPS_PER_BIN, WINDOW};

/// Bin at which the scale changes from linear to logarithmic: 904 Hz. At half this value, one unit above the corner is
/// 2.4 %, so hashes distinguish fewer frequencies and a search reads more postings. At twice this value, the top of the
/// band is at 338 units, which do not fit into the bits of a hash. A speed change of 1 % then moves peaks by 1.7 units
/// instead of 0.8.
pub(crate) const CORNER_BIN: f32 = 84.0;

/// Returns the position of a bin on the warped scale. One unit is one bin below the corner, and 1.19 % of the frequency
/// above it.
pub(crate) fn warp_bin(bin: f32) -> f32 {
    if bin <= CORNER_BIN { bin } else { CORNER_BIN * (1.0 + (bin / CORNER_BIN).ln()) }
}

/// Returns the position on the warped scale of a frequency in steps.
pub(crate) fn warp_steps(steps: f32) -> f32 {
    warp_bin(steps / STEPS_PER_BIN as f32)
}

/// Positions on the warped scale of all frequencies that a packed peak can have.
static WARPED_POSITIONS: LazyLock<Vec<f32>> =
    LazyLock::new(|| (0..1u16 << FREQUENCY_BITS).map(|steps| warp_steps(f32::from(steps))).collect());

/// Returns the position of a peak's frequency (steps) on the warped scale. The result equals [`warp_steps`], but is
/// read from a table.
#[inline]
pub(crate) fn warp_frequency(steps: u16) -> f32 {
    WARPED_POSITIONS.get(usize::from(steps)).copied().unwrap_or_else(|| warp_steps(f32::from(steps)))
}

/// Width of one bin in hertz.
const BIN_HERTZ: f64 = ANALYSIS_RATE / WINDOW as f64;

/// Returns the position of a frequency (hertz) on the warped scale, for the axes of pictures. The scale is linear below
/// 904 Hz and logarithmic above.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::warp_hertz;
///
/// // An octave has the same width everywhere above 904 Hz.
/// let octave = |hertz: f64| warp_hertz(2.0 * hertz) - warp_hertz(hertz);
/// assert!((octave(1_000.0) - octave(2_000.0)).abs() < 1e-9);
/// ```
#[must_use]
pub fn warp_hertz(hertz: f64) -> f64 {
    let (bin, corner) = (hertz / BIN_HERTZ, f64::from(CORNER_BIN));
    if bin <= corner { bin } else { corner * (1.0 + (bin / corner).ln()) }
}

/// Returns the frequency (hertz) at a position on the warped scale. This is the inverse of [`warp_hertz`].
///
/// ```
/// use refrain_core::fingerprint::{unwarp_hertz, warp_hertz};
///
/// assert!((unwarp_hertz(warp_hertz(2_000.0)) - 2_000.0).abs() < 1e-6);
/// ```
#[must_use]
pub fn unwarp_hertz(position: f64) -> f64 {
    let corner = f64::from(CORNER_BIN);
    let bin = if position <= corner { position } else { corner * (position / corner - 1.0).exp() };
    bin * BIN_HERTZ
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_of_pictures_is_that_of_landmarks_and_invertible() {
        for bin in 1..464u16 {
            let hertz = f64::from(bin) * BIN_HERTZ;
            let position = warp_hertz(hertz);
            assert!((position - f64::from(warp_bin(f32::from(bin)))).abs() < 1e-3, "{bin}");
            assert!((unwarp_hertz(position) - hertz).abs() < 1e-6, "{bin}");
        }
    }
}
