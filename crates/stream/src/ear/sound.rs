//! What an ear hears.

use refrain_core::audio::SAMPLE_RATE;

use crate::delivery::GapReason;

/// A stretch of a stream, borrowed for as long as the callback looks at it. Each begins where the one before ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sound<'a> {
    /// Samples at 44.1 kHz from the stream's first one to the first of these, gaps included.
    pub position: u64,
    /// When the first of these was, seconds since 1970, as far as the stream or its arrival tells.
    pub epoch: f64,
    /// Whether every worker of the stream has this clock: dates of the stream, or the clock of an earlier worker continued by
    /// its time stamps.
    pub shared_clock: bool,
    /// Whether the playlist marks it as an advertisement; exact to the samples that a resampler holds back.
    pub ad: bool,
    /// The sound itself.
    pub media: Media<'a>,
}

impl Sound<'_> {
    /// Its place in the stream, seconds from the first sample.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        seconds(self.position)
    }

    /// How many samples at 44.1 kHz it is long.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self.media {
            Media::Samples(samples) => samples.len() as u64,
            Media::Gap { samples, .. } => samples,
        }
    }
}

/// Sound or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Media<'a> {
    /// 44.1 kHz mono, nominally within ±1, free of NaN and infinity.
    Samples(&'a [f32]),
    /// Media that is missing: a number, for it may be hours.
    Gap {
        /// Its length in samples at 44.1 kHz.
        samples: u64,
        /// Why it is missing.
        reason: GapReason,
    },
}

/// Samples at 44.1 kHz in seconds.
pub(super) fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

/// Seconds in samples at 44.1 kHz; nothing below 0.
pub(super) fn samples(seconds: f64) -> u64 {
    (seconds * f64::from(SAMPLE_RATE)).round() as u64 // `as` saturates, and makes 0 of NaN
}
