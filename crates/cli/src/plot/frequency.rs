//! The frequency axis of the pictures. It has the same scale as the frequencies in fingerprints.

use refrain_core::fingerprint::{unwarp_hertz, warp_hertz};

use super::draw::Axis;

/// Lower end of the axis in hertz, a little below the lowest frequency of a peak.
const MIN_HERTZ: f64 = 60.0;
/// Upper end of the axis in hertz, a little above the highest frequency of a peak.
const MAX_HERTZ: f64 = 5_000.0;
/// Ticks of the axis in hertz.
const TICKS_HERTZ: [u32; 11] = [100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000];

/// Returns the frequency axis. Its values are frequencies that were converted with [`warp_hertz`].
pub(super) fn axis() -> Axis {
    let ticks = TICKS_HERTZ.iter().map(|hertz| (warp_hertz(f64::from(*hertz)), hertz.to_string()));
    Axis::new(warp_hertz(MIN_HERTZ)..warp_hertz(MAX_HERTZ), ticks.collect(), "frequency (Hz)")
}

/// Returns the frequency in hertz at a position relative to the axis: 0 is its lower end, 1 its upper end.
pub(super) fn at(part: f64) -> f64 {
    let (low, high) = (warp_hertz(MIN_HERTZ), warp_hertz(MAX_HERTZ));
    unwarp_hertz(low + part * (high - low))
}
