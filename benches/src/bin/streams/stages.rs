//! Shares of the stages of decoding, measured on a sample of the streams. The monitor's own clocks measure only their sum.

use std::path::Path;

use refrain_benches::clock::thread_time;
use refrain_benches::music::BenchError;
use refrain_core::audio::LiveDecoder;
use refrain_core::audio::ts::{AudioFrame, TsDemuxer};

/// Number of times that each stage is measured. The shortest time is used.
const TIMES: usize = 5;
/// Samples per AAC frame.
const FRAME: usize = 1024;
/// Sample rate of the segments in Hz.
const RATE: u32 = 48_000;

/// Shares of demultiplexing and resampling in the time from bytes to samples at 44.1 kHz. The rest is decoding.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Decoding {
    pub(crate) demux: f64,
    pub(crate) resample: f64,
}

impl Decoding {
    /// Measures the stages with a transport stream.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or contains no decodable audio.
    pub(crate) fn measure(sample: &Path) -> Result<Self, BenchError> {
        let bytes = std::fs::read(sample)?;
        let (demux, frames) = best(|| Ok(demux(&bytes)))?;
        let (decode, sound) = best(|| decode(&frames))?;
        // Without resampling, a push only mixes channels and cleans samples. This time is part of decoding.
        let (rest, ()) = best(|| push(&sound, refrain_core::audio::SAMPLE_RATE))?;
        let (resample, ()) = best(|| push(&sound, RATE))?;
        let all = demux + decode;
        Ok(Self { demux: demux / all, resample: (resample - rest).max(0.0) / all })
    }
}

/// Runs `work` [`TIMES`] times. Returns the shortest processor time in seconds, and the last result.
fn best<T>(mut work: impl FnMut() -> Result<T, BenchError>) -> Result<(f64, T), BenchError> {
    let mut shortest = f64::INFINITY;
    let mut times = 0;
    loop {
        let begin = thread_time();
        let result = work()?;
        shortest = shortest.min((thread_time() - begin).as_secs_f64());
        times += 1;
        if times == TIMES {
            return Ok((shortest, result));
        }
    }
}

fn demux(bytes: &[u8]) -> Vec<AudioFrame> {
    let mut demuxer = TsDemuxer::new();
    demuxer.push(bytes);
    demuxer.finish();
    std::iter::from_fn(|| demuxer.next_frame()).collect()
}

fn decode(frames: &[AudioFrame]) -> Result<Vec<f32>, BenchError> {
    let (mut decoder, mut sound) = (LiveDecoder::new(), Vec::new());
    for frame in frames {
        decoder.use_frames(frame.format)?;
        decoder.decode(&frame.data)?;
        sound.extend_from_slice(decoder.ready());
        decoder.clear();
    }
    Ok(sound)
}

/// Pushes the mono samples `sound` through a decoder, as if their sample rate were `rate` Hz.
fn push(sound: &[f32], rate: u32) -> Result<(), BenchError> {
    let mut decoder = LiveDecoder::new();
    for frame in sound.chunks(FRAME) {
        decoder.push(frame, 1, rate)?;
        decoder.clear();
    }
    Ok(())
}
