//! The numbers of the fingerprint. Changing one changes what is stored: raise
//! [`super::constellation::FORMAT_VERSION`] with it.

use crate::audio::SAMPLE_RATE;

/// The spectrogram looks at this part of the band only: music that survived a telephone, a loudspeaker or a
/// codec has its landmarks there, and a quarter of the samples is a quarter of the work.
pub(crate) const DECIMATION: usize = 4;
/// Sample rate of the spectrogram, hertz.
pub(crate) const ANALYSIS_RATE: f64 = SAMPLE_RATE as f64 / DECIMATION as f64;
/// Window of the transform, samples at [`ANALYSIS_RATE`]: 93 ms, long enough to part two low notes.
pub(crate) const WINDOW: usize = 1024;
/// Samples from frame to frame: 23 ms.
pub(crate) const HOP: usize = 256;
/// Ticks (the unit of [`super::Peak::time`]) per frame: peaks lie between frames.
pub(crate) const TICKS_PER_FRAME: u32 = 4;
/// Ticks per second.
pub const TICKS_PER_SECOND: f64 = ANALYSIS_RATE / HOP as f64 * TICKS_PER_FRAME as f64;
/// Steps (the unit of [`super::Peak::frequency`]) per bin: peaks lie between bins.
pub(crate) const STEPS_PER_BIN: u32 = 8;
/// Steps per hertz.
pub const STEPS_PER_HERTZ: f64 = STEPS_PER_BIN as f64 * WINDOW as f64 / ANALYSIS_RATE;
/// Lowest bin with peaks: 97 Hz. Below it live hum and rumble.
pub(crate) const LOWEST_BIN: usize = 9;
/// First bin without peaks: 5.0 kHz, where the decimation filter begins to fall.
pub(crate) const HIGHEST_BIN: usize = 464;
