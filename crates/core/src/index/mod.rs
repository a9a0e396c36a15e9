//! The index: runs of postings that are built from constellations and searched through a [`Snapshot`]. It is a cache:
//! it can always be built again from the catalog.
//!
//! A run is immutable. It contains the postings of some tracks, sorted by hash, and the constellations of these tracks.
//! New tracks are written as a new run. Runs are merged as their number grows, and a merge also deletes the data of
//! removed tracks. [`Cache`] manages the files, and a [`Snapshot`] is the view of them that a search uses.

mod cache;
mod draft;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod groups;
mod layout;
mod manifest;
mod merge;
mod pages;
mod postings;
pub mod rows;
mod run;
mod search_index;
mod sections;
mod snapshot;
mod sort;
mod write;

use std::path::PathBuf;

use thiserror::Error;

pub use cache::{Cache, CacheState};
pub(crate) use layout::{BIN_UNITS, POSTING_TICKS};
pub(crate) use search_index::{Candidate, OffsetPeak, SearchIndex, SearchSession};
pub use snapshot::Snapshot;

/// Number of a track within one catalog. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackNumber(pub u32);

/// An error while reading or writing the index. The catalog is not affected.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// An operation of the operating system failed.
    #[error("cannot {action} index file {path}: {source}")]
    Io {
        /// The operation: "read", "write" or "lock".
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A checksum of the file is wrong. This is the only error of a search after which the file may be deleted and
    /// rebuilt.
    #[error("index file {path} is damaged; delete it and it will be rebuilt from the catalog")]
    Damaged {
        /// Path of the file.
        path: PathBuf,
    },
    /// The checksums of the file are valid, but its content is inconsistent or was read at a wrong offset. The cause is
    /// a bug of this program or of the program that wrote the file. The file is not changed.
    #[error(
        "index file {path} passes its checksums but is inconsistent: this is a bug, please report it; \
         `refrain tracks reindex` builds the index again from the catalog"
    )]
    Inconsistent {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file cannot be used, for example because it belongs to another version or catalog.
    #[error("index file {path} is {reason}; delete it and it will be rebuilt from the catalog")]
    Unusable {
        /// Path of the file.
        path: PathBuf,
        /// The reason, after the words "index file … is", such as "of another version".
        reason: &'static str,
    },
    /// A row of the search index in the database is damaged. An administrator must rebuild the index.
    #[error(
        "the search index in the database is damaged; `refrain tracks reindex --search database` builds it again from the catalog"
    )]
    DamagedRow,
    /// Another process has merged the runs in the database during the search. Open the index again and repeat the
    /// search.
    #[error("the search index in the database changed during the search; repeat the search")]
    Stale,
    /// The database failed to return the rows of the index.
    #[error("cannot read the search index in the database: {source}")]
    Rows {
        /// Error of the database.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
