//! Thinning selects the candidates that become peaks.
//!
//! The rank of a peak is the number of stronger candidates near it. Keeping ranks below a limit gives every second
//! and every band of quiet and loud music the same share of peaks, regardless of its level and spectrum. The rule
//! considers only neighbours, so it does not depend on where a recording starts. A lower limit keeps a subset of the
//! peaks of a higher limit, so that a dense query contains all peaks that a sparse reference of the same audio
//! contains.

use std::collections::VecDeque;

use super::params::HIGHEST_BIN;
use super::peaks::PeakCandidate;
use super::scale::{warp_bin, warp_steps};

/// Neighbourhood in time: this many frames before and after a candidate, 0.5 s. The area of the neighbourhood and the
/// rank limit together set the density of peaks: at half of this reach the same limit keeps about twice as many peaks,
/// at twice about half as many. A change needs a new format version.
pub(crate) const NEIGHBORHOOD_FRAMES: u32 = 21;
/// Neighbourhood in frequency: this distance on the warped scale to both sides, about ±150 Hz or ±17 %. At half this
/// value, closely spaced harmonics of one voice no longer compete and fill the fingerprint; at twice this value, a loud
/// voice suppresses quieter ones up to 300 Hz away.
pub(crate) const NEIGHBORHOOD_WARP: f32 = 14.0;

#[derive(Debug, Clone, Copy)]
struct WarpedCandidate {
    candidate: PeakCandidate,
    warp: f32,
}

/// Streaming thinning, `NEIGHBORHOOD_FRAMES` behind its input.
pub(crate) struct Thinning {
    /// Candidates by band. A band is as wide as `NEIGHBORHOOD_WARP`, so that the neighbours of a candidate are in three
    /// bands.
    bands: Vec<VecDeque<WarpedCandidate>>,
    limit: u8,
    next: u32,
}

impl Thinning {
    /// Creates a thinning that keeps candidates with fewer than `limit` stronger neighbours.
    pub(crate) fn new(limit: u8) -> Self {
        let bands = (warp_bin(HIGHEST_BIN as f32) / NEIGHBORHOOD_WARP) as usize + 1;
        Self { bands: vec![VecDeque::new(); bands], limit, next: 0 }
    }

    pub(crate) fn push(&mut self, candidate: PeakCandidate) {
        let warp = warp_steps(f32::from(candidate.frequency));
        let band = ((warp / NEIGHBORHOOD_WARP) as usize).min(self.bands.len() - 1);
        self.bands[band].push_back(WarpedCandidate { candidate, warp });
    }

    /// Decides every candidate whose neighbourhood is complete now that `frames` frames were searched.
    pub(crate) fn advance(&mut self, frames: u32, mut sink: impl FnMut(PeakCandidate, u8)) {
        while self.next + NEIGHBORHOOD_FRAMES < frames {
            self.decide(self.next, &mut sink);
            self.next += 1;
        }
    }

    /// Returns the number of frames whose candidates are all decided.
    pub(crate) fn decided(&self) -> u32 {
        self.next
    }

    /// Decides the remaining candidates.
    pub(crate) fn flush(&mut self, frames: u32, sink: impl FnMut(PeakCandidate, u8)) {
        self.advance(frames + NEIGHBORHOOD_FRAMES + 1, sink);
    }

    fn decide(&mut self, frame: u32, sink: &mut impl FnMut(PeakCandidate, u8)) {
        let oldest = frame.saturating_sub(NEIGHBORHOOD_FRAMES);
        for band in &mut self.bands {
            // Earlier candidates are neither decided nor neighbors any more. Removing them bounds the memory for
            // streams.
            while band.front().is_some_and(|e| e.candidate.frame < oldest) {
                band.pop_front();
            }
        }
        for (i, band) in self.bands.iter().enumerate() {
            // Candidates are in order of their frames.
            let first = band.partition_point(|e| e.candidate.frame < frame);
            for entry in band.range(first..).take_while(|e| e.candidate.frame == frame) {
                if let Some(rank) = self.rank(entry, i) {
                    sink(entry.candidate, rank);
                }
            }
        }
    }

    fn rank(&self, entry: &WarpedCandidate, band: usize) -> Option<u8> {
        let mut rank = 0;
        let newest = entry.candidate.frame + NEIGHBORHOOD_FRAMES;
        for neighbours in &self.bands[band.saturating_sub(1)..(band + 2).min(self.bands.len())] {
            for other in neighbours {
                // The finder may be ahead of this frame. Ranks must not depend on how far, so later candidates do not
                // count.
                if other.candidate.frame > newest {
                    break;
                }
                // Equal powers do not count, so that the rank does not depend on the order of the candidates.
                if other.candidate.power > entry.candidate.power
                    && (other.warp - entry.warp).abs() <= NEIGHBORHOOD_WARP
                {
                    rank += 1;
                    if rank >= self.limit {
                        return None;
                    }
                }
            }
        }
        Some(rank)
    }
}
