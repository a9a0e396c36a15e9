//! The relief (masking-depth map) of a query. For each place (bin and frame), it contains the distance in level from
//! the loudest power nearby.
//!
//! If a query contains a track, each peak of the track that is missing from the query was masked by a louder sound. So
//! the power of the query at the place of the missing peak is at least the power of that peak. Missing-data speech
//! recognition is based on the same observation (Cooke, Green, Josifovski and Vizinho 2001). The peaks of the query do
//! not show this power. The relief does, with four bits for each bin of each frame: 10 kB per second of audio.

use serde::{Deserialize, Serialize};

use super::maximum::{raise, running_maximum};
use super::params::{STEPS_PER_BIN, TICKS_PER_FRAME};
use super::spectrogram::ROW_BINS;

/// Neighbourhood in time: this many pairs of frames (0.5 s) before and after a pair. Frames are processed in pairs. The
/// reach is that of ranks ([`super::thinning`]), because depths are compared with levels of peaks within that
/// neighbourhood. At half this value, depths of missing peaks are too small, so false matches look more probable. At
/// twice this value, depths are too large, so true matches look less probable.
const NEIGHBORHOOD_PAIRS: usize = 10;
/// Neighbourhood in frequency: this many bins (160 Hz) on both sides, about the reach of ranks. A wrong value has the
/// same effect as for [`NEIGHBORHOOD_PAIRS`]. The value plus one must be a power of two, as `running_maximum` requires.
const NEIGHBORHOOD_BINS: usize = 15;
/// Number of pairs of frames in a neighbourhood, which are needed to compute a depth.
const SPAN_PAIRS: usize = 2 * NEIGHBORHOOD_PAIRS + 1;
/// Number of pairs whose local maxima are kept: the newest pair, and the pairs whose neighbourhood is not complete yet.
const PENDING_PAIRS: usize = NEIGHBORHOOD_PAIRS + 1;
/// Number of ring buffers of maxima: over 1, 2, 4, 8 and 16 consecutive pairs. Two of the longest ranges cover all
/// `SPAN_PAIRS` pairs.
const DOUBLINGS: usize = SPAN_PAIRS.ilog2() as usize + 1;
/// Number of pairs whose range maxima are kept, which is the length of the longest range.
const RING_PAIRS: usize = 1 << (DOUBLINGS - 1);
const _: () = assert!(SPAN_PAIRS - RING_PAIRS < RING_PAIRS);
/// Decibels per unit of depth: a factor of two in power, so that the exponent of a floating-point ratio of powers is
/// the depth. 15 units are 45 dB. At half this value, depths end at 22 dB. At twice this value, levels up to 6 dB apart
/// have the same depth.
pub(crate) const DEPTH_STEP_DB: f64 = 3.010_3;
/// Maximum depth. Places outside of the query, and all places of an empty relief, also have this depth.
pub(crate) const MAX_DEPTH: u8 = 15;
/// Maximum number of frames: 2 hours. It limits the memory of a relief to 70 MB. Longer audio has no relief and is
/// verified without masking depths.
const MAX_FRAMES: usize = 2 * 60 * 60 * 43;
const _: () = assert!(ROW_BINS.is_multiple_of(2));

/// Masking depths of a query: for every frame and bin, how far the power is below the loudest power nearby, in 16 steps
/// of 3 dB. Empty if the depths were not computed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relief {
    /// Depths by frame, then bin. A byte contains two bins, the lower bin in its lower half.
    #[serde(with = "serde_bytes")]
    cells: Vec<u8>,
}

/// The empty relief, for audio whose depths were not computed.
pub(crate) static UNKNOWN: Relief = Relief { cells: Vec::new() };

impl std::fmt::Debug for Relief {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Relief({} frames)", self.cells.len() * 2 / ROW_BINS)
    }
}

impl Relief {
    /// Returns true if this relief contains no depths.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns the depth at `time` (ticks) and `frequency` (steps), from 0 to [`MAX_DEPTH`]: the depth of the loudest
    /// of nine places, which are the frame and bin nearest to `time` and `frequency`, and the eight neighbours. Returns
    /// [`MAX_DEPTH`] outside of the query.
    pub(crate) fn depth(&self, time: f64, frequency: f64) -> u8 {
        let bin = (frequency / f64::from(STEPS_PER_BIN)).round() as usize;
        let index = Self::frame(time) * ROW_BINS + bin;
        // Without this filter, a frequency above the highest bin would read the next frame.
        let pair = self.cells.get(index / 2).filter(|_| bin < ROW_BINS);
        pair.map_or(MAX_DEPTH, |pair| if index.is_multiple_of(2) { pair & 15 } else { pair >> 4 })
    }

    /// Returns the number of the frame whose middle is nearest to `time` (ticks).
    pub(crate) fn frame(time: f64) -> usize {
        (time / f64::from(TICKS_PER_FRAME)).round() as usize
    }

