//! Makes probes: the ranges of hashes that a query looks up.

use super::super::constellation::Peak;
use super::super::params::{HIGHEST_BIN, LOWEST_BIN, STEPS_PER_BIN};
use super::super::scale::{warp_frequency, warp_steps};
use super::{DISTANCE_BITS, GAP_BITS, POSITION_BITS, PairCoordinates, WarpedPeak, Zones, cell, hash};

/// A range of hashes to look up, with the time of the pair of peaks that it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// First hash of the range. `high` is the last one. Both are in the same group and below [`super::HASHES`].
    pub(crate) low: u32,
    pub(crate) high: u32,
    /// Time of the first peak of the pair, in ticks from the start of the window, after rescaling.
    pub(crate) time: u32,
    /// Index of the lookup that the probe belongs to. A search makes several lookups at once.
    pub(crate) lookup: u32,
}

/// Depth of a search: the pairs of a query that are looked up, and the tolerance of their gaps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Depth {
    /// Only peaks with ranks below this limit are paired.
    pub(crate) rank_limit: u8,
    /// Maximum number of pairs that begin at the same peak.
    pub(crate) fan_out: usize,
    /// Tolerance of the gap: number of cells below and above it that are also looked up.
    pub(crate) gap_reach: u32,
}

/// Change of the scale of a query before it is looked up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rescaling {
    /// Factor by which all times are multiplied. Times are counted from the start of the window.
    pub(crate) time: f32,
    /// Factor by which all frequencies are multiplied.
    pub(crate) frequency: f32,
}

/// Makes probes. A prober keeps its buffers for the next window.
#[derive(Debug, Default)]
pub(crate) struct Prober {
    warped_peaks: Vec<WarpedPeak>,
    zones: Zones,
}

impl Prober {
    /// Appends the probes of one lookup to `out`. `peaks` are the peaks of a window that begins at `start` (ticks).
    /// `lookup` is the index of this lookup, which each probe contains. A pair whose rescaled coordinates no reference
    /// can have gives no probe.
    pub(crate) fn probes(
        &mut self,
        (peaks, start): (&[Peak], u32),
        depth: Depth,
        rescaling: Rescaling,
        lookup: u32,
        out: &mut Vec<Probe>,
    ) {
        let Self { warped_peaks, zones } = self;
        warped_peaks.clear();
        let lowest_ranks = peaks.iter().filter(|peak| peak.rank < depth.rank_limit);
        warped_peaks.extend(lowest_ranks.filter_map(|peak| rescaled(peak, start, rescaling)));
        zones.fill(warped_peaks);
        for first in warped_peaks.iter() {
            zones.lowest_ranks(*first, depth.fan_out, |second| {
                let pair = PairCoordinates::of(*first, second);
                let position = cell(pair.position, POSITION_BITS);
                let distance = cell(pair.distance, DISTANCE_BITS);
                let (Some(position), Some(distance), Some(gap)) =
                    (position, distance, cell(pair.gap, GAP_BITS))
                else {
                    return;
                };
                // The range must stay within the bits of the gap: a carry would change the distance, and so select
                // another group.
                let low = gap.saturating_sub(depth.gap_reach);
                let high = (gap + depth.gap_reach).min((1 << GAP_BITS) - 1);
                let (low, high) = (hash(position, distance, low), hash(position, distance, high));
                out.push(Probe { low, high, time: first.time, lookup });
            });
        }
    }
}

/// Returns a peak of the query with rescaled time and frequency. Returns `None` if references have no peaks at the
/// rescaled frequency, because the pairs of such a peak would only take the place of pairs that can be found.
fn rescaled(peak: &Peak, start: u32, Rescaling { time, frequency }: Rescaling) -> Option<WarpedPeak> {
    // The range is one bin wider on both sides, because peaks are interpolated between bins and the factor is not
    // exact.
    const LOWEST: f32 = (LOWEST_BIN as u32 * STEPS_PER_BIN - STEPS_PER_BIN) as f32;
    const HIGHEST: f32 = (HIGHEST_BIN as u32 * STEPS_PER_BIN + STEPS_PER_BIN) as f32;
    let steps = f32::from(peak.frequency) * frequency;
    // Without a change of frequency, the table returns the same value without computing a logarithm.
    let warp = if frequency == 1.0 {
        warp_frequency(peak.frequency)
    } else if (LOWEST..=HIGHEST).contains(&steps) {
        warp_steps(steps)
    } else {
        return None;
    };
    let time = (peak.time.saturating_sub(start) as f32 * time).round() as u32;
    Some(WarpedPeak { time, warp, rank: peak.rank, index: 0 })
}
