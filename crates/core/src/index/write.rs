//! Writes runs from constellations or from other runs.

use std::collections::HashSet;
use std::io::{self, Write};

use rayon::prelude::*;

use super::layout::{
    DIRECTORY_ENTRY_BYTES, Footer, MAGIC, MAX_RUN_UNITS, POSTING_TICKS, TRACK_MARGIN_UNITS, TrackEntry,
    bucket_bits, time_bits, units_taken,
};
use super::pages::PageWriter;
use super::postings::{BucketShape, posting};
use super::run::Run;
use super::sort::{par_sort_by_hash, sort_by_hash};
use super::{IndexError, TrackNumber};
use crate::bits::{BitReader, BitWriter, rice_parameter};
use crate::fingerprint::landmark::{GROUP_HASHES, GROUPS, HASH_BITS, group, landmarks};
use crate::fingerprint::{Constellation, TICKS_PER_SECOND};

/// Number of tracks whose postings are computed in one piece of parallel work. It bounds the packed constellations in
/// memory to some MB. At half of it, cores wait more often for the slowest track of a batch; at twice, memory doubles.
const TRACKS_PER_BATCH: usize = 128;
/// Number of buckets that are packed in one piece of parallel work. About 25,000 postings. At half of it, the
/// scheduling of tasks costs more; at twice, few cores can share a small run, and each task takes twice the memory.
const BUCKETS_PER_TASK: u32 = 1 << 10;

/// An error of writing a run.
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

/// Places tracks on the time line of a run.
struct Layout {
    tracks: Vec<TrackEntry>,
    end: u64,
}

impl Layout {
    fn new() -> Self {
        Self { tracks: Vec::new(), end: u64::from(TRACK_MARGIN_UNITS) }
    }

    /// Places the next track and returns its start, or `None` if the time line is full.
    fn place(&mut self, mut track: TrackEntry) -> Option<u32> {
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

/// Writes a run of these tracks. Returns `out` and the number of tracks that fit onto its time line.
pub(crate) fn write_tracks<W: Write>(
    out: W,
    catalog: u128,
    tracks: &[(TrackNumber, Constellation)],
) -> Result<(W, usize), WriteError> {
    let mut out = PageWriter::new(out);
    out.write(MAGIC)?;
    let mut layout = Layout::new();
    let mut postings = Vec::new();
    'groups: for group in tracks.chunks(TRACKS_PER_BATCH) {
        let of_group: Vec<_> =
            group.par_iter().map(|(_, sound)| (sound.to_bytes(), postings_of(sound))).collect();
        for ((number, constellation), (packed, own)) in group.iter().zip(of_group) {
            let entry = TrackEntry {
                number: number.0,
                start: 0,
                length: length(constellation),
                constellation_bytes: packed.len() as u32,
                constellation_at: out.position(),
                postings: own.len() as u32,
            };
            // The constellation is written after its place is known, so a track that does not fit leaves no bytes
            // behind.
            let Some(start) = layout.place(entry) else { break 'groups };
            postings.extend(own.into_iter().map(|posting| posting + u64::from(start)));
            out.write(&packed)?;
        }
    }
    par_sort_by_hash(&mut postings, HASH_BITS);
    let count = postings.len() as u64;
    let fitted = layout.tracks.len();
    let section = RunSections { out, catalog, layout, count };
    let out = section.write(|low, high, sink| {
        let from = postings.partition_point(|p| *p < posting(low, 0));
        let to = postings.partition_point(|p| *p <= posting(high, u32::MAX));
        sink.extend_from_slice(&postings[from..to]);
        Ok(())
    })?;
    Ok((out, fitted))
}

/// Returns the postings of a track that starts at 0, in order of time.
pub(crate) fn postings_of(constellation: &Constellation) -> Vec<u64> {
    let peaks = &constellation.peaks;
    let mut postings = Vec::with_capacity(3 * peaks.len());
    landmarks(peaks, |l| postings.push(posting(l.hash, peaks[l.first as usize].time / POSTING_TICKS)));
    postings
}

/// Returns the length of a track on the time line, which includes its audio and its last peak.
pub(crate) fn length(constellation: &Constellation) -> u32 {
    let ticks = (constellation.seconds * TICKS_PER_SECOND) as u32;
    ticks.max(constellation.peaks.last().map_or(0, |p| p.time)) / POSTING_TICKS + 1
}

/// A run to merge, with the new positions of its tracks.
struct MergeInput<'a> {
    run: &'a Run,
    /// For each track: its old start, and the number to add to its times, or `None` if the track is removed.
    moves: Vec<(u32, Option<i64>)>,
}

impl MergeInput<'_> {
    /// Returns the move of the postings of the track at a time.
    fn at(&self, time: u32) -> TimeShift {
        let next = self.moves.partition_point(|(start, _)| *start <= time);
        let to = self.moves.get(next).map_or(u32::MAX, |(start, _)| *start);
        match next.checked_sub(1).map(|index| self.moves[index]) {
            Some((from, shift)) => TimeShift { from, to, shift },
            None => TimeShift { from: 0, to, shift: None },
        }
    }
}

