//! Effects that simulate how songs are distorted before they are recognized: noise, rooms, telephones, speed changes,
//! mixes.
//!
//! Every effect takes 44.1 kHz mono samples and returns new ones; random effects take a seed. The same
//! input and seed give the same bits on every machine.

mod babble;
mod mixing;
mod noise;
pub(crate) mod room;
mod speed;

pub use babble::{add_babble, babble};
pub use mixing::{ClipTiming, Mix, MixClip, mix, overlay};
pub use noise::{Noise, add_noise, noise};
pub use room::reverb;
pub use speed::speed;

use crate::dsp::Filter;
use crate::math::{db_to_gain, rms, samples_in};

/// Amplifies by `db` decibels, which can be negative, without clipping.
#[must_use]
pub fn gain(samples: &[f32], db: f64) -> Vec<f32> {
    let gain = db_to_gain(db) as f32;
    samples.iter().map(|s| s * gain).collect()
}

/// Amplifies by `drive_db` decibels and clips to ±1.
#[must_use]
pub fn clip(samples: &[f32], drive_db: f64) -> Vec<f32> {
    gain(samples, drive_db).into_iter().map(|s| s.clamp(-1.0, 1.0)).collect()
}

/// Returns the excerpt of `seconds` seconds that starts at `from` seconds. It is shorter if the samples end before.
#[must_use]
pub fn crop(samples: &[f32], from: f64, seconds: f64) -> Vec<f32> {
    let start = samples_in(from).min(samples.len());
    let end = (start + samples_in(seconds)).min(samples.len());
    samples[start..end].to_vec()
}

/// Filters like a telephone: passes 300 to 3,400 Hz, with slopes of 24 dB per octave.
#[must_use]
pub fn phone(samples: &[f32]) -> Vec<f32> {
    // Two second-order sections per side with these resonances make a fourth-order Butterworth filter.
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

/// Adds `disturbance` to `samples` so that `samples` are `snr_db` decibels louder than the disturbance, both measured
/// as the root mean square. Silent samples remain silent.
fn add_at(samples: &[f32], disturbance: &[f32], snr_db: f64) -> Vec<f32> {
    let level = rms(disturbance);
    if level <= 0.0 {
        return samples.to_vec();
    }
    let gain = (rms(samples) / level * db_to_gain(-snr_db)) as f32;
    samples.iter().zip(disturbance).map(|(s, d)| s + gain * d).collect()
}