    /// Returns the depths of all bins, for each frame from time `from` up to time `to` (ticks, excluded). Frames
    /// outside of the query are left out.
    pub(crate) fn frames(&self, (from, to): (f64, f64)) -> impl Iterator<Item = [u8; ROW_BINS]> {
        let at = |time: f64| (Self::frame(time) * ROW_BINS / 2).min(self.cells.len());
        let rows = self.cells[at(from)..at(to).max(at(from))].chunks_exact(ROW_BINS / 2);
        rows.map(|row| {
            let mut depths = [0; ROW_BINS];
            for (depths, pair) in depths.chunks_exact_mut(2).zip(row) {
                (depths[0], depths[1]) = (pair & 15, pair >> 4);
            }
            depths
        })
    }
}

/// Builds a relief from the rows of a spectrogram.
pub(super) struct ReliefBuilder {
    relief: Relief,
    /// The last three rows. Each value is the maximum of a bin and its two neighbours.
    rows: [Vec<f32>; 3],
    frames: usize,
    /// Ring buffer of the last pairs of frames: for each place, the maximum of it and its eight neighbours. Each entry
    /// contains the first frame of a pair, then the second.
    local_maxima: Vec<Vec<f32>>,
    /// Ring buffers of maxima over `NEIGHBORHOOD_BINS` on both sides: buffer `n` contains the maxima over 2^n
    /// consecutive pairs.
    range_max: [Vec<Vec<f32>>; DOUBLINGS],
    both: Vec<f32>,
    work: Vec<f32>,
    pairs: usize,
}

impl ReliefBuilder {
    pub(super) fn new() -> Self {
        Self {
            relief: Relief::default(),
            rows: std::array::from_fn(|_| vec![0.0; ROW_BINS]),
            frames: 0,
            local_maxima: vec![vec![0.0; 2 * ROW_BINS]; PENDING_PAIRS],
            range_max: std::array::from_fn(|_| vec![vec![0.0; ROW_BINS]; RING_PAIRS]),
            both: vec![0.0; ROW_BINS],
            work: vec![0.0; ROW_BINS],
            pairs: 0,
        }
    }

    /// Adds the powers of the next frame.
    pub(super) fn push(&mut self, powers: &[f32]) {
        // The relief of the first two hours is freed too: a query is verified with depths for all of its peaks, or for
        // none.
        if self.frames > MAX_FRAMES {
            self.relief.cells = Vec::new();
            return;
        }
        self.add(powers);
    }

    fn add(&mut self, powers: &[f32]) {
        running_maximum::<1>(powers, &mut self.work, &mut self.rows[self.frames % 3]);
        self.frames += 1;
        // The maximum around a place needs the next frame, so it is computed one frame late. The row before the first
        // frame is zero.
        let Some(frame) = self.frames.checked_sub(2) else { return };
        let slot = self.pairs % PENDING_PAIRS;
        let local_max = &mut self.local_maxima[slot][frame % 2 * ROW_BINS..][..ROW_BINS];
        local_max.copy_from_slice(&self.rows[0]);
        self.rows[1..].iter().for_each(|row| raise(local_max, row));
        if frame % 2 == 1 {
            self.close_pair(slot);
        }
    }

    /// Ends the audio, as if silence followed, and returns the relief.
    pub(super) fn finish(mut self) -> Relief {
        let frames = self.frames;
        if frames > MAX_FRAMES {
            return Relief::default();
        }
        let silence = [0.0; ROW_BINS];
        while self.relief.cells.len() < frames * ROW_BINS / 2 {
            self.add(&silence);
        }
        self.relief.cells.truncate(frames * ROW_BINS / 2);
        self.relief
    }

    fn close_pair(&mut self, slot: usize) {
        let (first, second) = self.local_maxima[slot].split_at(ROW_BINS);
        self.both.copy_from_slice(first);
        raise(&mut self.both, second);
        running_maximum::<NEIGHBORHOOD_BINS>(
            &self.both,
            &mut self.work,
            &mut self.range_max[0][self.pairs % RING_PAIRS],
        );
        for doubling in 1..DOUBLINGS {
            let (shorter_ranges, longer_ranges) = self.range_max.split_at_mut(doubling);
            let half = |pairs_ago: usize| {
                &shorter_ranges[doubling - 1][(self.pairs + RING_PAIRS - pairs_ago) % RING_PAIRS]
            };
            let range_max = &mut longer_ranges[0][self.pairs % RING_PAIRS];
            // The maximum over 2^n pairs is the maximum of two ranges of half the length, so each pair takes
            // `DOUBLINGS` passes instead of `SPAN_PAIRS`.
            range_max.copy_from_slice(half(0));
            raise(range_max, half(1 << (doubling - 1)));
        }
        self.pairs += 1;
        if self.pairs > NEIGHBORHOOD_PAIRS {
            self.write_depths(self.pairs - 1 - NEIGHBORHOOD_PAIRS);
        }
    }

