//! Tests of [`StreamDecoder`], which decodes segments and bytes to timed audio.

mod chain;
mod damage;
mod health;
mod live;
mod malformed;
mod restarts;
mod segmentation;
mod surround;
mod time;
mod tracks;

use refrain_stream::{
    DecoderReport, DecoderSettings, Delivery, GapReason, HlsSegment, Media, Sound, StreamDecoder,
};

/// The complete output of a decoder.
#[derive(Debug, Default)]
pub(crate) struct DecodedStream {
    /// Samples of the stream; gaps are filled with zeros.
    pub(crate) sound: Vec<f32>,
    /// Gaps: start and length in samples, and the reason.
    pub(crate) gaps: Vec<(u64, u64, GapReason)>,
    /// Position in seconds and epoch (seconds since 1970) of each output item.
    pub(crate) times: Vec<(f64, f64)>,
    pub(crate) report: DecoderReport,
}

impl DecodedStream {
    fn take(&mut self, sound: Sound<'_>) {
        assert_eq!(sound.position, self.sound.len() as u64, "output items must be contiguous");
        assert!(sound.length() > 0);
        if let Some((_, before)) = self.times.last() {
            assert!(sound.epoch >= *before, "the epoch must not decrease");
        }
        self.times.push((sound.seconds(), sound.epoch));
        match sound.media {
            Media::Samples(samples) => self.sound.extend_from_slice(samples),
            Media::Gap { samples, reason } => {
                self.gaps.push((sound.position, samples, reason));
                self.sound.resize(self.sound.len() + samples as usize, 0.0);
            }
        }
    }
}

/// Decodes a stream to its end.
pub(crate) fn process(deliveries: impl IntoIterator<Item = Delivery>) -> DecodedStream {
    let mut decoded = DecodedStream::default();
    let mut decoder = StreamDecoder::new(DecoderSettings { wall_clock: || 1_600_000_000.0 });
    for delivery in deliveries {
        decoder.process(delivery, |sound| decoded.take(sound));
    }
    decoder.finish(|sound| decoded.take(sound));
    assert_eq!(decoder.position(), decoded.sound.len() as u64);
    decoded.report = decoder.report().clone();
    decoded
}

pub(crate) fn process_segments(segments: &[HlsSegment]) -> DecodedStream {
    process(segments.iter().cloned().map(Delivery::HlsSegment))
}

/// Asserts that two sequences of samples are identical.
#[track_caller]
pub(crate) fn assert_same(one: &[f32], other: &[f32]) {
    assert_eq!(one.len(), other.len(), "the lengths differ");
    let differs = one.iter().zip(other).position(|(a, b)| a != b);
    assert_eq!(differs, None, "index of the first sample that differs, of {}", one.len());
}
