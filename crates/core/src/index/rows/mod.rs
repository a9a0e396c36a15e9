//! The index as rows of a database, for catalogs that outgrow one machine and for searches without a local index.
//!
//! A row contains the postings of one bucket of one run, encoded as in run files. The number of a bucket also encodes
//! the number of its hash bits in the run: it consists of a leading one and the high bits of the hash, like the
//! numbers of the nodes of a binary tree. A lookup is thus a set of bucket numbers that does not depend on the runs,
//! and the table can be distributed over servers by this number.

mod merge;
mod pack;
mod search;

use std::error::Error;

pub use merge::{Chunk, Merge, MergeSource, Merged};
pub use pack::{MAX_RUN_POSTINGS, pack};
pub use search::RowIndex;

use super::TrackNumber;
use super::postings::BucketShape;
use crate::fingerprint::landmark::{HASH_BITS, SCHEME_VERSION, in_hash_range};

/// Version of rows: of their layout (high half) and of the hashes of landmarks (low half). Rows of another version
/// are rebuilt.
pub const ROWS_VERSION: i32 = 1 << 16 | SCHEME_VERSION as i32;

/// Division of the postings of a run into rows, and their encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunShape {
    /// Number of bits of a hash that number its bucket: 0 to 21.
    pub bucket_bits: u8,
    /// Number of bits of a time on the time line of the run: 1 to 32.
    pub time_bits: u8,
}

impl RunShape {
    fn codec(self) -> BucketShape {
        BucketShape { hash_bits: self.shift(), time_bits: u32::from(self.time_bits) }
    }

    fn shift(self) -> u32 {
        HASH_BITS - u32::from(self.bucket_bits).min(HASH_BITS)
    }

    /// Returns the number of the bucket that contains a hash.
    fn bucket(self, hash: u32) -> u32 {
        (1 << self.bucket_bits) | hash >> self.shift()
    }

    /// Returns the numbers of the buckets that contain the hashes `low ..= high`. The iterator is empty if no
    /// landmark can have such a hash.
    fn buckets(self, low: u32, high: u32) -> impl Iterator<Item = u32> {
        let range = in_hash_range(low, high);
        range.into_iter().flat_map(move |(low, high)| self.bucket(low)..=self.bucket(high))
    }

    /// Returns the first hash of a bucket.
    fn first_hash(self, bucket: u32) -> u32 {
        (bucket ^ (1 << self.bucket_bits)) << self.shift()
    }
}

/// Position of a track on the time line of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowTrack {
    /// Number of the track.
    pub track: TrackNumber,
    /// Start on the time line, in units of a posting's time (23 ms).
    pub start: u32,
    /// Length in the same units.
    pub length: u32,
}

impl RowTrack {
    /// Returns the number of units that the track takes on the time line, including the silence before it.
    #[must_use]
    pub fn units(&self) -> u64 {
        units_of(self.length)
    }
}

/// Returns the number of units that a track of this length takes on a time line, including the silence before it.
#[must_use]
pub fn units_of(length: u32) -> u64 {
    super::layout::units_taken(length)
}

/// Properties of a run, without its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRun {
    /// Division of the run into rows.
    pub shape: RunShape,
    /// Number of postings.
    pub postings: u64,
    /// Tracks of the run in order of their start.
    pub tracks: Vec<RowTrack>,
    /// Number of postings of each group of hashes. A search needs the sum over all runs.
    pub groups: Vec<u32>,
}

/// A row: the postings of a bucket of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the bucket.
    pub bucket: u32,
    /// Encoded postings of the bucket.
    pub packed: Vec<u8>,
}

/// A row with the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Number of the run.
    pub run: u64,
    /// Row of the run.
    pub row: Row,
}

/// A position on the time line of a run whose track is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPosition {
    /// Index of the list that the position belongs to.
    pub list: u32,
    /// Number of the run.
    pub run: u64,
    /// Position on the time line of the run. It belongs to the last track that starts there or before.
    pub place: u32,
    /// Number of votes for the position.
    pub votes: u32,
}

/// The track at a requested position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCandidate {
    /// Index in the list of requested positions.
    pub position: usize,
    /// Number of the track.
    pub track: TrackNumber,
    /// Start of the track on the time line of the run.
    pub start: u32,
    /// Packed constellation of the track. It may be left out for known tracks.
    pub packed: Option<Vec<u8>>,
}

/// An error of reading rows.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The runs have changed since the index was opened. Open it again and repeat the search.
    #[error("the runs of the index have changed since it was opened")]
    Stale,
    /// The database failed.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// A store of rows. Its methods are called by the threads that search, which block until the result is available.
pub trait RowStore: Send + Sync {
    /// Returns all rows of these buckets (sorted, without duplicates), of the runs that the index was opened with.
    ///
    /// # Errors
    /// [`RowError`] if the rows cannot be read or the runs have changed.
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError>;

    /// Returns the tracks of the `max_candidates` best positions of each list of positions, in order of falling votes,
    /// then track, then position in the track. Positions in removed tracks do not count. The results of the lists
    /// follow each other. The constellations of the tracks in `known` may be left out.
    ///
    /// # Errors
    /// [`RowError`] if the rows cannot be read or the runs have changed.
    fn locate(
        &self,
        positions: &[RowPosition],
        max_candidates: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError>;
}

impl<S: RowStore + ?Sized> RowStore for &S {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        (**self).rows(buckets)
    }

    fn locate(
        &self,
        positions: &[RowPosition],
        max_candidates: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError> {
        (**self).locate(positions, max_candidates, known)
    }
}

impl RowStore for Box<dyn RowStore> {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        (**self).rows(buckets)
    }

    fn locate(
        &self,
        positions: &[RowPosition],
        max_candidates: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError> {
        (**self).locate(positions, max_candidates, known)
    }
}

#[cfg(test)]
mod tests;