    fn write_depths(&mut self, pair: usize) {
        let longest = &self.range_max[DOUBLINGS - 1];
        let last = pair + NEIGHBORHOOD_PAIRS;
        self.work.copy_from_slice(&longest[last % RING_PAIRS]);
        raise(&mut self.work, &longest[(last + RING_PAIRS - (SPAN_PAIRS - RING_PAIRS)) % RING_PAIRS]);
        let depth = |loudest: f32, power: f32| {
            // The exponent of the ratio is its logarithm to base 2. In silence the ratio is NaN, whose exponent gives
            // the maximum depth.
            let exponent = ((loudest / power).to_bits() >> 23) as i32;
            (exponent - 127).clamp(0, i32::from(MAX_DEPTH)) as u8
        };
        for local_maxima in self.local_maxima[pair % PENDING_PAIRS].chunks_exact(ROW_BINS) {
            let mut depths = [0; ROW_BINS];
            let both = self.work.iter().zip(local_maxima);
            depths
                .iter_mut()
                .zip(both)
                .for_each(|(out, (range_max, local_max))| *out = depth(*range_max, *local_max));
            self.relief.cells.extend(depths.chunks_exact(2).map(|pair| pair[0] | (pair[1] << 4)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relief(rows: &[Vec<f32>]) -> Relief {
        let mut relief_builder = ReliefBuilder::new();
        rows.iter().for_each(|row| relief_builder.push(row));
        relief_builder.finish()
    }

    fn rows(n: usize) -> Vec<Vec<f32>> {
        let power = |i: usize| 2f32.powi(-(((i * 7919) % 1009 % 37) as i32));
        (0..n).map(|t| (0..ROW_BINS).map(|b| power(t * ROW_BINS + b)).collect()).collect()
    }

    /// Returns the maximum of `rows` over ranges of frames and bins, given as first and last number, both included.
    fn loudest(rows: &[Vec<f32>], frames: (usize, usize), bins: (usize, usize)) -> f32 {
        let rows = &rows[frames.0.min(rows.len())..(frames.1 + 1).min(rows.len())];
        rows.iter().flat_map(|row| &row[bins.0..(bins.1 + 1).min(ROW_BINS)]).fold(0.0, |a, b| a.max(*b))
    }

    #[test]
    fn depths_match_the_definition() {
        for n in [1, 2, 60, 61] {
            let rows = rows(n);
            let relief = relief(&rows);
            assert_eq!(relief.cells.len(), n * ROW_BINS / 2);
            for frame in 0..n {
                for bin in 0..ROW_BINS {
                    let pair = frame / 2 * 2;
                    let around = |bin: usize, reach: usize| (bin.saturating_sub(reach), bin + reach);
                    let frames =
                        (pair.saturating_sub(2 * NEIGHBORHOOD_PAIRS + 1), pair + 2 * NEIGHBORHOOD_PAIRS + 2);
                    let range_max = loudest(&rows, frames, around(bin, NEIGHBORHOOD_BINS + 1));
                    let local_max = loudest(&rows, around(frame, 1), around(bin, 1));
                    let depth = (range_max / local_max).log2().floor().min(15.0);
                    let (time, frequency) = (frame as f64 * 4.0, bin as f64 * 8.0);
                    assert_eq!(f32::from(relief.depth(time, frequency)), depth, "{n}: {frame} {bin}");
                }
            }
        }
    }

    #[test]
    fn audio_above_the_maximum_length_has_no_relief() {
        let mut relief_builder = ReliefBuilder { frames: MAX_FRAMES, ..ReliefBuilder::new() };
        (0..3).for_each(|_| relief_builder.push(&[1.0; ROW_BINS]));
        assert!(relief_builder.finish().is_empty());
    }

    #[test]
    fn audio_of_the_maximum_length_has_a_relief() {
        let mut relief_builder = ReliefBuilder::new();
        (0..MAX_FRAMES).for_each(|_| relief_builder.push(&[1.0; ROW_BINS]));
        assert_eq!(relief_builder.finish().cells.len(), MAX_FRAMES * ROW_BINS / 2);
    }

    #[test]
    fn silence_and_places_outside_have_the_maximum_depth() {
        let silent = relief(&vec![vec![0.0; ROW_BINS]; 10]);
        for (time, frequency) in [(3.0, 500.0), (1e9, 500.0), (3.0, 1e9), (-1.0, 0.0)] {
            assert_eq!(silent.depth(time, frequency), MAX_DEPTH);
        }
        assert_eq!(Relief::default().depth(0.0, 0.0), MAX_DEPTH);
        assert!(relief(&[]).is_empty());
    }
}
