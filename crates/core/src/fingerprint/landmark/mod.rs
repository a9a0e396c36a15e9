//! Landmarks: pairs of peaks, and their 32-bit hashes (after Wang, ISMIR 2003).
//!
//! A hash consists of quantities that are known accurately: the distance of the two peaks on the warped frequency
//! scale, to one unit, and their distance in time, to two ticks. The position of the first peak on that scale is
//! included only to two units, so that a small change of speed or pitch, which moves both peaks equally, seldom
//! changes it. The time difference is in the lowest bits, so that similar times are neighbours in the index and one
//! lookup of a range finds them (Panako 2.0 has the least certain bits last for the same reason).
//!
//! References are sparse: each peak is paired with the few following peaks of the lowest ranks. Queries are dense:
//! any pair that a reference might have chosen is looked up (Sonnleitner and Widmer 2016, IV-B).

mod probe;

use super::constellation::Peak;
use super::scale::warp_frequency;

pub(crate) use probe::{Depth, Probe, Prober, Rescaling};

/// Version of the hash and of the choice of pairs. Index files of another version are rebuilt.
pub(crate) const SCHEME_VERSION: u32 = 1;
/// Number of significant bits of a hash.
pub(crate) const HASH_BITS: u32 = POSITION_BITS + DISTANCE_BITS + GAP_BITS;

/// Number of possible hashes. Every hash is below this.
pub(crate) const HASHES: u32 = 1 << HASH_BITS;

/// Returns the part of `low ..= high` that hashes can have, or `None` if that is empty.
#[inline]
pub(crate) fn in_hash_range(low: u32, high: u32) -> Option<(u32, u32)> {
    let high = high.min(HASHES - 1);
    (low <= high).then_some((low, high))
}

/// Number of groups. Hashes with the same place and distance form a group. The index counts the postings of each
/// group in the catalog, so that a search can leave out the most common groups before it reads any postings.
pub(crate) const GROUPS: usize = 1 << (HASH_BITS - GAP_BITS);
/// Number of hashes in a group.
pub(crate) const GROUP_HASHES: u32 = 1 << GAP_BITS;

/// Returns the group of a hash.
#[inline]
pub(crate) fn group(hash: u32) -> usize {
    (hash >> GAP_BITS) as usize
}

/// Maximum number of landmarks per first peak of a reference. With about 30 peaks per second, 3 give at most 90
/// postings per second of a track. At 6 the index doubles; at 1 or 2, a short or noisy clip often has no landmark whose
/// two peaks both survive.
const REFERENCE_FAN_OUT: usize = 3;
/// Minimum time from the first to the second peak in ticks (46 ms). Closer peaks belong to the same event. At half this
/// value, pairs within one attack get the landmarks; at twice this value, fast passages lose their shortest pairs.
const MIN_GAP_TICKS: u32 = 8;
/// Maximum time from the first to the second peak in ticks (1.2 s). The longer the gap, the more peaks compete to be
/// the second. At twice this value, the gap does not fit into its 7 bits; at half (0.6 s), sparse music has peaks
/// without a partner.
const MAX_GAP_TICKS: u32 = 208;
/// Maximum distance of the two peaks on the warped scale. All distances of ±63 units fit into 7 bits, which is the
/// reason for this number. At twice this value, a hash needs one bit more, which doubles the number of groups; at half
/// this value, pairs of bass and treble are excluded.
const MAX_DISTANCE: f32 = 63.0;

/// Bits of the three coordinates in a hash. The top of the band is at 228 units of the warped scale, distances are
/// within ±63 units, and gaps below 208 ticks, so 7 bits are the minimum for each at its unit. One more bit doubles the
/// directory of the index; one less does not hold the range.
const POSITION_BITS: u32 = 7;
const DISTANCE_BITS: u32 = 7;
const GAP_BITS: u32 = 7;
/// Units of the warped scale per cell of the place. At 1, a speed change of 1 % (0.8 units) changes most hashes, and
/// the place needs 8 bits; at 4, groups are twice as large, and each probe reads twice as many postings.
const POSITION_UNIT: f32 = 2.0;
/// Ticks per cell of the gap. At 1, gaps of up to 208 ticks need 8 bits, and a probe needs twice the reach for the same
/// tolerance; at 4, each probe reads twice as many postings.
const GAP_UNIT: f32 = 2.0;

/// A landmark of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Landmark {
    pub(crate) hash: u32,
    /// Index of the first peak.
    pub(crate) first: u32,
    /// Index of the second peak.
    pub(crate) second: u32,
}

/// A peak with its position on the warped scale, for pairing.
#[derive(Debug, Clone, Copy)]
struct WarpedPeak {
    time: u32,
    warp: f32,
    rank: u8,
    index: u32,
}

/// Calls `sink` with the landmarks of a reference, ordered by their first peak. `peaks` must be in order of time,
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

/// Finds the peaks in the target zone of a first peak. The first peaks must be passed in order of time. Reuses its
/// buffers.
///
/// Peaks are stored by rank, so that those of the lowest rank in a zone, and the nearest of equal rank, are found
/// first, and the others need not be read.
#[derive(Debug, Default)]
struct Zones {
    /// For each rank: its peaks, and the index of the first one that is not too close to the first peak.
    ranks: Vec<(Vec<WarpedPeak>, usize)>,
}

impl Zones {
    /// Replaces the peaks. `warped_peaks` must be in order of time.
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

    /// Calls `sink` with the `fan_out` peaks of the lowest ranks in the target zone of `first`.
    fn lowest_ranks(&mut self, first: WarpedPeak, fan_out: usize, mut sink: impl FnMut(WarpedPeak)) {
        // Ranks are searched from the strongest. In each rank the nearest peak comes first, so that reference and query
        // choose the same pairs even if one of them has more peaks of high ranks.
        let mut missing = fan_out;
        for (warped_peaks, from) in &mut self.ranks {
            // First peaks come in order of time, so the start of the zone only moves forward and each peak is passed
            // once.
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

/// Coordinates of two peaks in cells of the hash. Rescaled peaks of a query can be outside of the cells.
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
