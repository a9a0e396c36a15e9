//! Probes: the ranges of hashes that a query looks up.

use super::super::constellation::Peak;
use super::super::scale::warp_steps;
use super::{
    DISTANCE_BITS, FARTHEST, GAP_BITS, LONGEST_GAP, PLACE_BITS, Pair, SHORTEST_GAP, Star, cell, hash,
};

/// A range of hashes to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// First and last hash, of one group and below [`super::HASHES`].
    pub(crate) low: u32,
    pub(crate) high: u32,
    /// Time of the query's first peak, ticks, after rescaling.
    pub(crate) time: u32,
}

/// How deeply a query is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Depth {
    /// Peaks with lower ranks are paired.
    pub(crate) rank_limit: u8,
    /// Pairs per peak.
    pub(crate) fan_out: usize,
    /// Neighbouring cells are looked up too where a value lies this near to them, parts of a cell.
    pub(crate) margin: f32,
    /// Gaps are looked up this many units to both sides.
    pub(crate) gap_reach: u32,
}

/// Probes for a query's peaks: times counted from `start` and multiplied by `time`, frequencies multiplied
/// by `frequency`. Pairs that a hash cannot hold at this scale give no probe: no reference has them.
pub(crate) fn probes(
    peaks: &[Peak],
    start: u32,
    depth: Depth,
    time: f32,
    frequency: f32,
    out: &mut Vec<Probe>,
) {
    let stars: Vec<Star> = peaks
        .iter()
        .filter(|p| p.rank < depth.rank_limit)
        .map(|p| Star {
            time: (p.time.saturating_sub(start) as f32 * time).round() as u32,
            warp: warp_steps(f32::from(p.frequency) * frequency),
            rank: p.rank,
            index: 0,
        })
        .collect();
    pairs(&stars, depth.fan_out, |first, second| {
        let pair = Pair::of(first, second);
        let Some(gap) = cell(pair.gap, GAP_BITS) else { return };
        let low = gap.saturating_sub(depth.gap_reach);
        let high = (gap + depth.gap_reach).min((1 << GAP_BITS) - 1);
        for place in cells(pair.place, depth.margin, PLACE_BITS) {
            for distance in cells(pair.distance, depth.margin, DISTANCE_BITS) {
                let (low, high) = (hash(place, distance, low), hash(place, distance, high));
                out.push(Probe { low, high, time: first.time });
            }
        }
    });
}

/// The cell of a coordinate, and its neighbour where the coordinate lies within `margin` of it; those of them that
/// are below `1 << bits`.
fn cells(coordinate: f32, margin: f32, bits: u32) -> impl Iterator<Item = u32> {
    let part = coordinate.fract();
    let other = if part < margin {
        Some(coordinate - 1.0)
    } else if part > 1.0 - margin {
        Some(coordinate + 1.0)
    } else {
        None
    };
    cell(coordinate, bits).into_iter().chain(other.and_then(|other| cell(other, bits)))
}

/// Pairs each star with the `fan_out` most outstanding ones in its target zone, the nearest first among
/// equals.
fn pairs(stars: &[Star], fan_out: usize, mut sink: impl FnMut(Star, Star)) {
    let mut zone: Vec<(u32, u32)> = Vec::new();
    for (i, first) in stars.iter().enumerate() {
        zone.clear();
        for (j, second) in stars.iter().enumerate().skip(i + 1) {
            let gap = second.time - first.time;
            if gap > LONGEST_GAP {
                break;
            }
            if gap >= SHORTEST_GAP && (second.warp - first.warp).abs() <= FARTHEST {
                zone.push((u32::from(second.rank) << 16 | gap, j as u32));
            }
        }
        if zone.len() > fan_out {
            zone.select_nth_unstable(fan_out - 1);
            zone.truncate(fan_out);
        }
        for (_, j) in &zone {
            sink(*first, stars[*j as usize]);
        }
    }
}
