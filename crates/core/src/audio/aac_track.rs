//! Decodes the variants of AAC that symphonia does not support: more than two channels, channel layouts that the stream
//! defines, the object types Main, LTP, LD and ELD, and frames of 960 samples.

use rusty_aac::config::{self, StreamConfig};
use rusty_aac::decode::Decoder;

use super::mix;

/// Object type of low complexity (ISO/IEC 14496-3, table 1.17).
const LOW_COMPLEXITY: u8 = 2;

/// A decoder for one AAC track. Unlike the other decoders, it allocates a buffer for each frame.
pub(super) struct AacTrack {
    config: StreamConfig,
    decoder: Decoder,
    /// Number of channels of the last frame. 0 before the first frame.
    channels: usize,
}

impl AacTrack {
    /// Creates a decoder from an AudioSpecificConfig. An error describes why it cannot be decoded.
    pub(super) fn new(config: &[u8]) -> Result<Self, String> {
        config::parse(config).map_err(|error| error.to_string()).and_then(Self::of)
    }

    /// Creates a decoder of low complexity for a sample rate in hertz and a channel configuration. With the
    /// configuration 0, the elements of the first frame define the channels.
    pub(super) fn low_complexity(rate: u32, configuration: u8) -> Result<Self, String> {
        Self::of(StreamConfig::lc(LOW_COMPLEXITY, rate, configuration))
    }

    fn of(mut config: StreamConfig) -> Result<Self, String> {
        // As for mono and stereo, only the core is decoded: half the band is enough for a fingerprint.
        config.sbr = false;
        config.ps = false;
        config.sbr_explicitly_absent = true;
        config.ext_sample_rate = config.sample_rate;
        if !(1_000..=96_000).contains(&config.sample_rate) {
            return Err(format!("AAC at {} Hz", config.sample_rate));
        }
        let decoder = Decoder::with_stream_config(config.clone()).map_err(|error| error.to_string())?;
        Ok(Self { config, decoder, channels: 0 })
    }

    /// Resets the decoder, so that the next frame is decoded without the state of earlier frames.
    pub(super) fn reset(&mut self) {
        // The decoder has no reset. The configuration was accepted before, so it is accepted again.
        if let Ok(decoder) = Decoder::with_stream_config(self.config.clone()) {
            self.decoder = decoder;
        }
    }

    /// Returns the sample rate in hertz, and the number of channels of the last frame.
    pub(super) fn shape(&self) -> (u32, usize) {
        (self.config.sample_rate, self.channels)
    }

    /// Decodes a frame without its header and appends its samples, mixed to mono, to `mono`. Also replaces the content of
    /// `planes` by the channels before mixing. An error describes why the frame cannot be decoded; no samples are appended
    /// then.
    pub(super) fn decode(
        &mut self,
        frame: &[u8],
        mono: &mut Vec<f32>,
        planes: Option<&mut mix::Planes>,
    ) -> Result<(), &'static str> {
        let audio = self.decoder.decode(frame, None).map_err(|error| match error {
            rusty_aac::Error::Unsupported(_) => "AAC frame with unsupported syntax",
            _ => "damaged AAC frame",
        })?;
        if audio.channels == 0 || audio.samples.is_empty() {
            return Err("AAC frame without audio");
        }
        self.channels = audio.channels.into();
        mix::mix_front(&audio.samples, self.channels, mono);
        if let Some(planes) = planes {
            planes.copy_interleaved(&audio.samples, self.channels);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_accepted_or_named() {
        let track = AacTrack::low_complexity(48_000, 6).unwrap();
        assert_eq!(track.shape(), (48_000, 0));
        assert!(AacTrack::low_complexity(500, 6).is_err_and(|error| error.contains("500 Hz")));
        assert!(AacTrack::new(&[0xF9, 0x48, 0x40]).is_err(), "USAC");
        assert!(AacTrack::new(&[]).is_err());
        // Main, 44,100 Hz, stereo; low complexity, 5.1.
        assert!(AacTrack::new(&[0x0A, 0x10]).is_ok() && AacTrack::new(&[0x12, 0x30]).is_ok());
    }

    #[test]
    fn damaged_frames_append_no_samples() {
        let mut track = AacTrack::low_complexity(48_000, 6).unwrap();
        let mut mono = Vec::new();
        assert!(track.decode(b"", &mut mono, None).is_err());
        for frame in [&[0x21, 0x42, 0x93][..], &[0x55; 700], &[0xAA; 700]] {
            let length = mono.len();
            if track.decode(frame, &mut mono, None).is_err() {
                assert_eq!(mono.len(), length);
            }
            track.reset();
        }
        assert!(mono.iter().all(|sample| sample.is_finite()));
    }
}
