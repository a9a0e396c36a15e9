//! What the world does to a song before somebody asks what it was.
//!
//! Every effect takes 44.1 kHz mono samples and gives new ones; what needs chance takes a seed. The same
//! input and seed give the same bits on every machine.

mod babble;
mod mixing;
mod noise;
pub(crate) mod room;
mod speed;

pub use babble::{add_babble, babble};
pub use mixing::{Airing, Clip, Mix, mix, overlay};
pub use noise::{Noise, add_noise, noise};
pub use room::reverb;
pub use speed::speed;

use crate::dsp::Filter;
use crate::math::{db_to_gain, rms, samples_in};

/// Louder or quieter by `db` decibels; nothing is clipped.
#[must_use]
pub fn gain(samples: &[f32], db: f64) -> Vec<f32> {
    let gain = db_to_gain(db) as f32;
    samples.iter().map(|s| s * gain).collect()
}

/// Overdriven: amplified by `drive_db` decibels, and what exceeds ±1 is cut off.
#[must_use]
pub fn clip(samples: &[f32], drive_db: f64) -> Vec<f32> {
    gain(samples, drive_db).into_iter().map(|s| s.clamp(-1.0, 1.0)).collect()
}

/// The stretch of `seconds` that starts at `from` seconds, or what there is of it.
#[must_use]
pub fn crop(samples: &[f32], from: f64, seconds: f64) -> Vec<f32> {
    let start = samples_in(from).min(samples.len());
    let end = (start + samples_in(seconds)).min(samples.len());
    samples[start..end].to_vec()
}

/// As heard over a telephone: 300 to 3,400 Hz, 24 dB an octave on both sides.
#[must_use]
pub fn phone(samples: &[f32]) -> Vec<f32> {
    // Two second-order sections a side make a Butterworth filter of order four.
    let sections = [0.541_196_1, 1.306_563];
    let mut low = sections.map(|resonance| Filter::new(3400.0, resonance));
    let mut high = sections.map(|resonance| Filter::new(300.0, resonance));
    samples
        .iter()
        .map(|&s| {
            let low = low.iter_mut().fold(s, |s, filter| filter.split(s).0);
            high.iter_mut().fold(low, |s, filter| filter.split(s).2)
        })
        .collect()
}

/// Adds `disturbance` to `samples` so that the signal is `snr_db` decibels above it, both measured as the
/// root mean square of the whole. Silence stays as it is.
fn add_at(samples: &[f32], disturbance: &[f32], snr_db: f64) -> Vec<f32> {
    let level = rms(disturbance);
    if level <= 0.0 {
        return samples.to_vec();
    }
    let gain = (rms(samples) / level * db_to_gain(-snr_db)) as f32;
    samples.iter().zip(disturbance).map(|(s, d)| s + gain * d).collect()
}
