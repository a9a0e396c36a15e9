//! Which candidates become peaks.
//!
//! A peak's rank is the number of stronger candidates near it. Keeping ranks below a limit gives every
//! second and every band of quiet and loud music the same share of peaks, whatever its level and colour.
//! The rule looks only at neighbours, so it does not depend on where a recording starts; and a lower limit
//! keeps a subset of a higher one, so that what a sparse reference keeps a dense query of the same sound
//! keeps too.

use std::collections::VecDeque;

use super::params::HIGHEST_BIN;
use super::peaks::Candidate;
use super::scale::{warp_bin, warp_steps};

/// Neighbours in time: this many frames before and after, 0.5 s.
pub(crate) const REACH_FRAMES: u32 = 21;
/// Neighbours in frequency: this far on the warped scale, about ±150 Hz or ±17 %.
pub(crate) const REACH_WARP: f32 = 14.0;

#[derive(Debug, Clone, Copy)]
struct Entry {
    candidate: Candidate,
    warp: f32,
}

/// Streaming thinning, `REACH_FRAMES` behind its input.
pub(crate) struct Thinning {
    /// Candidates by band; a band is as wide as the reach, so that neighbours lie in three bands.
    bands: Vec<VecDeque<Entry>>,
    limit: u8,
    next: u32,
}

impl Thinning {
    /// Keeps candidates with fewer than `limit` stronger neighbours.
    pub(crate) fn new(limit: u8) -> Self {
        let bands = (warp_bin(HIGHEST_BIN as f32) / REACH_WARP) as usize + 1;
        Self { bands: vec![VecDeque::new(); bands], limit, next: 0 }
    }

    pub(crate) fn push(&mut self, candidate: Candidate) {
        let warp = warp_steps(f32::from(candidate.frequency));
        let band = ((warp / REACH_WARP) as usize).min(self.bands.len() - 1);
        self.bands[band].push_back(Entry { candidate, warp });
    }

    /// Decides every candidate whose neighbourhood is complete now that `frames` frames were searched.
    pub(crate) fn advance(&mut self, frames: u32, mut sink: impl FnMut(Candidate, u8)) {
        while self.next + REACH_FRAMES < frames {
            self.decide(self.next, &mut sink);
            self.next += 1;
        }
    }

    /// Frames that were decided: no candidate of theirs is still waiting.
    pub(crate) fn decided(&self) -> u32 {
        self.next
    }

    /// Decides the rest.
    pub(crate) fn flush(&mut self, frames: u32, sink: impl FnMut(Candidate, u8)) {
        self.advance(frames + REACH_FRAMES + 1, sink);
    }

    fn decide(&mut self, frame: u32, sink: &mut impl FnMut(Candidate, u8)) {
        let oldest = frame.saturating_sub(REACH_FRAMES);
        for band in &mut self.bands {
            while band.front().is_some_and(|e| e.candidate.frame < oldest) {
                band.pop_front();
            }
        }
        for (i, band) in self.bands.iter().enumerate() {
            // Candidates stand in order of frame.
            let first = band.partition_point(|e| e.candidate.frame < frame);
            for entry in band.range(first..).take_while(|e| e.candidate.frame == frame) {
                if let Some(rank) = self.rank(entry, i) {
                    sink(entry.candidate, rank);
                }
            }
        }
    }

    fn rank(&self, entry: &Entry, band: usize) -> Option<u8> {
        let mut rank = 0;
        let newest = entry.candidate.frame + REACH_FRAMES;
        for neighbours in &self.bands[band.saturating_sub(1)..(band + 2).min(self.bands.len())] {
            for other in neighbours {
                if other.candidate.frame > newest {
                    break;
                }
                if other.candidate.power > entry.candidate.power
                    && (other.warp - entry.warp).abs() <= REACH_WARP
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
