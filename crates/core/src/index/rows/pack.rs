//! Makes index rows from constellations.

use rayon::prelude::*;

use super::{Row, RowRun, RowTrack, RunShape};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::{GROUPS, HASH_BITS};
use crate::index::TrackNumber;
use crate::index::groups::count_groups;
use crate::index::layout::{MAX_RUN_UNITS, TRACK_MARGIN_UNITS, time_bits, units_taken};
use crate::index::sort::par_sort_by_hash;
use crate::index::write::{length, postings_of};

/// Target for the average number of postings in a row. A row then takes 1.5 kB, so that a page of a database contains
/// about five rows. At half this value, the table has twice as many rows, each with its overhead. At twice this value,
/// a lookup transfers about twice as many postings that it does not need.
const POSTINGS_PER_ROW: u64 = 600;
/// Maximum number of postings of a run. At this size, each row contains the postings of one hash and cannot be divided
/// further. A larger run would have rows that are too large for a page of a database.
pub const MAX_RUN_POSTINGS: u64 = POSTINGS_PER_ROW << HASH_BITS;

/// The tracks of a run and their positions on the time line.
#[derive(Debug, Default)]
pub(super) struct TimeLine {
    pub(super) tracks: Vec<RowTrack>,
    units: u64,
}

impl TimeLine {
    /// Appends `track`, which has `length` units (23 ms), to the time line. Returns its start in units, or `None` if
    /// the time line is full.
    pub(super) fn place(&mut self, track: TrackNumber, length: u32) -> Option<u32> {
        let start = self.units + u64::from(TRACK_MARGIN_UNITS);
        if start + units_taken(length) > MAX_RUN_UNITS {
            return None;
        }
        self.units += units_taken(length);
        self.tracks.push(RowTrack { track, start: start as u32, length });
        Some(start as u32)
    }

    pub(super) fn shape(&self, postings: u64) -> RunShape {
        let bits = (postings / POSTINGS_PER_ROW).checked_ilog2().unwrap_or(0).min(HASH_BITS);
        let end = self.units + u64::from(TRACK_MARGIN_UNITS);
        RunShape { bucket_bits: bits as u8, time_bits: time_bits(end) as u8 }
    }
}

/// Packs tracks into a run: the first ones, as many as fit onto one time line. Returns the properties of the run, and
/// its rows in order of their bucket. `RowRun::tracks` contains one entry for each packed track.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::{Constellation, Peak};
/// use refrain_core::index::TrackNumber;
/// use refrain_core::index::rows::pack;
///
/// let peaks = (0..60).map(|i| Peak { time: 30 * i, frequency: 700 + 11 * i as u16, rank: 0 }).collect();
/// let (run, rows) = pack(&[(TrackNumber(7), Constellation::new(11.0, peaks))]);
/// assert_eq!(run.tracks[0].track, TrackNumber(7));
/// assert_eq!(run.postings, run.groups.iter().map(|count| u64::from(*count)).sum::<u64>());
/// assert!(rows.is_sorted_by_key(|row| row.bucket));
/// ```
#[must_use]
pub fn pack(tracks: &[(TrackNumber, Constellation)]) -> (RowRun, Vec<Row>) {
    let mut line = TimeLine::default();
    let mut starts = Vec::new();
    for (number, constellation) in tracks {
        // Tracks that do not fit are left for the next run, because a track is never divided between runs.
        let Some(start) = line.place(*number, length(constellation)) else { break };
        starts.push(start);
    }
    let of_track = |((_, constellation), start): (&(TrackNumber, Constellation), &u32)| {
        let start = u64::from(*start);
        postings_of(constellation).into_iter().map(move |posting| posting + start)
    };
    let mut postings: Vec<u64> = tracks.par_iter().zip(&starts).flat_map_iter(of_track).collect();
    // The postings of the tracks are in order of time, so a stable sort by hash also orders the times of equal hashes.
    par_sort_by_hash(&mut postings, HASH_BITS);
    let count = postings.len() as u64;
    let shape = line.shape(count);
    let rows = rows(&postings, shape);
    let mut groups = vec![0; GROUPS];
    count_groups(&postings).into_iter().for_each(|(group, count)| groups[group] = count);
    (RowRun { shape, postings: count, tracks: line.tracks, groups }, rows)
}

/// Encodes sorted postings as rows, in order of their bucket.
pub(super) fn rows(postings: &[u64], shape: RunShape) -> Vec<Row> {
    let bucket = |posting: u64| shape.bucket((posting >> 32) as u32);
    let row = |same: &[u64]| Row { bucket: bucket(same[0]), packed: shape.codec().encode(same, Vec::new()) };
    let buckets: Vec<&[u64]> = postings.chunk_by(|a, b| bucket(*a) == bucket(*b)).collect();
    buckets.into_par_iter().map(row).collect()
}
