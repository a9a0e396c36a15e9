//! The index as rows of a database, for catalogues that outgrow one machine and for searches without a local index.
//!
//! A row holds the postings of one bucket of one run, in the codec of the run files. A bucket is known by one
//! number that tells the run's level too: the hash's high bits behind a leading one, as nodes of a binary tree are
//! numbered. So a lookup is a set of numbers, whatever runs there are, and the table may be spread over servers by it.

mod merge;
mod pack;
mod search;

use std::error::Error;

pub use merge::{Chunk, Merge, MergeSource, Merged};
pub use pack::{LARGEST_RUN, pack};
pub use search::RowIndex;

use super::TrackNumber;
use super::postings::BucketShape;
use crate::fingerprint::landmark::{HASH_BITS, SCHEME_VERSION, in_hash_range};

/// Version of rows: of their layout (high half) and of the landmarks' hashes. Rows of another one are made again.
pub const ROWS_VERSION: i32 = 1 << 16 | SCHEME_VERSION as i32;

/// How a run's postings are cut into rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunShape {
    /// Bits of a hash that number its bucket: 0 to 21.
    pub bucket_bits: u8,
    /// Bits of a time on the run's time line: 1 to 32.
    pub time_bits: u8,
}

impl RunShape {
    fn codec(self) -> BucketShape {
        BucketShape { hash_bits: self.shift(), time_bits: u32::from(self.time_bits) }
    }

    fn shift(self) -> u32 {
        HASH_BITS - u32::from(self.bucket_bits).min(HASH_BITS)
    }

    /// Number of the bucket that a hash is in.
    fn bucket(self, hash: u32) -> u32 {
        (1 << self.bucket_bits) | hash >> self.shift()
    }

    /// Numbers of the buckets that hold the hashes `low ..= high`; none if no landmark can have such a hash.
    fn buckets(self, low: u32, high: u32) -> impl Iterator<Item = u32> {
        let range = in_hash_range(low, high);
        range.into_iter().flat_map(move |(low, high)| self.bucket(low)..=self.bucket(high))
    }

    /// First hash of a bucket.
    fn first_hash(self, bucket: u32) -> u32 {
        (bucket ^ (1 << self.bucket_bits)) << self.shift()
    }
}

/// A track's place on a run's time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowTrack {
    /// The track.
    pub track: TrackNumber,
    /// Start on the time line, units of a posting's time (23 ms).
    pub start: u32,
    /// Length, the same units.
    pub length: u32,
}

impl RowTrack {
    /// Part of the time line that the track takes.
    #[must_use]
    pub fn units(&self) -> u64 {
        units_of(self.length)
    }
}

/// Part of a time line that a track of this length takes.
#[must_use]
pub fn units_of(length: u32) -> u64 {
    super::layout::taken(length)
}

/// What is known of a run beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRun {
    /// How it is cut.
    pub shape: RunShape,
    /// Its postings.
    pub postings: u64,
    /// Its tracks, by rising start.
    pub tracks: Vec<RowTrack>,
    /// Postings of each group of hashes, to be added up over all runs.
    pub groups: Vec<u32>,
}

/// A row: the postings of a bucket of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the bucket.
    pub bucket: u32,
    /// The postings.
    pub packed: Vec<u8>,
}

/// A row with the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The run's number.
    pub run: u64,
    /// The row.
    pub row: Row,
}

/// A place on a run's time line that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSpot {
    /// The list that it belongs to.
    pub list: u32,
    /// The run's number.
    pub run: u64,
    /// The place: it belongs to the last track that starts there or before.
    pub place: u32,
    /// Its votes.
    pub votes: u32,
}

/// A spot's track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCandidate {
    /// Index of the spot among those asked for.
    pub spot: usize,
    /// The track.
    pub track: TrackNumber,
    /// Its start on the run's time line.
    pub start: u32,
    /// Its packed constellation; may be left out for tracks that are known.
    pub packed: Option<Vec<u8>>,
}

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The runs are other ones than those that the index was opened with: open it again and repeat the search.
    #[error("the runs of the index have changed meanwhile")]
    Stale,
    /// The database failed.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// Where the rows are. Called by the threads that search, which wait for the answer.
pub trait RowStore: Send + Sync {
    /// All rows of these buckets (sorted, each once), of the runs that the index was opened with.
    ///
    /// # Errors
    /// [`RowError`].
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError>;

    /// Of each list of spots the `most` best: by falling votes, then track, then place in the track; spots in
    /// tracks that are removed are none. Lists come one after the other, each in that order.
    ///
    /// # Errors
    /// [`RowError`].
    fn locate(
        &self,
        spots: &[RowSpot],
        most: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError>;
}

impl<S: RowStore + ?Sized> RowStore for &S {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        (**self).rows(buckets)
    }

    fn locate(
        &self,
        spots: &[RowSpot],
        most: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError> {
        (**self).locate(spots, most, known)
    }
}

impl RowStore for Box<dyn RowStore> {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        (**self).rows(buckets)
    }

    fn locate(
        &self,
        spots: &[RowSpot],
        most: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError> {
        (**self).locate(spots, most, known)
    }
}

#[cfg(test)]
mod tests;
