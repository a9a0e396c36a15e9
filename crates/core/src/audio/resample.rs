//! Resamples audio in pieces of any size from any sample rate to 44.1 kHz.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::SAMPLE_RATE;

/// Minimum number of input frames per transform. The number is rounded up to a multiple of the common period of both
/// rates. 1024 was the fastest size for input at 48 kHz, and its filter preserves all frequencies that fingerprints
/// use. At half this value, the filter attenuates more high frequencies. At twice this value, a live stream is delayed
/// by at least 21 ms more.
const MIN_BLOCK_FRAMES: usize = 1024;

/// A resampler for audio in pieces of any size. It compensates the delay of its filter, so that input and output begin
/// and end at the same time. The output does not depend on how the input is split into pushes.
pub(super) struct Resampler {
    fft: Fft<f32>,
    rate: u32,
    /// Input that does not fill a block yet.
    pending: Vec<f32>,
    block_out: Vec<f32>,
    /// Number of output samples that are still to be dropped at the start, to compensate the delay of the filter.
    delay: usize,
    samples_in: u64,
    samples_out: u64,
}

impl Resampler {
    /// Creates a resampler for input with a sample rate of `rate` hertz. An error describes why this rate is not
    /// possible.
    pub(super) fn new(rate: u32) -> Result<Self, String> {
        // A block contains an even number of whole periods of both rates, so that the delay of the filter is a whole
        // number of output samples.
        let period = 2 * (rate / gcd(rate, SAMPLE_RATE)) as usize;
        let block = MIN_BLOCK_FRAMES.next_multiple_of(period);
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(rate as usize, SAMPLE_RATE as usize, block, 1, 1, window, FixedSync::Both)
            .map_err(|e| e.to_string())?;
        let (delay, out) = (fft.output_delay(), fft.output_frames_max());
        let pending = Vec::with_capacity(fft.input_frames_max());
        Ok(Self { fft, rate, pending, block_out: vec![0.0; out], delay, samples_in: 0, samples_out: 0 })
    }

    /// Returns the sample rate of the input in hertz.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// Adds input samples and appends the output of each complete block to `out`.
    pub(super) fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) -> Result<(), String> {
        self.samples_in += samples.len() as u64;
        let block = self.fft.input_frames_next();
        while !samples.is_empty() {
            if self.pending.is_empty() && samples.len() >= block {
                // Whole blocks are transformed in place, without a copy to `pending`.
                let (now, rest) = samples.split_at(block);
                self.transform(now, out)?;
                samples = rest;
                continue;
            }
            let (now, rest) = samples.split_at(samples.len().min(block - self.pending.len()));
            self.pending.extend_from_slice(now);
            samples = rest;
            if self.pending.len() == block {
                // `transform` borrows the whole resampler. The vector is put back to keep its memory.
                let pending = std::mem::take(&mut self.pending);
                self.transform(&pending, out)?;
                self.pending = pending;
                self.pending.clear();
            }
        }
        Ok(())
    }

    /// Returns the number of output samples that [`Resampler::finish`] would append now.
    pub(super) fn buffered(&self) -> u64 {
        self.expected_out().saturating_sub(self.samples_out)
    }

    /// Resets the state for new audio. The filter is kept.
    fn reset(&mut self) {
        self.fft.reset();
        self.pending.clear();
        self.delay = self.fft.output_delay();
        (self.samples_in, self.samples_out) = (0, 0);
    }

    /// Returns the total number of output samples for the input so far: its length at 44.1 kHz.
    fn expected_out(&self) -> u64 {
        let (rate, to) = (u64::from(self.rate), u64::from(SAMPLE_RATE));
        (self.samples_in * to + rate / 2) / rate
    }

    /// Ends the audio: appends the remaining samples to `out`, so that the whole output is as long as the input.
    /// Samples that are pushed later begin new audio.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), String> {
        let expected_out = self.expected_out();
        let silence = vec![0.0; self.fft.input_frames_next()];
        while self.samples_out < expected_out {
            let fill = silence.len() - self.pending.len();
            self.push(&silence[..fill], out)?;
        }
        // The last block was filled up with silence, whose output is removed.
        let excess = usize::try_from(self.samples_out - expected_out).unwrap_or(0);
        out.truncate(out.len().saturating_sub(excess));
        self.reset();
        Ok(())
    }

    fn transform(&mut self, block: &[f32], out: &mut Vec<f32>) -> Result<(), String> {
        let length = self.block_out.len();
        let input = SequentialSlice::new(block, 1, block.len()).map_err(|e| e.to_string())?;
        let mut output =
            SequentialSlice::new_mut(&mut self.block_out, 1, length).map_err(|e| e.to_string())?;
        let (_, frames) =
            self.fft.process_into_buffer(&input, &mut output, None).map_err(|e| e.to_string())?;
        let skip = self.delay.min(frames);
        self.delay -= skip;
        self.samples_out += (frames - skip) as u64;
        out.extend_from_slice(&self.block_out[skip..frames]);
        Ok(())
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: u32, seconds: f64) -> Vec<f32> {
        let n = (f64::from(rate) * seconds) as usize;
        (0..n).map(|i| (i as f64 * 1000.0 * std::f64::consts::TAU / f64::from(rate)).sin() as f32).collect()
    }

    fn resample(input: &[f32], rate: u32, push: usize) -> Vec<f32> {
        let (mut resampler, mut out) = (Resampler::new(rate).unwrap(), Vec::new());
        for chunk in input.chunks(push) {
            resampler.push(chunk, &mut out).unwrap();
        }
        resampler.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn resampling_keeps_time_length_and_level_of_a_tone() {
        for rate in [8_000, 11_025, 16_000, 22_050, 32_000, 44_099, 48_000, 88_200, 96_000, 192_000] {
            let out = resample(&sine(rate, 0.5), rate, 777);
            let expected_out = sine(SAMPLE_RATE, 0.5);
            assert!(
                out.len().abs_diff(expected_out.len()) <= 3,
                "{rate}: {} of {}",
                out.len(),
                expected_out.len()
            );
            let inner = 4_000..18_000; // the filter rings at the edges
            let error = out[inner.clone()].iter().zip(&expected_out[inner]).map(|(a, b)| (a - b).abs());
            let worst = error.fold(0.0, f32::max);
            assert!(worst < 2e-3, "{rate} Hz: off by {worst}");
        }
    }

    #[test]
    fn finish_resets_the_resampler() {
        let input = sine(48_000, 0.3);
        let (mut resampler, mut out) = (Resampler::new(48_000).unwrap(), Vec::new());
        resampler.push(&input[..7_000], &mut out).unwrap();
        assert_eq!(resampler.buffered(), 6_431 - out.len() as u64);
        resampler.finish(&mut out).unwrap();
        assert_eq!((out.len(), resampler.buffered()), (6_431, 0));
        out.clear();
        resampler.push(&input, &mut out).unwrap();
        resampler.finish(&mut out).unwrap();
        assert_eq!(out, resample(&input, 48_000, input.len()));
    }

    #[test]
    fn output_does_not_depend_on_the_split_into_pushes() {
        let input = sine(48_000, 0.3);
        let whole = resample(&input, 48_000, input.len());
        for push in [1, 100, 1024, 5000] {
            assert_eq!(resample(&input, 48_000, push), whole);
        }
    }
}
