//! Output of the decoder.

use refrain_core::audio::SAMPLE_RATE;

use crate::delivery::GapReason;

/// A piece of a decoded stream, borrowed for the duration of the callback. Each piece begins where the previous one
/// ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sound<'a> {
    /// Position of the start of this piece: samples at 44.1 kHz since the first sample of the stream, gaps included.
    pub position: u64,
    /// Time of the start of this piece, seconds since 1970, from the dates of the stream or from arrival times.
    pub epoch: f64,
    /// True if another worker of the stream computes the same `epoch`: the clock uses the dates of the stream, or it
    /// continues the clock of an earlier worker by time stamps.
    pub shared_clock: bool,
    /// True if the playlist marks the piece as an advertisement. The boundaries are exact except for the samples that a
    /// resampler holds back.
    pub ad: bool,
    /// The audio of this piece, or the gap.
    pub media: Media<'a>,
}

impl Sound<'_> {
    /// Returns the position of the start of this piece, in seconds since the first sample of the stream.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        seconds(self.position)
    }

    /// Returns the length of this piece in samples at 44.1 kHz.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self.media {
            Media::Samples(samples) => samples.len() as u64,
            Media::Gap { samples, .. } => samples,
        }
    }
}

/// Content of a [`Sound`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Media<'a> {
    /// 44.1 kHz mono samples, nominally within ±1, without NaN and infinity.
    Samples(&'a [f32]),
    /// Missing media. Only its length is given, because a gap can last hours.
    Gap {
        /// Length in samples at 44.1 kHz.
        samples: u64,
        /// Reason why the media is missing.
        reason: GapReason,
    },
}

/// Converts samples at 44.1 kHz to seconds.
pub(super) fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

/// Converts seconds to samples at 44.1 kHz. Returns 0 for negative seconds.
pub(super) fn samples(seconds: f64) -> u64 {
    (seconds * f64::from(SAMPLE_RATE)).round() as u64 // `as` saturates and converts NaN to 0
}
