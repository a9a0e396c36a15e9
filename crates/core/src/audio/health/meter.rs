//! Measures decoded audio while its channels are still separate.

use serde::{Deserialize, Serialize};

use super::levels::PairMeter;
use super::repetition::RepetitionFinder;
use crate::audio::mix::{Planes, replace_invalid};

/// Blocks per second. Four blocks are a gating block of EBU R 128 (400 ms with an overlap of 75 %), so no other value
/// is possible.
const BLOCKS_PER_SECOND: u32 = 10;

/// Length of a block in seconds.
pub(super) const BLOCK_SECONDS: f64 = 0.1;

/// Maximum number of measured blocks that wait for the caller: 10 minutes. A segment that is longer is measured at its
/// start only. At twice this value, a crafted segment can take 1 MB; at half this value, segments of 6 minutes are not
/// measured completely.
const MAX_BLOCKS: usize = 6_000;

/// Maximum number of channels that are measured: those of 7.1. Further channels are ignored.
const MAX_CHANNELS: usize = 8;

/// Magnitude from which a sample is at full scale. Integers of 16 bits reach 0.99997, and decoders of lossy codecs
/// overshoot. At a lower value, normalized music counts as clipped.
const FULL_SCALE: f32 = 0.9999;

/// Number of consecutive samples at full scale that count as clipped. One or two are the peak of a wave, which is not
/// cut. At twice this value, short cut peaks of high frequencies are missed.
const MIN_CLIPPED_RUN: u32 = 3;

/// Magnitude below which a frame is silence for the search for repetitions: −66 dBFS.
const SILENCE: f32 = 0.0005;

/// Measures of a tenth of a second of audio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HealthBlock {
    /// End of the block, in samples at 44.1 kHz since the first sample of the stream.
    pub position: u64,
    /// Sample rate in hertz of the decoded audio before resampling.
    pub rate: u32,
    /// Number of channels of the decoded audio before mixing.
    pub channels: u16,
    /// Sum over the channels of the mean square after K-weighting, with the weights of the channels (ITU-R BS.1770-5).
    pub weighted_power: f32,
    /// Mean square of the loudest channel.
    pub max_power: f32,
    /// Mean squares of the first two channels; equal for mono.
    pub power: [f32; 2],
    /// Mean of the products of the first two channels.
    pub product: f32,
    /// Means of the first two channels, the DC offset.
    pub mean: [f32; 2],
    /// Highest magnitude of a sample.
    pub peak: f32,
    /// Number of samples, in all channels, in runs of at least 3 samples at full scale.
    pub clipped: u32,
    /// Length in seconds of the audio before the end of the block that repeats earlier audio exactly; 0 for none.
    pub repeated_seconds: f32,
    /// Time in seconds after which this audio repeats; 0 if it does not.
    pub period_seconds: f32,
}

/// Measures audio in blocks of a tenth of a second.
///
/// A change of the sample rate or of the number of channels discards the block that is not complete. Adding audio
/// allocates memory only if a call has more samples than all calls before.
#[derive(Debug, Default)]
pub(in crate::audio) struct HealthMeter {
    format: Option<MeterFormat>,
    repetition: RepetitionFinder,
    blocks: Vec<HealthBlock>,
    /// Number of blocks whose position is set.
    placed: usize,
    /// Channels of the audio that is added.
    planes: Planes,
}

/// The state for one sample rate and number of channels.
#[derive(Debug)]
struct MeterFormat {
    rate: u32,
    channels: usize,
    /// A meter for each pair of channels.
    meters: Vec<PairMeter>,
    /// Number of consecutive samples at full scale at the end of each channel.
    runs: [u32; MAX_CHANNELS],
    sums: BlockSums,
}

/// Sums over the samples of the block that is not complete.
#[derive(Debug, Clone, Copy, Default)]
struct BlockSums {
    frames: usize,
    weighted: f64,
    squares: [f64; MAX_CHANNELS],
    product: f64,
    mean: [f64; 2],
    peak: f32,
    clipped: u32,
}

impl HealthMeter {
    /// Returns the buffer for the next audio. The caller replaces its content and calls [`Self::measure`].
    pub(in crate::audio) fn planes(&mut self) -> &mut Planes {
        &mut self.planes
    }

    /// Measures the audio of [`Self::planes`], which was decoded from the frame `frame`; `None` if there are no frames.
    /// `rate` is its sample rate in hertz.
    pub(in crate::audio) fn measure(&mut self, frame: Option<&[u8]>, rate: u32) {
        let Planes { samples, channels } = &mut self.planes;
        let channels = *channels;
        let frames = samples.len().checked_div(channels).unwrap_or_default();
        if frames == 0 || rate < BLOCKS_PER_SECOND {
            return;
        }
        // NaN and infinity would never leave the filters.
        replace_invalid(samples);
        match frame {
            Some(data) => {
                let is_audible = samples.iter().any(|sample| sample.abs() > SILENCE);
                self.repetition.frame(data, frames as f32 / rate as f32, is_audible);
            }
            None => self.repetition.samples(samples.get(..frames).unwrap_or_default(), rate, SILENCE),
        }
        let format = self.format.take().filter(|format| (format.rate, format.channels) == (rate, channels));
        let mut format = format.unwrap_or_else(|| MeterFormat::new(rate, channels));
        let block = (rate / BLOCKS_PER_SECOND) as usize;
        let mut start = 0;
        while start < frames {
            let end = frames.min(start + block - format.sums.frames);
            format.add(samples, frames, start..end);
            start = end;
            if format.sums.frames == block {
                let repetition = self.repetition.current();
                let block = HealthBlock {
                    repeated_seconds: repetition.run,
                    period_seconds: repetition.period,
                    ..format.block()
                };
                if self.blocks.len() < MAX_BLOCKS {
                    self.blocks.push(block);
                }
            }
        }
        self.format = Some(format);
    }

