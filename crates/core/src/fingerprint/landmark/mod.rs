//! Landmarks: pairs of peaks, and their 32-bit hashes (after Wang, ISMIR 2003).
//!
//! A hash consists of three quantities. Two are accurate: the distance of the two peaks on the warped frequency scale,
//! in units, and their distance in time (the gap), in steps of two ticks. The third is the position of the first peak
//! on that scale, in steps of two units. This step is coarse, because a small change of speed or pitch moves both peaks
//! equally and should seldom change the hash. The gap is in the lowest bits of the hash, so that one lookup of a range
//! of hashes finds all similar gaps. Panako 2.0 has the least certain bits last for the same reason.
//!
//! References have few landmarks: each peak is paired with at most three later peaks of the lowest ranks. Queries look
//! up many more pairs, to include those that the reference has chosen (Sonnleitner and Widmer 2016, IV-B).

mod probe;

use super::constellation::Peak;
use super::scale::warp_frequency;

pub(crate) use probe::{Depth, Probe, Prober, Rescaling};

/// Version of the hash and of the choice of pairs. Index files of another version are rebuilt.
pub(crate) const SCHEME_VERSION: u32 = 1;
/// Number of bits of a hash that are used: 21 of 32.
pub(crate) const HASH_BITS: u32 = POSITION_BITS + DISTANCE_BITS + GAP_BITS;

/// Number of possible hashes. Every hash is below this number.
pub(crate) const HASHES: u32 = 1 << HASH_BITS;

/// Returns the part of `low ..= high` below [`HASHES`], as first and last hash, or `None` if no hash is in the range.
#[inline]
pub(crate) fn in_hash_range(low: u32, high: u32) -> Option<(u32, u32)> {
    let high = high.min(HASHES - 1);
    (low <= high).then_some((low, high))
}

/// Number of groups of hashes. Hashes with the same position and distance, and any gap, form a group. The index counts
/// the postings of each group, so that a search can leave out the most common groups before it reads any postings.
pub(crate) const GROUPS: usize = 1 << (HASH_BITS - GAP_BITS);
/// Number of hashes in a group.
pub(crate) const GROUP_HASHES: u32 = 1 << GAP_BITS;

/// Returns the number of the group that contains a hash.
#[inline]
pub(crate) fn group(hash: u32) -> usize {
    (hash >> GAP_BITS) as usize
}

/// Maximum number of landmarks of a reference that begin at the same peak. With about 30 peaks per second, a track has
/// at most 90 postings per second. At 6 the index doubles. At 1 or 2, short or noisy clips are often not found, because
/// too few landmarks have both peaks in the clip.
const REFERENCE_FAN_OUT: usize = 3;
/// Minimum gap: the time from the first to the second peak, in ticks (46 ms). Closer peaks often belong to the start of
/// the same note. At half this value, such pairs replace pairs of different notes. At twice this value, fast passages
/// lose their shortest pairs.
const MIN_GAP_TICKS: u32 = 8;
/// Maximum gap: the time from the first to the second peak, in ticks (1.2 s). At twice this value, the gap does not fit
/// into its 7 bits. At half this value (0.6 s), many peaks of slow music have no second peak and give no landmark.
const MAX_GAP_TICKS: u32 = 208;
/// Maximum distance of the two peaks on the warped scale, in units to both sides. It is the largest distance for which
/// the range -63 to +63 fits into 7 bits. At half this value, a bass peak and a treble peak never form a landmark.
const MAX_DISTANCE: f32 = 63.0;

/// Number of bits of the position in a hash. The top of the band is at 228 units of the warped scale (114 cells),
/// distances are within ±63 units, and gaps are at most 208 ticks (104 cells). So 7 bits are the minimum for each of
/// the three coordinates. One more bit doubles the number of possible hashes.
const POSITION_BITS: u32 = 7;
const DISTANCE_BITS: u32 = 7;
const GAP_BITS: u32 = 7;
/// Units of the warped scale per cell of the position. At 1, a speed change of 1 % (0.8 units) changes most hashes, and
/// the position needs 8 bits. At 4, groups are twice as large, and each probe reads twice as many postings.
const POSITION_UNIT: f32 = 2.0;
/// Ticks per cell of the gap. At 1, gaps of up to 208 ticks need 8 bits, and a probe must cover twice as many cells for
/// the same tolerance. At 4, each probe reads twice as many postings.
const GAP_UNIT: f32 = 2.0;

/// A landmark of a reference: a pair of its peaks, and their hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Landmark {
    pub(crate) hash: u32,
    /// Index of the first peak in the constellation.
    pub(crate) first: u32,
    /// Index of the second peak in the constellation.
    pub(crate) second: u32,
}

/// A peak with the position of its frequency on the warped scale (`warp`), for the choice of pairs.
#[derive(Debug, Clone, Copy)]
struct WarpedPeak {
    time: u32,
    warp: f32,
    rank: u8,
    index: u32,
}

