//! Finds audio that repeats exactly: a source that plays the same seconds again and again.

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_64;

/// Number of units that are kept: 30 s and more of every codec whose frames have at least 7.5 ms, in 16 KiB. At half
/// this value, loops of AAC at 48 kHz longer than 43 s are still found, but those of MP3 at 8 kHz and PCM become
/// shorter; twice this value takes twice the memory and search time.
const MAX_UNITS: usize = 4_096;

/// Longest period of a repetition, in seconds. Program material can repeat exactly after minutes, such as a jingle from
/// a file, but not several times in a row. At half this value, a loop of three segments of 6 s is missed; at twice this
/// value, the search for a period takes twice the time.
const MAX_PERIOD_SECONDS: f32 = 30.0;

/// Shift that leaves the 11 highest bits of a hash, which are 0 at the end of one in 2,048 possible chunks (46 ms). At
/// half this length, the period of PCM that can be found halves; at twice this length, the start of a repetition is
/// found 46 ms later.
const CHUNK_SHIFT: u32 = 64 - 11;

/// Shortest and longest chunk of samples. Silence and constant tones can meet the condition for the end of a chunk with
/// each sample, or never.
const CHUNK_SAMPLES: std::ops::Range<usize> = 256..16_384;

/// Multiplier that spreads the bits of a sample over a hash: 2⁶⁴ divided by the golden ratio, made odd.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Finds repetitions in a sequence of units: encoded frames, or chunks of samples. Memory is bounded.
///
/// Encoded frames are compared and not decoded samples: some decoders add noise, so equal frames do not give equal
/// samples.
#[derive(Debug, Default)]
pub(super) struct RepetitionFinder {
    /// Hashes of the last units, newest last.
    hashes: VecDeque<u32>,
    /// Number of units after which the current repetition repeats; 0 without one.
    period: usize,
    /// Length of the audio that repeats, in seconds.
    run: f32,
    /// Length of the last unit, in seconds.
    unit: f32,
    /// The chunk of samples that is not complete yet.
    chunk: Chunk,
}

#[derive(Debug, Default)]
struct Chunk {
    /// Hash of the last samples, whose highest bits decide where the chunk ends.
    rolling: u64,
    /// Hash of all samples of the chunk.
    hash: u64,
    samples: usize,
    is_audible: bool,
}

/// The repetition at the end of the audio.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Repetition {
    /// Length of the repeated audio in seconds, without its first occurrence; 0 if the audio does not repeat.
    pub(super) run: f32,
    /// Time from one occurrence to the next, in seconds.
    pub(super) period: f32,
}

impl RepetitionFinder {
    /// Adds an encoded frame of `seconds` seconds. A frame of silence does not count: encoders write the same bytes for
    /// each.
    pub(super) fn frame(&mut self, data: &[u8], seconds: f32, is_audible: bool) {
        self.unit(xxh3_64(data), seconds, is_audible);
    }

    /// Adds samples without frames, at `rate` hertz. The ends of their chunks depend on the samples only, so a
    /// repetition has the same chunks at any position.
    pub(super) fn samples(&mut self, samples: &[f32], rate: u32, silence: f32) {
        for &sample in samples {
            // Samples of 16 bits, so that rounding in a converter makes no difference.
            let value = (sample * 32_768.0) as i32 as u64;
            let chunk = &mut self.chunk;
            chunk.rolling = (chunk.rolling << 4).wrapping_add(value.wrapping_add(1).wrapping_mul(SPREAD));
            chunk.hash = (chunk.hash.rotate_left(7) ^ value).wrapping_mul(SPREAD);
            chunk.samples += 1;
            chunk.is_audible |= sample.abs() > silence;
            let ends = chunk.rolling >> CHUNK_SHIFT == 0 && chunk.samples >= CHUNK_SAMPLES.start;
            if ends || chunk.samples >= CHUNK_SAMPLES.end {
                let next = Chunk { rolling: chunk.rolling, ..Chunk::default() };
                let done = std::mem::replace(chunk, next);
                self.unit(done.hash, done.samples as f32 / rate as f32, done.is_audible);
            }
        }
    }

