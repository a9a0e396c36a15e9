//! The warped frequency scale of landmarks and neighbourhoods.
//!
//! A peak's frequency is known to a part of a bin at low frequencies and to a part of a per cent at high
//! ones. The scale is linear where the first rules and logarithmic where the second does, so that one unit
//! means about one resolvable step everywhere, and a change of speed is a shift above the corner.

use super::params::STEPS_PER_BIN;

/// Bin at which the scale turns from linear to logarithmic: 904 Hz.
pub(crate) const CORNER_BIN: f32 = 84.0;

/// Place on the warped scale, in units of one bin below the corner and 1.19 % above it.
pub(crate) fn warp_bin(bin: f32) -> f32 {
    if bin <= CORNER_BIN { bin } else { CORNER_BIN * (1.0 + (bin / CORNER_BIN).ln()) }
}

/// Place on the warped scale of a frequency in steps.
pub(crate) fn warp_steps(steps: f32) -> f32 {
    warp_bin(steps / STEPS_PER_BIN as f32)
}
