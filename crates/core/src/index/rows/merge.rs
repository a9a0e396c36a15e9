//! Merges several runs of index rows into one, one range of hashes at a time.

use std::collections::{HashMap, HashSet};

use super::pack::{TimeLine, rows};
use super::{Row, RowTrack, RunRow, RunShape};
use crate::fingerprint::landmark::{GROUPS, HASH_BITS, group};
use crate::index::TrackNumber;
use crate::index::postings::posting;
use crate::index::sort::sort_by_hash;

/// Target for the number of postings in a chunk. Merging a chunk takes about 200 MB of memory. At half this value, it
/// takes 100 MB, and a merge sends twice as many statements to the database. At twice this value, it takes 400 MB.
const POSTINGS_PER_CHUNK: u64 = 16 << 20;

/// A run to merge.
#[derive(Debug, Clone)]
pub struct MergeSource {
    /// Number of the run.
    pub run: u64,
    /// Division of the run into rows.
    pub shape: RunShape,
    /// Number of postings of the run.
    pub postings: u64,
    /// Tracks of the run in order of their start.
    pub tracks: Vec<RowTrack>,
}

/// A range of hashes whose rows are merged in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    low: u32,
    high: u32,
}

impl Chunk {
    /// Returns the numbers of the first and the last bucket of the chunk in a run of this shape.
    #[must_use]
    pub fn buckets(&self, shape: RunShape) -> (u32, u32) {
        (shape.bucket(self.low), shape.bucket(self.high))
    }
}

/// New positions of the tracks of a run. For each track: its old start, and the number to add to the times of its
/// postings, or `None` if the track is removed.
type Moves = Vec<(u32, Option<i64>)>;

/// A merge of several runs. [`Merge::new`] plans it, [`Merge::merge`] is called for each chunk, and [`Merge::finish`]
/// returns the result.
///
/// # Examples
///
/// ```
/// use std::collections::HashSet;
///
/// use refrain_core::fingerprint::{Constellation, Peak};
/// use refrain_core::index::TrackNumber;
/// use refrain_core::index::rows::{Merge, MergeSource, RunRow, pack};
///
/// let (mut sources, mut old) = (Vec::new(), Vec::new());
/// for number in 1..=2 {
///     let peaks = (0..60).map(|i| Peak { time: 30 * i, frequency: 700 + 11 * i as u16, rank: 0 }).collect();
///     let (run, rows) = pack(&[(TrackNumber(number), Constellation::new(11.0, peaks))]);
///     sources.push(MergeSource {
///         run: number.into(),
///         shape: run.shape,
///         postings: run.postings,
///         tracks: run.tracks,
///     });
///     old.extend(rows.into_iter().map(|row| RunRow { run: number.into(), row }));
/// }
/// // Track 2 is removed, so the new run contains only track 1.
/// let mut merge = Merge::new(&sources, &HashSet::from([TrackNumber(2)])).ok_or("too long for one run")?;
/// for chunk in merge.chunks() {
///     // Runs of this size have a single chunk, so that it contains all rows.
///     merge.merge(chunk, &mut old).ok_or("a row is damaged")?;
/// }
/// let merged = merge.finish();
/// assert_eq!((merged.tracks.len(), merged.postings), (1, sources[0].postings));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug)]
pub struct Merge {
    /// For the number of each run: its index among the sources, its shape, and the moves of its tracks.
    sources: HashMap<u64, (usize, RunShape, Moves)>,
    shape: RunShape,
    tracks: Vec<RowTrack>,
    postings: u64,
    dropped: Vec<u32>,
    chunk_bits: u32,
}

/// Properties of the run that a merge has made, without its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Division of the new run into rows.
    pub shape: RunShape,
    /// Number of postings of the new run.
    pub postings: u64,
    /// Tracks of the new run in order of their start.
    pub tracks: Vec<RowTrack>,
    /// Number of postings of removed tracks that were left out, for each group of hashes.
    pub dropped: Vec<u32>,
}

impl Merge {
    /// Plans the merge of `sources`, without the tracks in `removed`. Returns `None` if the tracks do not fit onto one
    /// time line.
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
        // A chunk must contain whole rows, also of the run with the fewest bucket bits.
        let coarsest = sources.iter().map(|source| u32::from(source.shape.bucket_bits)).min().unwrap_or(0);
        let chunk_bits = (postings / POSTINGS_PER_CHUNK).checked_ilog2().unwrap_or(0).min(coarsest);
        // `postings` includes removed tracks, because the number of their postings is known only after the merge. This
        // is exact enough, because the shape only has to be near the target.
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

    /// Returns the chunks in order of their hashes.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> + use<> {
        let shift = HASH_BITS - self.chunk_bits;
        (0..1u32 << self.chunk_bits).map(move |n| Chunk { low: n << shift, high: ((n + 1) << shift) - 1 })
    }

    /// Merges one chunk and returns its rows of the new run. `old` must contain all rows of the sources in this chunk.
    /// Returns `None` if a row is damaged or belongs to a run that is not a source.
    pub fn merge(&mut self, chunk: Chunk, old: &mut [RunRow]) -> Option<Vec<Row>> {
        // The rows are sorted in the order of the new time line, because `sort_by_hash` keeps the order of postings
        // with equal hashes.
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
        // Postings of equal hash are already in order of time and keep this order. So the result is sorted as `encode`
        // requires.
        sort_by_hash(&mut postings, chunk.low, HASH_BITS - self.chunk_bits, &mut Vec::new());
        self.postings += postings.len() as u64;
        Some(rows(&postings, self.shape))
    }

    /// Returns the properties of the new run. Must be called after all chunks were merged.
    #[must_use]
    pub fn finish(self) -> Merged {
        let Self { shape, tracks, postings, dropped, .. } = self;
        Merged { shape, postings, tracks, dropped }
    }
}

/// Returns the time on the new time line of a posting with the old time `time`, or `None` if the track of the posting
/// is removed. `moves` belongs to the old run of the posting.
fn moved(moves: &Moves, time: u32) -> Option<u32> {
    let index = moves.partition_point(|(start, _)| *start <= time).checked_sub(1)?;
    u32::try_from(i64::from(time) + moves[index].1?).ok()
}
