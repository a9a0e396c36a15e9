//! Parameters of the fingerprint. Stored fingerprints depend on them: raise [`super::constellation::FORMAT_VERSION`]
//! with every change.

use crate::audio::SAMPLE_RATE;

/// Decimation factor before the spectrogram, which covers only this part of the band: music that went through a
/// telephone, a loudspeaker or a codec has its landmarks there, and a quarter of the samples is a quarter of the
/// work.
pub(crate) const DECIMATION: usize = 4;
/// Sample rate of the spectrogram in hertz.
pub(crate) const ANALYSIS_RATE: f64 = SAMPLE_RATE as f64 / DECIMATION as f64;
/// Window length of the transform in samples at [`ANALYSIS_RATE`]: 93 ms, long enough to separate two low notes.
pub(crate) const WINDOW: usize = 1024;
/// Samples at [`ANALYSIS_RATE`] from one frame to the next: 23 ms.
pub(crate) const HOP: usize = 256;
/// Ticks (the unit of [`super::Peak::time`]) per frame. The times of peaks are interpolated between frames.
pub(crate) const TICKS_PER_FRAME: u32 = 4;
/// Ticks per second.
pub const TICKS_PER_SECOND: f64 = ANALYSIS_RATE / HOP as f64 * TICKS_PER_FRAME as f64;
/// Steps (the unit of [`super::Peak::frequency`]) per bin. The frequencies of peaks are interpolated between bins.
pub(crate) const STEPS_PER_BIN: u32 = 8;
/// Steps per hertz.
pub const STEPS_PER_HERTZ: f64 = STEPS_PER_BIN as f64 * WINDOW as f64 / ANALYSIS_RATE;
/// Lowest bin with peaks: 97 Hz. Lower frequencies contain hum and rumble.
pub(crate) const LOWEST_BIN: usize = 9;
/// First bin without peaks: 5.0 kHz, where the decimation filter begins to attenuate.
pub(crate) const HIGHEST_BIN: usize = 464;
