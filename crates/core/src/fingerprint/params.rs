//! Parameters of the fingerprint. Stored fingerprints depend on them: raise [`super::constellation::FORMAT_VERSION`]
//! with every change.

use crate::audio::SAMPLE_RATE;

/// Decimation factor before the spectrogram, which covers only this part of the band: music that went through a
/// telephone, a loudspeaker or a codec has its landmarks there, and a quarter of the samples is a quarter of the work.
/// At 8 the band would end at 2.7 kHz, and all peaks above would be lost; at 2 it would end at 11 kHz, and telephones
/// and low bit rates remove the peaks of the upper half.
pub(crate) const DECIMATION: usize = 4;
/// Sample rate of the spectrogram in hertz.
pub(crate) const ANALYSIS_RATE: f64 = SAMPLE_RATE as f64 / DECIMATION as f64;
/// Window length of the transform in samples at [`ANALYSIS_RATE`]: 93 ms, long enough to separate two low notes. At
/// twice this value, notes that follow each other within 186 ms merge; at half this value, simultaneous notes less than
/// 43 Hz apart merge.
pub(crate) const WINDOW: usize = 1024;
/// Samples at [`ANALYSIS_RATE`] from one frame to the next: 23 ms. Peaks are at least two frames apart from stronger
/// ones, so the hop also limits their density. At twice the hop, a query that begins between two frames of the track
/// loses more peaks; at half this value, the spectrogram costs twice as much.
pub(crate) const HOP: usize = 256;
/// Ticks (the unit of [`super::Peak::time`]) per frame. The times of peaks are interpolated between frames. One tick is
/// 5.8 ms. At 8, packed times take one bit more per peak; at 2, a cell for the gap of a landmark would be as long as a
/// frame.
pub(crate) const TICKS_PER_FRAME: u32 = 4;
/// Ticks per second.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::{Peak, STEPS_PER_HERTZ, TICKS_PER_SECOND};
///
/// let peak = Peak { time: 1_723, frequency: 3_269, rank: 0 };
/// assert!((f64::from(peak.time) / TICKS_PER_SECOND - 10.0).abs() < 0.01);
/// assert!((f64::from(peak.frequency) / STEPS_PER_HERTZ - 4_400.0).abs() < 5.0);
/// ```
pub const TICKS_PER_SECOND: f64 = ANALYSIS_RATE / HOP as f64 * TICKS_PER_FRAME as f64;
/// Steps (the unit of [`super::Peak::frequency`]) per bin. The frequencies of peaks are interpolated between bins. One
/// step is 1.3 Hz. At 16, frequencies would not fit into 12 bits; at 4, the rounding error doubles to 1.3 Hz.
pub(crate) const STEPS_PER_BIN: u32 = 8;
/// Steps per hertz.
pub const STEPS_PER_HERTZ: f64 = STEPS_PER_BIN as f64 * WINDOW as f64 / ANALYSIS_RATE;
/// Lowest bin with peaks: 97 Hz. Lower frequencies contain hum and rumble. At half this value (50 Hz), mains hum would
/// be a peak in every frame; at twice this value, the fundamentals of bass instruments are excluded.
pub(crate) const LOWEST_BIN: usize = 9;
/// First bin without peaks: 5.0 kHz, where the decimation filter begins to attenuate. At half this value, the peaks
/// from 2.5 to 5 kHz are lost; twice of it is above the Nyquist frequency.
pub(crate) const HIGHEST_BIN: usize = 464;