/// Calls `sink` with each landmark of a reference, in the order of the first peaks. `peaks` must be in order of time,
/// then frequency.
pub(crate) fn landmarks(peaks: &[Peak], mut sink: impl FnMut(Landmark)) {
    let warped_peaks: Vec<WarpedPeak> = peaks
        .iter()
        .enumerate()
        .map(|(i, p)| WarpedPeak {
            time: p.time,
            warp: warp_frequency(p.frequency),
            rank: p.rank,
            index: i as u32,
        })
        .collect();
    let mut zones = Zones::default();
    zones.fill(&warped_peaks);
    for first in &warped_peaks {
        zones.lowest_ranks(*first, REFERENCE_FAN_OUT, |second| {
            if let Some(hash) = PairCoordinates::of(*first, second).hash() {
                sink(Landmark { hash, first: first.index, second: second.index });
            }
        });
    }
}

/// Finds the peaks in the target zone of a first peak: the peaks that can be the second peak of its landmarks. First
/// peaks must be passed in order of time. The buffers are kept for the next constellation.
///
/// Peaks are stored by rank. So the peaks of the lowest ranks in a zone are found first (among peaks of equal rank, the
/// nearest in time), and the other peaks need not be read.
#[derive(Debug, Default)]
struct Zones {
    /// For each rank: its peaks, and the index of the first of them that is at least `MIN_GAP_TICKS` after the current
    /// first peak.
    ranks: Vec<(Vec<WarpedPeak>, usize)>,
}

impl Zones {
    /// Replaces all stored peaks. `warped_peaks` must be in order of time.
    fn fill(&mut self, warped_peaks: &[WarpedPeak]) {
        for (warped_peaks, from) in &mut self.ranks {
            warped_peaks.clear();
            *from = 0;
        }
        for peak in warped_peaks {
            let rank = usize::from(peak.rank);
            // Ranks have 8 bits, so that even a crafted constellation creates no more than 256 lists.
            if self.ranks.len() <= rank {
                self.ranks.resize_with(rank + 1, Default::default);
            }
            self.ranks[rank].0.push(*peak);
        }
    }

    /// Calls `sink` with the `fan_out` peaks of the lowest ranks in the target zone of `first`, or with fewer if the
    /// zone contains fewer.
    fn lowest_ranks(&mut self, first: WarpedPeak, fan_out: usize, mut sink: impl FnMut(WarpedPeak)) {
        // Ranks are searched from the strongest. In each rank the nearest peak comes first, so that reference and query
        // choose the same pairs even if one of them has more peaks of high ranks.
        let mut missing = fan_out;
        for (warped_peaks, from) in &mut self.ranks {
            // First peaks are passed in order of time, so the start of the zone only moves forward, and each peak is
            // skipped once.
            while warped_peaks
                .get(*from)
                .is_some_and(|peak| peak.time < first.time.saturating_add(MIN_GAP_TICKS))
            {
                *from += 1;
            }
            for second in &warped_peaks[*from..] {
                if second.time - first.time > MAX_GAP_TICKS {
                    break;
                }
                if (second.warp - first.warp).abs() <= MAX_DISTANCE {
                    sink(*second);
                    missing -= 1;
                    if missing == 0 {
                        return;
                    }
                }
            }
        }
    }
}

/// Coordinates of a pair of peaks, in cells of the hash. The coordinates of rescaled peaks of a query can be outside of
/// the cells.
struct PairCoordinates {
    position: f32,
    distance: f32,
    gap: f32,
}

impl PairCoordinates {
    fn of(first: WarpedPeak, second: WarpedPeak) -> Self {
        Self {
            position: first.warp / POSITION_UNIT,
            distance: second.warp - first.warp + MAX_DISTANCE,
            gap: (second.time - first.time) as f32 / GAP_UNIT,
        }
    }

    /// Returns the hash, or `None` if a coordinate is outside of the cells.
    fn hash(&self) -> Option<u32> {
        let (position, distance) = (cell(self.position, POSITION_BITS)?, cell(self.distance, DISTANCE_BITS)?);
        Some(hash(position, distance, cell(self.gap, GAP_BITS)?))
    }
}

/// Returns the number of the cell that contains a coordinate, or `None` if it is outside of all `1 << bits` cells.
#[inline]
fn cell(coordinate: f32, bits: u32) -> Option<u32> {
    (coordinate >= 0.0 && coordinate < (1u32 << bits) as f32).then_some(coordinate as u32)
}

/// Returns the hash of three cells, each of which must be below the limit of its bits.
fn hash(position: u32, distance: u32, gap: u32) -> u32 {
    (position << DISTANCE_BITS | distance) << GAP_BITS | gap
}

#[cfg(test)]
mod tests;
