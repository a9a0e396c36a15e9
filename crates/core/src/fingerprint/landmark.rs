//! Landmarks: pairs of peaks, and their 32-bit hashes (after Wang, ISMIR 2003).
//!
//! A hash is made of what is known well: the distance of the two peaks on the warped frequency scale to one
//! unit, their distance in time to two ticks; and of the first peak's place on that scale only to two units,
//! so that a small change of speed or pitch, which moves both peaks alike, seldom changes it. The time
//! difference stands in the lowest bits: near-exact times are neighbours in the index, and one lookup of a
//! range finds them (Panako 2.0 has the least certain bits last for the same reason).
//!
//! References are sparse: each peak is paired with the few most outstanding peaks that follow it. Queries
//! are dense: any pair that a reference might have chosen is looked up (Sonnleitner and Widmer 2016, IV-B).

use super::constellation::Peak;
use super::scale::{warp_frequency, warp_steps};

/// Version of the hash and of the choice of pairs; index files of another version are rebuilt.
pub(crate) const SCHEME_VERSION: u32 = 1;
/// Significant bits of a hash.
pub(crate) const HASH_BITS: u32 = PLACE_BITS + DISTANCE_BITS + GAP_BITS;

/// Hashes with the same place and distance are a group: how common each group is in the catalogue is known, so
/// that a search can leave out the commonest ones before it reads anything.
pub(crate) const GROUPS: usize = 1 << (HASH_BITS - GAP_BITS);
/// Hashes of a group.
pub(crate) const GROUP_HASHES: u32 = 1 << GAP_BITS;

/// The group of a hash.
#[inline]
pub(crate) fn group(hash: u32) -> usize {
    (hash >> GAP_BITS) as usize
}

/// Landmarks per reference peak.
const REFERENCE_FAN_OUT: usize = 3;
/// The second peak follows by at least this many ticks (46 ms): sooner, both belong to one event …
const SHORTEST_GAP: u32 = 8;
/// … and at most this many (1.2 s): the longer the gap, the more peaks compete to be the second.
const LONGEST_GAP: u32 = 208;
/// Farthest distance of the two on the warped scale.
const FARTHEST: f32 = 63.0;

const PLACE_BITS: u32 = 7;
const DISTANCE_BITS: u32 = 7;
const GAP_BITS: u32 = 7;
/// Warped units per place.
const PLACE_UNIT: f32 = 2.0;
/// Ticks per gap.
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

/// A range of hashes to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// First and last hash.
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

/// A peak as pairing sees it.
#[derive(Debug, Clone, Copy)]
struct Star {
    time: u32,
    warp: f32,
    rank: u8,
    index: u32,
}

/// Landmarks of a reference's peaks (in order of time, then frequency), by first peak.
pub(crate) fn landmarks(peaks: &[Peak], mut sink: impl FnMut(Landmark)) {
    let stars: Vec<Star> = peaks
        .iter()
        .enumerate()
        .map(|(i, p)| Star { time: p.time, warp: warp_frequency(p.frequency), rank: p.rank, index: i as u32 })
        .collect();
    let mut zones = Zones::new(&stars);
    for first in &stars {
        zones.outstanding(*first, |second| {
            let cell = Cell::of(*first, second);
            let hash = hash(cell.place as u32, cell.distance as u32, cell.gap as u32);
            sink(Landmark { hash, first: first.index, second: second.index });
        });
    }
}

/// Target zones of a reference's stars, which are asked for by rising time.
///
/// Stars are kept by rank, so that the most outstanding ones of a zone, the nearest first among equals, are met first:
/// the choice of [`pairs`] after a few looks instead of a look at each star.
struct Zones {
    /// By rank: the stars, and the first of them that is not too near.
    ranks: Vec<(Vec<Star>, usize)>,
}

impl Zones {
    fn new(stars: &[Star]) -> Self {
        let most = stars.iter().map(|star| usize::from(star.rank)).max().map_or(0, |rank| rank + 1);
        let mut ranks = vec![(Vec::new(), 0); most];
        for star in stars {
            ranks[usize::from(star.rank)].0.push(*star);
        }
        Self { ranks }
    }