    fn unit(&mut self, hash: u64, seconds: f32, is_audible: bool) {
        // 0 marks silence, which is never the start of a repetition.
        let hash = if is_audible { (hash as u32).max(1) } else { 0 };
        self.unit = seconds;
        let repeats = self.period > 0 && self.before(self.period) == Some(hash);
        if !repeats {
            (self.period, self.run) = (self.find(hash), 0.0);
        }
        // A pause within a loop belongs to the repetition, but a pause alone is not a repetition.
        if self.period > 0 {
            self.run += seconds;
        }
        if self.hashes.len() >= MAX_UNITS {
            self.hashes.pop_front();
        }
        self.hashes.push_back(hash);
    }

    /// Returns the number of units since the last occurrence of `hash`, or 0 if `hash` is new.
    fn find(&self, hash: u32) -> usize {
        if hash == 0 || self.unit <= 0.0 {
            return 0;
        }
        let units = (MAX_PERIOD_SECONDS / self.unit).max(1.0) as usize;
        let (older, newer) = self.hashes.as_slices();
        let newer = newer.get(newer.len().saturating_sub(units)..).unwrap_or_default();
        let older = older.get(older.len().saturating_sub(units - newer.len())..).unwrap_or_default();
        // Nearly every hash is new. Comparing all without a branch takes less time than stopping at the first equal one.
        let is_in = |known: &[u32]| known.iter().fold(false, |is_in, known| is_in | (*known == hash));
        if !is_in(newer) && !is_in(older) {
            return 0;
        }
        self.hashes.iter().rev().take(units).position(|known| *known == hash).map_or(0, |at| at + 1)
    }

    /// Returns the hash of the unit `units` before the next one.
    fn before(&self, units: usize) -> Option<u32> {
        self.hashes.len().checked_sub(units).and_then(|at| self.hashes.get(at)).copied()
    }

    /// Returns the repetition at the end of the audio.
    pub(super) fn current(&self) -> Repetition {
        // The chunks of samples have different lengths, so the period is an estimate for them.
        Repetition { run: self.run, period: self.period as f32 * self.unit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that differs with `seed`.
    fn noise(seed: u32, samples: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        std::iter::repeat_with(next).take(samples).collect()
    }

    #[test]
    fn repeated_frames_are_found_with_their_period() {
        let mut finder = RepetitionFinder::default();
        for n in 0..1_000_u32 {
            finder.frame(&n.to_le_bytes(), 0.02, true);
        }
        assert_eq!(finder.current().run, 0.0, "no frame repeats");
        for n in 0..1_000_u32 {
            // 100 frames, a tenth of them silent.
            finder.frame(&(n % 100).to_be_bytes(), 0.02, n % 10 != 9);
        }
        let Repetition { run, period } = finder.current();
        assert!((run - 18.0).abs() < 0.3 && (period - 2.0).abs() < 0.01, "{run} {period}");
        finder.frame(b"new", 0.02, true);
        assert_eq!(finder.current().run, 0.0);
    }

    #[test]
    fn silence_is_not_a_repetition() {
        let mut finder = RepetitionFinder::default();
        (0..5_000).for_each(|_| finder.frame(b"silence", 0.02, false));
        finder.samples(&[0.0; 100_000], 8_000, 0.001);
        assert_eq!(finder.current().run, 0.0);
    }

    #[test]
    fn repeated_samples_are_found_at_any_offset() {
        let mut finder = RepetitionFinder::default();
        let (program, looped) = (noise(1, 100_003), noise(2, 33_331));
        finder.samples(&program, 8_000, 0.001);
        assert_eq!(finder.current().run, 0.0);
        (0..5).for_each(|_| finder.samples(&looped, 8_000, 0.001));
        let run = finder.current().run;
        assert!((14.0..17.0).contains(&run), "{run} of 16.7 s");
        finder.samples(&noise(3, 40_000), 8_000, 0.001);
        assert_eq!(finder.current().run, 0.0);
    }
}
