//! Making one run of several, a range of hashes at a time.

use std::collections::{HashMap, HashSet};

use super::pack::{TimeLine, rows};
use super::{Row, RowTrack, RunRow, RunShape};
use crate::fingerprint::landmark::{GROUPS, HASH_BITS, group};
use crate::index::TrackNumber;
use crate::index::postings::posting;
use crate::index::sort::sort_by_hash;

/// Postings that a chunk should hold: about 200 MB of memory at once.
const CHUNK_POSTINGS: u64 = 16 << 20;

/// A run that goes into a merge.
#[derive(Debug, Clone)]
pub struct MergeSource {
    /// Its number.
    pub run: u64,
    /// How it is cut.
    pub shape: RunShape,
    /// Its postings.
    pub postings: u64,
    /// Its tracks, by rising start.
    pub tracks: Vec<RowTrack>,
}

/// A range of hashes that is merged at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    low: u32,
    high: u32,
}

impl Chunk {
    /// First and last bucket of the chunk in a run of this shape.
    #[must_use]
    pub fn buckets(&self, shape: RunShape) -> (u32, u32) {
        (shape.bucket(self.low), shape.bucket(self.high))
    }
}

/// A run's new places: by track of the run its old start, and what to add to its times; `None` for a removed one.
type Moves = Vec<(u32, Option<i64>)>;

/// A merge that is being done.
#[derive(Debug)]
pub struct Merge {
    /// By number of the run: its place among the sources, its shape, its moves.
    sources: HashMap<u64, (usize, RunShape, Moves)>,
    shape: RunShape,
    tracks: Vec<RowTrack>,
    postings: u64,
    dropped: Vec<u32>,
    chunk_bits: u32,
}

/// What came out of a merge, beside the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// How the new run is cut.
    pub shape: RunShape,
    /// Its postings.
    pub postings: u64,
    /// Its tracks, by rising start.
    pub tracks: Vec<RowTrack>,
    /// Postings of removed tracks that are gone now, of each group of hashes.
    pub dropped: Vec<u32>,
}

impl Merge {
    /// Plans the merge of these runs, without the tracks in `removed`; `None` where they do not fit onto one time line.
    #[must_use]
    pub fn new(sources: &[MergeSource], removed: &HashSet<TrackNumber>) -> Option<Self> {
        let mut line = TimeLine::default();
        let mut moves = HashMap::new();
        let mut postings = 0;
        for (index, source) in sources.iter().enumerate() {
            let mut of_run = Moves::with_capacity(source.tracks.len());
            for track in &source.tracks {
                let shift = if removed.contains(&track.track) {
                    None
                } else {
                    Some(i64::from(line.place(track.track, track.length)?) - i64::from(track.start))
                };
                of_run.push((track.start, shift));
            }
            moves.insert(source.run, (index, source.shape, of_run));
            postings += source.postings;
        }
        // The coarsest run's rows are not cut.
        let coarsest = sources.iter().map(|source| u32::from(source.shape.bucket_bits)).min().unwrap_or(0);
        let chunk_bits = (postings / CHUNK_POSTINGS).checked_ilog2().unwrap_or(0).min(coarsest);
        let shape = line.shape(postings);
        Some(Self {
            sources: moves,
            shape,
            tracks: line.tracks,
            postings: 0,
            dropped: vec![0; GROUPS],
            chunk_bits,
        })
    }

    /// The chunks, by rising hash.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> + use<> {
        let shift = HASH_BITS - self.chunk_bits;
        (0..1u32 << self.chunk_bits).map(move |n| Chunk { low: n << shift, high: ((n + 1) << shift) - 1 })
    }

    /// The new run's rows of a chunk, from all rows of the sources in it. `None` where a row is damaged.
    pub fn merge(&mut self, chunk: Chunk, old: &mut [RunRow]) -> Option<Vec<Row>> {
        // In the order of the new time line.
        old.sort_by_key(|old| (self.sources.get(&old.run).map(|(index, ..)| *index), old.row.bucket));
        let mut postings = Vec::new();
        let dropped = &mut self.dropped;
        for RunRow { run, row } in old.iter() {
            let (_, shape, moves) = self.sources.get(run)?;
            let base = shape.first_hash(row.bucket);
            shape.codec().decode(&row.packed, 0, u32::MAX, |hash, time| match moved(moves, time) {
                Some(time) => postings.push(posting(base | hash, time)),
                None => dropped[group(base | hash)] += 1,
            })?;
        }
        sort_by_hash(&mut postings, chunk.low, HASH_BITS - self.chunk_bits, &mut Vec::new());
        self.postings += postings.len() as u64;
        Some(rows(&postings, self.shape))
    }

    /// What came out, after all chunks.
    #[must_use]
    pub fn finish(self) -> Merged {
        let Self { shape, tracks, postings, dropped, .. } = self;
        Merged { shape, postings, tracks, dropped }
    }
}

/// New time of a posting, `None` where its track is removed.
fn moved(moves: &Moves, time: u32) -> Option<u32> {
    let index = moves.partition_point(|(start, _)| *start <= time).checked_sub(1)?;
    u32::try_from(i64::from(time) + moves[index].1?).ok()
}