    /// Sets the position of the blocks that were completed since the last call to `end`, the end of the audio in samples
    /// at 44.1 kHz. The calls are much closer together than blocks.
    pub(in crate::audio) fn place(&mut self, end: u64) {
        for block in self.blocks.iter_mut().skip(self.placed) {
            block.position = end;
        }
        self.placed = self.blocks.len();
    }

    /// Moves the completed blocks to `out`.
    pub(in crate::audio) fn take(&mut self, out: &mut Vec<HealthBlock>) {
        out.append(&mut self.blocks);
        self.placed = 0;
    }
}

impl MeterFormat {
    fn new(rate: u32, channels: usize) -> Self {
        let pairs = channels.min(MAX_CHANNELS).div_ceil(2);
        let meters = vec![PairMeter::new(rate); pairs];
        Self { rate, channels, meters, runs: [0; MAX_CHANNELS], sums: BlockSums::default() }
    }

    /// Adds a range of frames. `frames` is the length of each channel in `planes`.
    fn add(&mut self, planes: &[f32], frames: usize, range: std::ops::Range<usize>) {
        let plane = |channel: usize| {
            let channel = channel.min(self.channels - 1);
            planes.get(channel * frames + range.start..channel * frames + range.end).unwrap_or_default()
        };
        let sums = &mut self.sums;
        sums.frames += range.len();
        for ((pair, meter), runs) in self.meters.iter_mut().enumerate().zip(self.runs.chunks_exact_mut(2)) {
            let (left, right) = (plane(2 * pair), plane(2 * pair + 1));
            let levels = meter.measure(left, right);
            // The last pair of an odd number of channels contains its first channel twice.
            let measured = 2 * pair..self.channels;
            for (((channel, side), run), samples) in measured.zip(0..2).zip(runs).zip([left, right]) {
                sums.weighted += channel_weight(channel, self.channels) * levels.weighted[side];
                sums.squares[channel] += f64::from(levels.squares[side]);
                sums.peak = sums.peak.max(levels.peak[side]);
                // Most blocks have no sample at full scale, so their samples are not examined one by one.
                if levels.peak[side] >= FULL_SCALE {
                    sums.clipped += clipped(samples, run);
                } else {
                    *run = 0;
                }
            }
            if pair == 0 {
                sums.product += f64::from(levels.product);
                for (mean, sum) in sums.mean.iter_mut().zip(levels.sums) {
                    *mean += f64::from(sum);
                }
            }
        }
    }

    /// Returns the measures of the block and begins the next one.
    fn block(&mut self) -> HealthBlock {
        let sums = std::mem::take(&mut self.sums);
        let mean = |sum: f64| (sum / sums.frames.max(1) as f64) as f32;
        let second = usize::from(self.channels > 1);
        HealthBlock {
            position: 0,
            rate: self.rate,
            channels: u16::try_from(self.channels).unwrap_or(u16::MAX),
            weighted_power: mean(sums.weighted.max(0.0)),
            max_power: mean(sums.squares.iter().copied().fold(0.0, f64::max)),
            power: [mean(sums.squares[0]), mean(sums.squares[second])],
            product: mean(sums.product),
            mean: sums.mean.map(mean),
            peak: sums.peak,
            clipped: sums.clipped,
            repeated_seconds: 0.0,
            period_seconds: 0.0,
        }
    }
}

/// Counts the samples in runs of at least [`MIN_CLIPPED_RUN`] samples at full scale. `run` is the length of the run at
/// the end of the samples before.
fn clipped(samples: &[f32], run: &mut u32) -> u32 {
    let mut count = 0;
    for sample in samples {
        *run = if sample.abs() >= FULL_SCALE { *run + 1 } else { 0 };
        count += match *run {
            MIN_CLIPPED_RUN => MIN_CLIPPED_RUN,
            longer if longer > MIN_CLIPPED_RUN => 1,
            _ => 0,
        };
    }
    count
}

/// Returns the weight of a channel in the loudness (ITU-R BS.1770-5, table 3), for the order of channels front left,
/// front right, center, low frequencies, surround. Low frequencies do not count.
fn channel_weight(channel: usize, channels: usize) -> f64 {
    /// Weight of the surround channels, +1.5 dB.
    const SURROUND: f64 = 1.41;
    match (channels, channel) {
        (6 | 8, 3) => 0.0,
        (5, 3 | 4) | (6, 4 | 5) | (8, 4..) => SURROUND,
        _ => 1.0,
    }
}
