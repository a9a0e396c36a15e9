//! Thinning selects the local maxima (candidates) that become peaks.
//!
//! The rank of a candidate is the number of stronger candidates in its neighbourhood. Candidates with a rank below a
//! limit are kept. So every second and every frequency band gets about the same number of peaks, whether the music is
//! loud or quiet there. The rule considers only neighbours, so the result does not depend on where a recording starts.
//! A lower limit keeps a subset of the peaks of a higher limit. So a dense query contains all peaks of a sparse
//! reference of the same audio.

use std::collections::VecDeque;

use super::params::HIGHEST_BIN;
use super::peaks::PeakCandidate;
use super::scale::{warp_bin, warp_steps};

/// Neighbourhood in time: this many frames (0.5 s) before and after a candidate. The area of the neighbourhood and the
/// rank limit together set the density of peaks: half this reach keeps about twice as many peaks, twice this reach
/// about half as many. A change needs a new format version.
pub(crate) const NEIGHBORHOOD_FRAMES: u32 = 21;
/// Neighbourhood in frequency: this distance on the warped scale to both sides, about ±150 Hz below 904 Hz and ±17 %
/// above. At half this value, the harmonics of one voice no longer compete with each other, and most peaks belong to
/// that voice. At twice this value, a loud voice removes the peaks of quieter ones up to 300 Hz away.
pub(crate) const NEIGHBORHOOD_WARP: f32 = 14.0;

#[derive(Debug, Clone, Copy)]
struct WarpedCandidate {
    candidate: PeakCandidate,
    warp: f32,
}

/// Ranks candidates and passes on those that become peaks, `NEIGHBORHOOD_FRAMES` frames after the search for maxima.
pub(crate) struct Thinning {
    /// Candidates by frequency band. A band is as wide as `NEIGHBORHOOD_WARP`, so that the neighbours of a candidate
    /// are in its own band and the two adjacent ones.
    bands: Vec<VecDeque<WarpedCandidate>>,
    limit: u8,
    next: u32,
}

impl Thinning {
    /// Creates a thinning that keeps the candidates with fewer than `limit` stronger candidates in their neighbourhood.
    pub(crate) fn new(limit: u8) -> Self {
        let bands = (warp_bin(HIGHEST_BIN as f32) / NEIGHBORHOOD_WARP) as usize + 1;
        Self { bands: vec![VecDeque::new(); bands], limit, next: 0 }
    }

    pub(crate) fn push(&mut self, candidate: PeakCandidate) {
        let warp = warp_steps(f32::from(candidate.frequency));
        let band = ((warp / NEIGHBORHOOD_WARP) as usize).min(self.bands.len() - 1);
        self.bands[band].push_back(WarpedCandidate { candidate, warp });
    }

    /// Ranks every candidate whose neighbourhood is complete, if `frames` frames were searched for candidates. Passes
    /// each candidate whose rank is below the limit to `sink`, with the rank.
    pub(crate) fn advance(&mut self, frames: u32, mut sink: impl FnMut(PeakCandidate, u8)) {
        while self.next + NEIGHBORHOOD_FRAMES < frames {
            self.decide(self.next, &mut sink);
            self.next += 1;
        }
    }

    /// Returns the number of frames whose candidates were all ranked, and kept or dropped.
    pub(crate) fn decided(&self) -> u32 {
        self.next
    }

    /// Ranks the remaining candidates at the end of the audio. `frames` is the number of searched frames.
    pub(crate) fn flush(&mut self, frames: u32, sink: impl FnMut(PeakCandidate, u8)) {
        self.advance(frames + NEIGHBORHOOD_FRAMES + 1, sink);
    }

    fn decide(&mut self, frame: u32, sink: &mut impl FnMut(PeakCandidate, u8)) {
        let oldest = frame.saturating_sub(NEIGHBORHOOD_FRAMES);
        for band in &mut self.bands {
            // Candidates before `oldest` were ranked already, and are in no later neighbourhood. Removing them bounds
            // the memory for streams.
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
                // The search for maxima may be more than `NEIGHBORHOOD_FRAMES` ahead of this frame. The rank must not
                // depend on that distance, so later candidates do not count.
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
