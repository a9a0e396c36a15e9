//! Statistics of constellations, to compare synthetic ones with those of music.

use std::collections::HashMap;

use refrain_core::fingerprint::{Constellation, TICKS_PER_SECOND};
use refrain_core::stages;

/// Statistics that determine the cost and the success of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Peaks per second.
    pub peaks: f64,
    /// Share of the peaks with rank 0, 1, 2, 3.
    pub ranks: [f64; 4],
    /// Share of the peaks within a tick of the previous peak.
    pub together: f64,
    /// Share of the peaks below 500, 1000, 2000, 4000 Hz.
    pub below: [f64; 4],
    /// Landmarks per second.
    pub landmarks: f64,
    /// Inverse collision probability of two landmarks of different tracks: the number of equally frequent hashes that would
    /// collide equally often.
    pub hashes_between: f64,
    /// Inverse collision probability of two landmarks of one track.
    pub hashes_within: f64,
    /// Bytes per packed peak.
    pub bytes_per_peak: f64,
}

impl Statistics {
    /// Measures the statistics of tracks.
    #[must_use]
    pub fn of(tracks: &[Constellation]) -> Self {
        let seconds: f64 = tracks.iter().map(|t| t.seconds).sum();
        let count: usize = tracks.iter().map(|t| t.peaks.len()).sum();
        let (n, all) = (count.max(1) as f64, || tracks.iter().flat_map(|t| &t.peaks));
        let part = |rank: u8| all().filter(|p| p.rank == rank).count() as f64 / n;
        let hertz = |p: u16| f64::from(p) / refrain_core::fingerprint::STEPS_PER_HERTZ;
        let below = |limit: f64| all().filter(|p| hertz(p.frequency) < limit).count() as f64 / n;
        let together = tracks
            .iter()
            .flat_map(|t| t.peaks.windows(2))
            .filter(|pair| pair[1].time - pair[0].time <= 1)
            .count();
        let bytes: usize = tracks.iter().map(|t| t.to_bytes().len()).sum();
        let (landmarks, hashes_between, hashes_within) = collisions(tracks);
        Self {
            peaks: n / seconds,
            ranks: [part(0), part(1), part(2), part(3)],
            together: together as f64 / n,
            below: [below(500.0), below(1000.0), below(2000.0), below(4000.0)],
            landmarks: landmarks / seconds,
            hashes_between,
            hashes_within,
            bytes_per_peak: bytes as f64 / n,
        }
    }
}

/// Returns the number of landmarks, and the inverse probabilities that two landmarks of different tracks, and of one track,
/// have the same hash.
fn collisions(tracks: &[Constellation]) -> (f64, f64, f64) {
    let mut together: HashMap<u32, u64> = HashMap::new();
    let (mut n, mut squares, mut within, mut possible) = (0.0, 0.0, 0.0, 0.0);
    for track in tracks {
        let mut alone: HashMap<u32, u64> = HashMap::new();
        let hashes = stages::landmarks(&track.peaks);
        for hash in &hashes {
            *alone.entry(*hash).or_default() += 1;
        }
        for (hash, count) in alone {
            *together.entry(hash).or_default() += count;
            squares += (count * count) as f64;
            within += (count * (count - 1)) as f64;
        }
        let m = hashes.len() as f64;
        n += m;
        possible += m * (m - 1.0);
    }
    let all: f64 = together.values().map(|count| (count * count) as f64).sum();
    let pairs_between = n * n - possible - n;
    (n, pairs_between / (all - squares), possible / within)
}

/// Returns the share of the reference's peaks that a query of the same audio contains at the same position (within 2.5
/// ticks and 4 frequency steps), and the mean increase of the ranks of these peaks. `start` is the query's start in the
/// reference in seconds.
#[must_use]
pub fn survival(reference: &Constellation, query: &Constellation, start: f64) -> (f64, f64) {
    let offset = start * TICKS_PER_SECOND;
    let end = offset + query.seconds * TICKS_PER_SECOND;
    let inside = |time: u32| (offset..end).contains(&f64::from(time));
    let (mut expected, mut found, mut rise) = (0.0, 0.0, 0.0);
    for peak in reference.peaks.iter().filter(|p| inside(p.time)) {
        expected += 1.0;
        let near = query.peaks.iter().find(|q| {
            (f64::from(q.time) + offset - f64::from(peak.time)).abs() <= 2.5
                && q.frequency.abs_diff(peak.frequency) <= 4
        });
        if let Some(near) = near {
            found += 1.0;
            rise += f64::from(near.rank) - f64::from(peak.rank);
        }
    }
    (found / f64::max(expected, 1.0), rise / f64::max(found, 1.0))
}