/// New position of the postings of a section of an old time line.
#[derive(Debug, Clone, Copy, Default)]
struct TimeShift {
    from: u32,
    to: u32,
    shift: Option<i64>,
}

/// Writes one run of the tracks of several runs, without the removed tracks.
pub(crate) fn write_merged<W: Write>(
    out: W,
    catalog: u128,
    runs: &[&Run],
    removed: &HashSet<TrackNumber>,
) -> Result<W, WriteError> {
    let mut out = PageWriter::new(out);
    out.write(MAGIC)?;
    let mut layout = Layout::new();
    let mut sources = Vec::new();
    for run in runs {
        let mut moves = Vec::with_capacity(run.tracks());
        for index in 0..run.tracks() {
            let mut track = run.track(index)?;
            let old = track.start;
            if removed.contains(&TrackNumber(track.number)) {
                moves.push((old, None));
                continue;
            }
            let packed = run.packed_constellation(&track)?;
            track.constellation_at = out.position();
            out.write(packed)?;
            // The caller merges only runs that fit: see `fits`.
            let Some(start) = layout.place(track) else { break };
            moves.push((old, Some(i64::from(start) - i64::from(old))));
        }
        sources.push(MergeInput { run, moves });
    }
    let count = layout.tracks.iter().map(|t| u64::from(t.postings)).sum();
    RunSections { out, catalog, layout, count }.write(|low, high, sink| {
        for source in &sources {
            let mut current = TimeShift::default();
            source.run.visit_postings(low, high, |hash, time| {
                // Times within a hash ascend, so the same track often follows and the binary search is skipped.
                if !(current.from..current.to).contains(&time) {
                    current = source.at(time);
                }
                if let Some(shift) = current.shift {
                    sink.push(posting(hash, (i64::from(time) + shift) as u32));
                }
            })?;
        }
        // The tracks of each run follow those of the run before, so the times are already ascending within a hash.
        sort_by_hash(sink, low, (high - low + 1).ilog2(), &mut Vec::new());
        Ok(())
    })
}

/// Returns true if the runs fit onto one time line.
pub(crate) fn fits(runs: &[&Run]) -> Result<bool, IndexError> {
    let mut end = 0;
    for run in runs {
        if let Some(last) = run.tracks().checked_sub(1) {
            let track = run.track(last)?;
            end += u64::from(track.start) + units_taken(track.length);
        }
    }
    Ok(end < MAX_RUN_UNITS)
}

/// The part of a run file after the constellations.
struct RunSections<W> {
    out: PageWriter<W>,
    catalog: u128,
    layout: Layout,
    count: u64,
}

impl<W: Write> RunSections<W> {
    /// Writes postings, groups, directory, tracks and footer. `source` appends the sorted postings of a range of hashes.
    fn write(
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
        // A few tasks at a time keep memory bounded and the file in order.
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

/// Encoded buckets in the layout of the file.
struct PackedBuckets {
    /// Offset of each bucket in the bytes.
    starts: Vec<u64>,
    bytes: Vec<u8>,
    /// Number of postings of each group of hashes that has any.
    group_counts: Vec<(usize, u32)>,
}

/// Packs buckets `first .. end`.
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

/// Returns the number of postings of each group of hashes that has any. The postings must be sorted.
pub(crate) fn count_groups(postings: &[u64]) -> Vec<(usize, u32)> {
    let mut counts = Vec::new();
    let mut rest = postings;
    while let Some(first) = rest.first() {
        let group = group((first >> 32) as u32);
        let bound = ((group as u64 + 1) * u64::from(GROUP_HASHES)) << 32;
        let (now, later) = rest.split_at(rest.partition_point(|p| *p < bound));
        counts.push((group, now.len() as u32));
        rest = later;
    }
    counts
}

fn groups_rice(postings: u64) -> u32 {
    rice_parameter(postings, GROUPS as u64)
}

fn pack_groups(groups: &[u32], postings: u64) -> Vec<u8> {
    let mut out = BitWriter::default();
    for count in groups {
        out.rice(u64::from(*count), groups_rice(postings));
    }
    out.finish()
}

/// Reads the output of [`pack_groups`]. Returns `None` if the bytes are invalid.
pub(crate) fn unpack_groups(bytes: &[u8], postings: u64) -> Option<Vec<u32>> {
    let mut bits = BitReader::new(bytes);
    (0..GROUPS).map(|_| u32::try_from(bits.rice(groups_rice(postings))?).ok()).collect()
}
