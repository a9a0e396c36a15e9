//! Resamples decoded audio to the sample rate of the engine and collects it into chunks.

use super::SAMPLE_RATE;
use super::resample::Resampler;

/// Minimum number of samples of a chunk, except for the last chunk. A chunk of 32 KiB fits into a first-level cache,
/// and one of 64 KiB would not. At half this value, the fingerprinter is called twice as often, which takes slightly
/// longer.
pub(super) const MIN_CHUNK_SAMPLES: usize = 8_192;

/// Resamples mono audio of any sample rate to 44.1 kHz and collects the result.
#[derive(Default)]
pub(super) struct ResamplingBuffer {
    /// Resampled audio at 44.1 kHz. The owner of the `ResamplingBuffer` clears this vector after use.
    pub(super) ready: Vec<f32>,
    resampler: Option<Resampler>,
}

impl ResamplingBuffer {
    /// Adds samples with a sample rate of `rate` hertz. If the rate differs from that of the last call, the resampler
    /// is flushed first. An error describes why resampling failed.
    pub(super) fn push(&mut self, mono: &[f32], rate: u32) -> Result<(), String> {
        // The resampler of the old rate still contains audio. It is flushed before it is replaced, so that no audio is
        // lost.
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

    /// Returns the number of samples, counted at 44.1 kHz, that are still buffered in the resampler and not in `ready`.
    pub(super) fn buffered(&self) -> u64 {
        self.resampler.as_ref().map_or(0, Resampler::buffered)
    }

    /// Moves the samples that are buffered in the resampler to `ready`. Samples that are pushed later begin new audio.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.resampler.as_mut().map_or(Ok(()), |resampler| resampler.finish(&mut self.ready))
    }
}
