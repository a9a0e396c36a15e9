//! Parameters of the fingerprint. Stored fingerprints depend on them: raise [`super::constellation::FORMAT_VERSION`]
//! with every change.

use crate::audio::SAMPLE_RATE;

/// Factor by which the sample rate is reduced before the spectrogram. At 4 the spectrogram covers frequencies up to 5.5
/// kHz, which survive telephones, loudspeakers and codecs. At 8 it would end at 2.7 kHz, and all peaks above would be
/// lost. At 2 it would end at 11 kHz and cost twice the time, and telephones and low bit rates remove the peaks of the
/// upper half.
pub(crate) const DECIMATION: usize = 4;
/// Sample rate of the spectrogram in hertz.
pub(crate) const ANALYSIS_RATE: f64 = SAMPLE_RATE as f64 / DECIMATION as f64;
/// Window length of the Fourier transform in samples at [`ANALYSIS_RATE`]: 93 ms, long enough to separate two low
/// notes. At twice this value, notes that follow each other within 186 ms have one common peak. At half this value,
/// simultaneous notes less than 43 Hz apart have one common peak.
pub(crate) const WINDOW: usize = 1024;
/// Samples at [`ANALYSIS_RATE`] from one frame to the next: 23 ms. A peak is more than two frames away from every
/// stronger peak near its frequency, so the hop also limits the density of peaks. At twice the hop, a query that begins
/// between two frames of the track loses more peaks. At half the hop, the spectrogram takes twice as much processor
/// time.
pub(crate) const HOP: usize = 256;
/// Ticks (the unit of [`super::Peak::time`]) per frame. Times of peaks are interpolated between frames, and one tick is
/// 5.8 ms. At 8, a stored peak takes one bit more. At 2, times are rounded to 11.6 ms, and the time differences of
/// landmarks would be as coarse as frames.
pub(crate) const TICKS_PER_FRAME: u32 = 4;
/// Ticks (the unit of [`super::Peak::time`]) per second: about 172.3.
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
/// Steps (the unit of [`super::Peak::frequency`]) per bin. Frequencies of peaks are interpolated between bins, and one
/// step is 1.3 Hz. At 16, frequencies would not fit into 12 bits. At 4, the maximum rounding error doubles to 1.3 Hz.
pub(crate) const STEPS_PER_BIN: u32 = 8;
/// Steps (the unit of [`super::Peak::frequency`]) per hertz: about 0.743.
pub const STEPS_PER_HERTZ: f64 = STEPS_PER_BIN as f64 * WINDOW as f64 / ANALYSIS_RATE;
/// Lowest bin with peaks: 97 Hz. Lower frequencies contain hum and rumble. At half this value, mains hum of 50 Hz would
/// cause peaks that do not belong to the music. At twice this value, the fundamentals of bass instruments have no
/// peaks.
pub(crate) const LOWEST_BIN: usize = 9;
/// First bin without peaks: 5.0 kHz, just below the frequency where the decimation filter begins to attenuate. At half
/// this value, the peaks from 2.5 to 5 kHz are lost. Bins above 512 do not exist at this sample rate.
pub(crate) const HIGHEST_BIN: usize = 464;
