//! The index as rows of a database, for catalogs that are too large for one machine and for searches without local
//! index files.
//!
//! A row contains the postings of one bucket of one run, encoded as in run files. The number of a bucket is a bit of
//! value one, followed by the high bits of its hashes, like the numbers of nodes in a binary tree. So buckets of runs
//! with different numbers of hash bits have different numbers. A lookup requests a set of bucket numbers and needs no
//! numbers of runs, and the table can be distributed over servers by the bucket number.

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

/// Version of the rows: the version of their layout in the high half, that of the hashes of landmarks in the low half.
/// Rows of another version are rebuilt.
pub const ROWS_VERSION: i32 = 1 << 16 | SCHEME_VERSION as i32;

/// Division of the postings of a run into rows, and encoding of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunShape {
    /// Number of high bits of a hash that are part of its bucket number: 0 to 21.
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

    /// Returns the numbers of the buckets that contain the hashes `low ..= high`. The iterator is empty if the range
    /// contains no valid hash.
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
    /// Length, in units of a posting's time (23 ms).
    pub length: u32,
}

impl RowTrack {
    /// Returns the number of units (23 ms) that the track takes on the time line, including the margin of 16 s before
    /// it.
    #[must_use]
    pub fn units(&self) -> u64 {
        units_of(self.length)
    }
}

/// Returns the number of units (23 ms) that a track of `length` units takes on a time line, including the margin of 16
/// s before it.
#[must_use]
pub fn units_of(length: u32) -> u64 {
    super::layout::units_taken(length)
}

/// Properties of a run of index rows, without the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRun {
    /// Division of the run into rows.
    pub shape: RunShape,
    /// Number of postings of the run.
    pub postings: u64,
    /// Tracks of the run in order of their start.
    pub tracks: Vec<RowTrack>,
    /// Number of postings of each group of hashes. A search needs the sum over all runs.
    pub groups: Vec<u32>,
}

/// A row of the index: the postings of one bucket of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the bucket.
    pub bucket: u32,
    /// Encoded postings of the bucket.
    pub packed: Vec<u8>,
}

/// A row of the index with the number of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Number of the run.
    pub run: u64,
    /// The row.
    pub row: Row,
}

/// A position on the time line of a run. [`RowStore::locate`] looks up the track at this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPosition {
    /// Index of the list that the position belongs to. A call of [`RowStore::locate`] contains one list for each
    /// lookup.
    pub list: u32,
    /// Number of the run.
    pub run: u64,
    /// Position on the time line of the run, in units of a posting's time (23 ms). Its track is the last track that
    /// starts at or before this position.
    pub place: u32,
    /// Number of votes for the position.
    pub votes: u32,
}

/// The track at a requested position, as [`RowStore::locate`] returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCandidate {
    /// Index of the position among the requested positions.
    pub position: usize,
    /// Number of the track.
    pub track: TrackNumber,
    /// Start of the track on the time line of the run, in units of a posting's time (23 ms).
    pub start: u32,
    /// Packed constellation of the track. `None` only for tracks that the caller listed as known.
    pub packed: Option<Vec<u8>>,
}

/// An error while reading rows.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The runs have changed since the index was opened. Open it again and repeat the search.
    #[error("the runs of the index have changed since it was opened; open the index and search again")]
    Stale,
    /// The database failed to return the rows.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// A store of index rows, such as a database. Searching threads call its methods and block until the result is
/// available.
pub trait RowStore: Send + Sync {
    /// Returns all rows with these bucket numbers, of the runs with which the index was opened. `buckets` is sorted and
    /// contains no duplicates.
    ///
    /// # Errors
    /// [`RowError`] if the rows cannot be read or the runs have changed.
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError>;

    /// Returns the tracks at the `max_candidates` best positions of each list ([`RowPosition::list`]), in order of
    /// falling votes, then track, then position in the track. The results of all lists are concatenated in the order
    /// of the lists. Positions in removed tracks are ignored. The constellations of the tracks in `known` may be left
    /// out.
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
