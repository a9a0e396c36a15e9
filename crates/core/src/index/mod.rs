//! The index: a cache of posting runs built from constellations, searched through a [`Snapshot`].

use std::path::Path;
use std::sync::Arc;

use crate::fingerprint::Constellation;
use thiserror::Error;

/// Number of a track within one catalogue; never given to a second track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackNumber(pub u32);

/// Immutable view of every searchable track; cheap to clone, safe to keep while the cache changes.
#[derive(Debug, Default)]
pub struct Snapshot {}

impl Snapshot {
    /// Number of tracks that can be found.
    #[must_use]
    pub fn tracks(&self) -> usize {
        0
    }
}

/// Why the cache could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The operating system refused.
    #[error("cannot {action} index file {path}: {source}")]
    Io {
        /// What was tried: "read", "write", ….
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// How [`Cache::open`] found the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheState {
    /// Good files, at the position that [`Cache::position`] says.
    Ready,
    /// No files yet; the cache is empty at position 0.
    Missing,
    /// Files of another version, damaged, or of another catalogue: thrown away, the cache is empty at
    /// position 0. The text says why, for one line on standard error.
    Discarded(String),
}

/// The index files of one catalogue.
///
/// Files are named `PREFIX-index` (the manifest, swapped atomically) and `PREFIX-run-N`.
/// Several processes may hold one cache open: a writer takes a lock, readers keep what they have mapped.
#[derive(Debug)]
pub struct Cache {}

impl Cache {
    /// Opens the files at `prefix`. `catalog` identifies the catalogue they must belong to.
    ///
    /// # Errors
    /// Only where the system refuses; bad files are discarded and reported in [`CacheState`].
    pub fn open(_prefix: &Path, _catalog: u128) -> Result<(Self, CacheState), IndexError> {
        Ok((Self {}, CacheState::Missing))
    }

    /// The catalogue's change number up to which the cache is complete; 0 when it is empty.
    #[must_use]
    pub fn position(&self) -> u64 {
        0
    }

    /// What can be searched now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::default()
    }

    /// Takes changes up to `position`: new tracks become searchable, removed ones vanish; both are in the
    /// files when this returns. A track both removed and added is replaced.
    ///
    /// # Errors
    /// [`IndexError`] if the files cannot be written; the cache then stays as it was.
    pub fn apply(
        &mut self,
        _added: &[(TrackNumber, Constellation)],
        _removed: &[TrackNumber],
        _position: u64,
    ) -> Result<(), IndexError> {
        Ok(())
    }
}
