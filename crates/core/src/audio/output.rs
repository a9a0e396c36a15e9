//! Decoded sound to chunks at the engine's rate.

use super::SAMPLE_RATE;
use super::resample::Resampler;

/// Samples that are gathered before a chunk is handed out: few calls, and a chunk stays in the first-level
/// cache while it is used.
pub(super) const CHUNK: usize = 8_192;

/// Gathers mono sound of any rate, and what is ready of it at 44.1 kHz.
#[derive(Default)]
pub(super) struct Output {
    /// Sound at 44.1 kHz that was not handed out yet.
    pub(super) ready: Vec<f32>,
    resampler: Option<Resampler>,
}

impl Output {
    /// Takes sound at `rate` hertz.
    pub(super) fn push(&mut self, mono: &[f32], rate: u32) -> Result<(), String> {
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

    /// Samples at 44.1 kHz that the resampler holds back.
    pub(super) fn held(&self) -> u64 {
        self.resampler.as_ref().map_or(0, Resampler::held)
    }

    /// Brings out what the resampler holds back; what comes next is another sound.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.resampler.as_mut().map_or(Ok(()), |resampler| resampler.finish(&mut self.ready))
    }
}