    fn outstanding(&mut self, first: Star, mut sink: impl FnMut(Star)) {
        let mut missing = REFERENCE_FAN_OUT;
        for (stars, from) in &mut self.ranks {
            while stars.get(*from).is_some_and(|star| star.time < first.time + SHORTEST_GAP) {
                *from += 1;
            }
            for second in &stars[*from..] {
                if second.time - first.time > LONGEST_GAP {
                    break;
                }
                if (second.warp - first.warp).abs() <= FARTHEST {
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

/// Probes for a query's peaks: times counted from `start` and multiplied by `time`, frequencies multiplied
/// by `frequency`.
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
        let cell = Cell::of(first, second);
        for place in cells(cell.place, depth.margin, PLACE_BITS) {
            for distance in cells(cell.distance, depth.margin, DISTANCE_BITS) {
                let gap = cell.gap as u32;
                let low = gap.saturating_sub(depth.gap_reach);
                let high = (gap + depth.gap_reach).min((1 << GAP_BITS) - 1);
                let (low, high) = (hash(place, distance, low), hash(place, distance, high));
                out.push(Probe { low, high, time: first.time });
            }
        }
    });
}

/// Coordinates of a pair in units of the hash's cells.
struct Cell {
    place: f32,
    distance: f32,
    gap: f32,
}

impl Cell {
    fn of(first: Star, second: Star) -> Self {
        Self {
            place: first.warp / PLACE_UNIT,
            distance: second.warp - first.warp + FARTHEST,
            gap: (second.time - first.time) as f32 / GAP_UNIT,
        }
    }
}

fn hash(place: u32, distance: u32, gap: u32) -> u32 {
    (place << DISTANCE_BITS | distance) << GAP_BITS | gap
}

/// The cell of a value, and its neighbour where the value lies within `margin` of it.
fn cells(value: f32, margin: f32, bits: u32) -> impl Iterator<Item = u32> {
    let cell = value as u32;
    let part = value.fract();
    let other = if part < margin {
        cell.checked_sub(1)
    } else if part > 1.0 - margin {
        Some(cell + 1).filter(|c| *c < 1 << bits)
    } else {
        None
    };
    std::iter::once(cell).chain(other)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(time: u32, frequency: u16, rank: u8) -> Peak {
        Peak { time, frequency, rank }
    }

    fn hashes(peaks: &[Peak]) -> Vec<u32> {
        let mut out = Vec::new();
        landmarks(peaks, |l| out.push(l.hash));
        out
    }

    const PLAIN: Depth = Depth { rank_limit: 4, fan_out: 3, margin: 0.0, gap_reach: 0 };

    #[test]
    fn a_query_probes_what_its_reference_stored() {
        let peaks: Vec<Peak> =
            (0..200u32).map(|i| peak(i * 5, (80 + i * 7919 % 3600) as u16, (i % 4) as u8)).collect();
        let mut found = Vec::new();
        probes(&peaks, 0, PLAIN, 1.0, 1.0, &mut found);
        let (mut stored, mut probed) = (hashes(&peaks), found.iter().map(|p| p.low).collect::<Vec<_>>());
        stored.sort_unstable();
        probed.sort_unstable();
        assert_eq!(stored, probed);
        assert!(found.len() > 400);
        assert!(found.iter().all(|p| p.high < 1 << HASH_BITS));
    }

    #[test]
    fn hashes_do_not_know_absolute_time() {
        let early = [peak(0, 1000, 0), peak(50, 1200, 0), peak(90, 800, 1)];
        let late = early.map(|p| Peak { time: p.time + 123_456, ..p });
        assert_eq!(hashes(&early), hashes(&late));
    }

    #[test]
    fn the_zone_is_bounded() {
        let first = peak(0, 1000, 0);
        assert!(hashes(&[first, peak(SHORTEST_GAP - 1, 1010, 0)]).is_empty());
        assert!(hashes(&[first, peak(LONGEST_GAP + 1, 1010, 0)]).is_empty());
        assert!(hashes(&[peak(0, 100, 0), peak(50, 3700, 0)]).is_empty());
        assert_eq!(hashes(&[first, peak(LONGEST_GAP, 1010, 0)]).len(), 1);
    }

    #[test]
    fn a_small_change_of_speed_is_a_near_probe() {
        let reference = [peak(1000, 2000, 0), peak(1100, 2400, 0)];
        let faster = [peak(990, 2020, 0), peak(1089, 2424, 0)];
        let mut out = Vec::new();
        let deep = Depth { margin: 0.5, gap_reach: 2, ..PLAIN };
        probes(&faster, 0, deep, 1.0, 1.0, &mut out);
        let hash = hashes(&reference)[0];
        assert!(out.iter().any(|p| (p.low..=p.high).contains(&hash)));
    }
}
