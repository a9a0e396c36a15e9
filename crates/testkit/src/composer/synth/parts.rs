//! Parts that instruments share: the envelope, and the update interval of slow controls.

use crate::RATE_F;
use crate::math::{decay_per_sample, samples_in};

/// Number of samples between two updates of slow controls such as vibrato and filter sweeps. 32 samples are 0.7 ms.
/// Longer blocks would make the steps of fast sweeps audible; shorter ones cost more calculations.
pub(super) const CONTROL_BLOCK_SAMPLES: usize = 32;

/// An envelope: attack, decay to the sustain level while the key is held, and release.
#[derive(Debug)]
pub(super) struct AmplitudeEnvelope {
    level: f32,
    rise: f32,
    sustain: f32,
    fall: f32,
    release: f32,
    key_samples: usize,
    at: usize,
    rising: bool,
}

impl AmplitudeEnvelope {
    /// Creates an envelope. `attack`, `fall`, `key_seconds` and `release` are times in seconds, not in samples: `fall`
    /// and `release` are times to −60 dB, and `key_seconds` is the time until the key is released. `sustain` is the
    /// level from 0 to 1 that the decay approaches while the key is held.
    pub(super) fn new(attack: f64, fall: f64, sustain: f64, key_seconds: f64, release: f64) -> Self {
        Self {
            level: 0.0,
            // A rise within less than 0.5 ms would sound like a click.
            rise: (1.0 / (attack.max(0.0005) * RATE_F)) as f32,
            sustain: sustain as f32,
            fall: decay_per_sample(fall) as f32,
            release: decay_per_sample(release) as f32,
            key_samples: samples_in(key_seconds),
            at: 0,
            rising: true,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> f32 {
        if self.at >= self.key_samples {
            self.level *= self.release;
        } else if self.rising {
            // The rise is linear, because an exponential one would never reach 1.
            self.level += self.rise;
            if self.level >= 1.0 {
                self.level = 1.0;
                self.rising = false;
            }
        } else {
            self.level = self.sustain + (self.level - self.sustain) * self.fall;
        }
        self.at += 1;
        self.level
    }
}
