//! The frequency axis: the scale that the engine itself compares frequencies on.

use refrain_core::fingerprint::{unwarp_hertz, warp_hertz};

use super::draw::Axis;

/// Ends of the axis in hertz: a little more than where peaks are looked for.
const LOWEST: f64 = 60.0;
const HIGHEST: f64 = 5_000.0;
/// Where its ticks are.
const TICKS: [u32; 11] = [100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000];

/// The axis; places on it are those of [`warp_hertz`].
pub(super) fn axis() -> Axis {
    let ticks = TICKS.iter().map(|hertz| (warp_hertz(f64::from(*hertz)), hertz.to_string()));
    Axis::new(warp_hertz(LOWEST)..warp_hertz(HIGHEST), ticks.collect(), "frequency (Hz)")
}

/// The frequency at a part (0 to 1) of the axis.
pub(super) fn at(part: f64) -> f64 {
    let (low, high) = (warp_hertz(LOWEST), warp_hertz(HIGHEST));
    unwarp_hertz(low + part * (high - low))
}
