//! Writes the sections of a run file that follow the constellations, and places the tracks on the time line.

use std::io::{self, Write};

use rayon::prelude::*;

use super::IndexError;
use super::groups::{count_groups, pack_groups};
use super::layout::{
    DIRECTORY_ENTRY_BYTES, Footer, MAX_RUN_UNITS, TRACK_MARGIN_UNITS, TrackEntry, bucket_bits, time_bits,
    units_taken,
};
use super::pages::PageWriter;
use super::postings::BucketShape;
use crate::fingerprint::landmark::{GROUPS, HASH_BITS};

/// Number of buckets that one parallel task packs: about 25,000 postings. At half this value, scheduling tasks takes
/// more time. At twice this value, a small run uses fewer cores, and each task takes twice the memory.
const BUCKETS_PER_TASK: u32 = 1 << 10;

/// An error while writing a run.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The new file could not be written.
    Io(io::Error),
    /// A run that is to be merged could not be read.
    MergeInput(IndexError),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<IndexError> for WriteError {
    fn from(error: IndexError) -> Self {
        Self::MergeInput(error)
    }
}

/// The tracks of a run and their positions on the time line.
pub(super) struct Layout {
    pub(super) tracks: Vec<TrackEntry>,
    end: u64,
}

impl Layout {
    pub(super) fn new() -> Self {
        Self { tracks: Vec::new(), end: u64::from(TRACK_MARGIN_UNITS) }
    }

    /// Appends `track` to the time line. Returns its start in units of a posting's time, or `None` if the time line is
    /// full.
    pub(super) fn place(&mut self, mut track: TrackEntry) -> Option<u32> {
        let start = self.end;
        let end = start + units_taken(track.length);
        if end > MAX_RUN_UNITS {
            return None;
        }
        self.end = end;
        track.start = start as u32;
        self.tracks.push(track);
        Some(start as u32)
    }
}

/// Data for writing the sections of a run file after the constellations.
pub(super) struct RunSections<W> {
    pub(super) out: PageWriter<W>,
    pub(super) catalog: u128,
    pub(super) layout: Layout,
    pub(super) count: u64,
}

impl<W: Write> RunSections<W> {
    /// Writes postings, groups, directory, tracks, checksums and footer. `source` is called with the first and last
    /// hash of a range and a vector, and must append the sorted postings of these hashes to the vector.
    pub(super) fn write(
        self,
        source: impl Fn(u32, u32, &mut Vec<u64>) -> Result<(), IndexError> + Sync,
    ) -> Result<W, WriteError> {
        let Self { mut out, catalog, layout, count } = self;
        let bucket_bits = bucket_bits(count);
        let shape = BucketShape { hash_bits: HASH_BITS - bucket_bits, time_bits: time_bits(layout.end) };
        let postings_at = out.position();
        let buckets = 1u32 << bucket_bits;
        let mut directory = Vec::with_capacity(buckets as usize + 1);
        let mut groups = vec![0; GROUPS];
        // Only a few tasks run at a time, which limits memory. Their results are written in the order of the buckets.
        let tasks: Vec<u32> = (0..buckets).step_by(BUCKETS_PER_TASK as usize).collect();
        for group in tasks.chunks(4 * rayon::current_num_threads()) {
            let pack =
                |first: &u32| pack_buckets(*first, buckets.min(first + BUCKETS_PER_TASK), shape, &source);
            let packed = group.par_iter().map(pack).collect::<Result<Vec<_>, IndexError>>()?;
            for PackedBuckets { starts, bytes, group_counts } in packed {
                let base = out.position() - postings_at;
                directory.extend(starts.iter().map(|start| base + start));
                out.write(&bytes)?;
                for (group, count) in group_counts {
                    groups[group] += count;
                }
            }
        }
        let groups_at = out.position();
        out.write(&pack_groups(&groups, count))?;
        let directory_at = out.position();
        directory.push(groups_at - postings_at);
        for offset in directory {
            out.write(&offset.to_le_bytes()[..DIRECTORY_ENTRY_BYTES])?;
        }
        let tracks_at = out.position();
        for track in &layout.tracks {
            out.write(&track.to_bytes())?;
        }
        let (mut out, covered, table_checksum) = out.finish()?;
        let footer = Footer {
            catalog,
            covered,
            table_checksum,
            tracks: layout.tracks.len() as u64,
            tracks_at,
            postings_at,
            groups_at,
            directory_at,
            postings: count,
            bucket_bits,
            time_bits: shape.time_bits,
        };
        out.write_all(&footer.to_bytes())?;
        Ok(out)
    }
}

/// Consecutive buckets in encoded form.
struct PackedBuckets {
    /// Offset of each bucket in `bytes`.
    starts: Vec<u64>,
    bytes: Vec<u8>,
    /// Number of each group of hashes that has postings in these buckets, with the number of its postings.
    group_counts: Vec<(usize, u32)>,
}

/// Encodes the buckets `first .. end`. `source` is that of [`RunSections::write`].
fn pack_buckets(
    first: u32,
    end: u32,
    shape: BucketShape,
    source: &(impl Fn(u32, u32, &mut Vec<u64>) -> Result<(), IndexError> + Sync),
) -> Result<PackedBuckets, IndexError> {
    let mut postings = Vec::new();
    source(first << shape.hash_bits, (end << shape.hash_bits) - 1, &mut postings)?;
    let (mut starts, mut bytes) = (Vec::new(), Vec::new());
    let mut rest = postings.as_slice();
    for bucket in first..end {
        starts.push(bytes.len() as u64);
        let bound = (u64::from(bucket) + 1) << shape.hash_bits << 32;
        let (now, later) = rest.split_at(rest.partition_point(|p| *p < bound));
        bytes = shape.encode(now, bytes);
        rest = later;
    }
    Ok(PackedBuckets { starts, bytes, group_counts: count_groups(&postings) })
}
