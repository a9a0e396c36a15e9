//! The index: a cache of posting runs built from constellations, searched through a [`Snapshot`].
//!
//! A run is immutable: the postings of some tracks, sorted by hash, with the tracks' constellations beside
//! them. New tracks make a new run; runs are merged as they grow in number, and removed tracks leave the
//! files then. [`Cache`] keeps the files, a [`Snapshot`] is what a search sees of them.

mod cache;
mod checked;
mod draft;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod home;
mod layout;
mod manifest;
mod postings;
pub mod rows;
mod run;
mod snapshot;
mod sort;
mod write;

use std::path::PathBuf;

use thiserror::Error;

pub use cache::{Cache, CacheState};
pub(crate) use home::{Candidate, Home, Session, Spot};
pub(crate) use layout::{BIN, POSTING_TICKS};
pub use snapshot::Snapshot;

/// Number of a track within one catalogue; never given to a second track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackNumber(pub u32);

/// Why the index could not be read or written. The catalogue is not touched by any of them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The operating system refused.
    #[error("cannot {action} index file {path}: {source}")]
    Io {
        /// What was tried: "read", "write", ….
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A checksum of the file fails. This is the only error of a search after which the file may be deleted and rebuilt.
    #[error("index file {path} is damaged; delete it and it will be rebuilt from the catalogue")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file passes its checksums, but its content contradicts itself or was read at a wrong place: a bug of this
    /// program or of the one that wrote the file. The file is left as it is.
    #[error(
        "index file {path} passes its checksums but is inconsistent: this is a bug, please report it; \
         `refrain tracks reindex` builds the index again from the catalogue"
    )]
    Inconsistent {
        /// The file.
        path: PathBuf,
    },
    /// The file is whole, but not for this program or catalogue.
    #[error("index file {path} is {reason}; delete it and it will be rebuilt from the catalogue")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What it is: "of another version", ….
        reason: &'static str,
    },
    /// A row of the index in the database is not as it was written.
    #[error(
        "the search index in the database is damaged; `refrain tracks reindex` builds it again from the catalogue"
    )]
    DamagedRow,
    /// Other processes have merged the runs that were being searched; open the index again and repeat the search.
    #[error("the search index in the database has changed meanwhile")]
    Stale,
    /// The database did not give the rows.
    #[error("cannot read the search index in the database: {source}")]
    Rows {
        /// The database's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
