//! Resamples decoded audio to the sample rate of the engine and collects it into chunks.

use super::SAMPLE_RATE;
use super::resample::Resampler;

/// Minimum number of samples of a chunk, except for the last one: large enough for few calls, small enough to stay in
/// the first-level cache while it is used. At twice this value, chunks of 64 KiB exceed a first-level cache; at half
/// this value, the fingerprinter is called twice as often, for blocks of a tenth of a second.
pub(super) const MIN_CHUNK_SAMPLES: usize = 8_192;

/// Resamples mono audio of any sample rate to 44.1 kHz and collects the result.
#[derive(Default)]
pub(super) struct ResamplingBuffer {
    /// Audio at 44.1 kHz that was not returned to the caller yet.
    pub(super) ready: Vec<f32>,
    resampler: Option<Resampler>,
}

impl ResamplingBuffer {
    /// Takes samples at a sample rate of `rate` hertz. A change of the rate flushes the resampler first.
    pub(super) fn push(&mut self, mono: &[f32], rate: u32) -> Result<(), String> {
        // The filter of the old rate still contains audio. It is flushed before the new resampler replaces it, so that
        // nothing is lost at the change.
        if self.resampler.as_ref().map_or(SAMPLE_RATE, Resampler::rate) != rate {
            self.finish()?;
            self.resampler = if rate == SAMPLE_RATE { None } else { Some(Resampler::new(rate)?) };
        }
        match &mut self.resampler {
            Some(resampler) => resampler.push(mono, &mut self.ready),
            None => {
                self.ready.extend_from_slice(mono);
                Ok(())
            }
        }
    }

    /// Returns the number of samples at 44.1 kHz that are buffered in the resampler.
    pub(super) fn buffered(&self) -> u64 {
        self.resampler.as_ref().map_or(0, Resampler::buffered)
    }

    /// Flushes the samples that are buffered in the resampler. Audio that is pushed later does not continue the audio
    /// before.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.resampler.as_mut().map_or(Ok(()), |resampler| resampler.finish(&mut self.ready))
    }
}
