//! Keeps a search index in step with a catalog.
//!
//! ```text
//!            ┌─► files: memory-mapped index files on this machine   ─► Snapshot
//! catalog ───┤   (IndexSync, IndexFollower)
//!  changes   └─► rows: postings in the database of the catalog      ─► DatabaseIndex
//!                (IndexRows, PostgreSQL only)
//! ```
//!
//! Both kinds of index are derived from the constellations of the catalog, follow its changes in order, and can be
//! deleted at any time.

mod files;
mod result;
mod rows;

pub use files::{FollowEvent, IndexFollower, IndexSync};
pub use result::{SkippedTrack, SyncError, SyncReport};
pub use rows::{DatabaseIndex, IndexRows};
