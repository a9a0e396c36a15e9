//! Manages the files of the index: opens and checks them, and replaces them when tracks are added or removed.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::draft::Draft;
use super::manifest::{CacheFiles, Manifest};
use super::run::Run;
use super::snapshot::Snapshot;
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;

/// Number of runs at which [`Cache::apply_part`] merges them, although further changes follow. It limits the number of
/// runs that a search reads while a large index is being built. At half this value, a build takes longer, because it
/// merges twice as often. At twice this value, a search during a build reads up to 512 runs.
const MAX_UNMERGED_RUNS: usize = 256;
/// Number of attempts to read the manifest and open its run files. An attempt fails if another process deletes merged
/// files between these two steps. Fewer attempts can cause an unnecessary rebuild if merges follow quickly.
const MAX_OPEN_ATTEMPTS: usize = 5;

/// State of the files when [`Cache::open`] opened them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheState {
    /// The files are valid. [`Cache::position`] is the change of the catalog up to which they are complete.
    Ready,
    /// No files exist yet. The cache is empty, and its position is 0.
    Missing,
    /// The files were damaged, or belonged to another version or catalog, and were deleted. The cache is empty, and its
    /// position is 0. The text is the reason, one line for standard error.
    Discarded(String),
}

/// The index files of one catalog.
///
/// Files are named `PREFIX-index` (the manifest, replaced atomically) and `PREFIX-run-N`. Several processes can open
/// the same cache. A writer takes a lock. A reader can still use files that it has mapped and that were deleted since.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::{Constellation, Peak};
/// use refrain_core::index::{Cache, CacheState, TrackNumber};
///
/// let folder = tempfile::tempdir()?;
/// let prefix = folder.path().join("songs");
/// let (mut cache, state) = Cache::open(&prefix, 1)?;
/// assert_eq!(state, CacheState::Missing);
///
/// let peaks = (0..9).map(|i| Peak { time: 30 * i, frequency: 800, rank: 0 }).collect();
/// cache.apply(&[(TrackNumber(7), Constellation::new(2.0, peaks))], &[], 1)?;
/// assert_eq!(cache.snapshot().tracks(), 1);
///
/// // The files stay. A later change removes the track.
/// let (mut cache, state) = Cache::open(&prefix, 1)?;
/// assert_eq!((state, cache.position()), (CacheState::Ready, 1));
/// cache.apply(&[], &[TrackNumber(7)], 2)?;
/// assert_eq!(cache.snapshot().tracks(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Cache {
    files: CacheFiles,
    manifest: Manifest,
    /// Open runs in the order of `manifest.runs`.
    runs: Vec<Arc<Run>>,
    snapshot: Arc<Snapshot>,
}

impl Cache {
    /// Opens the files whose paths begin with `prefix`. `catalog` is the identity of the catalog that the files must
    /// belong to.
    ///
    /// # Errors
    /// [`IndexError::Io`] if the operating system refuses access to the files. Invalid files are not an error: they are
    /// discarded and reported in [`CacheState`].
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::index::{Cache, CacheState};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let prefix = folder.path().join("songs");
    /// let (mut cache, _) = Cache::open(&prefix, 1)?;
    /// cache.apply(&[], &[], 5)?;
    ///
    /// // The files belong to catalog 1, so catalog 2 starts with an empty cache.
    /// let (cache, state) = Cache::open(&prefix, 2)?;
    /// assert!(matches!(state, CacheState::Discarded(_)));
    /// assert_eq!(cache.position(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(prefix: &Path, catalog: u128) -> Result<(Self, CacheState), IndexError> {
        let manifest = Manifest { catalog, ..Manifest::default() };
        let mut cache =
            Self { files: CacheFiles::new(prefix), manifest, runs: Vec::new(), snapshot: Arc::default() };
        let state = match cache.reload() {
            Ok(true) => CacheState::Ready,
            Ok(false) => CacheState::Missing,
            // Without the track table and the counts of a run, nothing can be searched. So inconsistent files are
            // discarded here, once for each `open`, and never during a search.
            Err(
                error @ (IndexError::Damaged { .. }
                | IndexError::Unusable { .. }
                | IndexError::Inconsistent { .. }),
            ) => {
                cache.clear();
                CacheState::Discarded(error.to_string())
            }
            Err(error) => return Err(error),
        };
        Ok((cache, state))
    }

    /// Returns the number of the change of the catalog up to which the cache is complete; 0 if it is empty.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.manifest.position
    }

    /// Returns the current view of the index for searches.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Applies the changes of the catalog after [`Cache::position`] up to `position`: `added` tracks become searchable,
    /// and `removed` tracks are no longer found. The files contain these changes when this method returns. Track
    /// numbers are never reused, so a track that is in both lists is not added.
    ///
    /// If another process has changed the files, this method loads them and does not apply the changes. Callers must
    /// check [`Cache::position`] afterwards.
    ///
    /// # Errors
    /// [`IndexError`] if the files cannot be written. The cache is not changed in this case.
    pub fn apply(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
    ) -> Result<(), IndexError> {
        self.update(added, removed, position, false)
    }

    /// Works like [`Cache::apply`], but merges runs only if there are 256 or more. It is for callers that apply further
    /// changes immediately: building a large index then writes each posting about twice instead of many times.
    ///
    /// # Errors
    /// The errors of [`Cache::apply`].
    pub fn apply_part(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
    ) -> Result<(), IndexError> {
        self.update(added, removed, position, true)
    }

    fn update(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
        more_follow: bool,
    ) -> Result<(), IndexError> {
        let _lock = self.lock()?;
        if self.reload_if_changed() {
            return Ok(());
        }
        // The manifest was compared under the lock above, so no other writer can change the files until this function
        // returns.
        let mut next = Draft::of(&self.files, &self.manifest, &self.runs);
        let result = next
            .extend(added, removed, position)
            .and_then(
                |()| if more_follow && next.runs.len() < MAX_UNMERGED_RUNS { Ok(()) } else { next.merge() },
            )
            .and_then(|()| self.publish(&next));
        // Only the new files are deleted: the published manifest does not mention them, and the old runs are still in
        // use.
        if result.is_err() {
            next.delete_new_files();
        }
        result
    }

    /// Deletes the files, for a rebuild of the index. The cache is then empty, and its position is 0. If another
    /// process has changed the files, this method loads them instead.
    pub fn discard(&mut self) {
        let lock = self.lock();
        // Without the lock, another process may be writing. So only the state in memory is cleared.
        if lock.is_err() {
            self.reset();
        } else if !self.reload_if_changed() {
            self.clear();
        }
    }

    /// Takes the lock of writers, and blocks until it is free. The lock is released when the returned file is closed,
    /// also by a crash.
    fn lock(&self) -> Result<File, IndexError> {
        let path = self.files.lock();
        let open = || {
            // The lock has its own file, because the manifest is replaced by renaming and a lock would stay on the
            // replaced file.
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| IndexError::Io { action: "lock", path: path.clone(), source })
    }

    /// Returns true if another process has changed or deleted the files. Changed files are loaded. If the manifest was
    /// deleted or belongs to another catalog, this cache becomes empty, because its run files were deleted too.
    fn reload_if_changed(&mut self) -> bool {
        match self.files.read_manifest() {
            Ok(Some(manifest)) if manifest == self.manifest => false,
            Ok(Some(manifest)) if manifest.catalog == self.manifest.catalog => {
                self.reload().is_ok_and(|found| found)
            }
            Ok(_) if !self.runs.is_empty() => {
                self.reset();
                true
            }
            _ => false,
        }
    }

    /// Reads the manifest and opens its runs. Returns false, and changes nothing, if the manifest does not exist.
    fn reload(&mut self) -> Result<bool, IndexError> {
        // A missing run file is not damage: a merge may have deleted it after the manifest was read. So the manifest is
        // read again.
        for attempt in 1.. {
            let Some(manifest) = self.files.read_manifest()? else { return Ok(false) };
            if manifest.catalog != self.manifest.catalog {
                let path = self.files.manifest();
                return Err(IndexError::Unusable { path, reason: "of another catalog" });
            }
            let open = |number: &u64| Run::open(&self.files.run(*number), manifest.catalog).map(Arc::new);
            match manifest.runs.iter().map(open).collect::<Result<Vec<_>, _>>() {
                Ok(runs) => {
                    self.snapshot =
                        Arc::new(Snapshot::new(runs.clone(), Arc::new(manifest.removed.clone()))?);
                    (self.runs, self.manifest) = (runs, manifest);
                    return Ok(true);
                }
                Err(IndexError::Io { source, path, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    if attempt == MAX_OPEN_ATTEMPTS {
                        return Err(IndexError::Unusable { path, reason: "missing" });
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn clear(&mut self) {
        if let Ok(Some(old)) = self.files.read_manifest() {
            for run in old.runs {
                let _ = fs::remove_file(self.files.run(run));
            }
            // Numbers continue, so that a new run never gets the name of one that is still mapped.
            self.manifest.next = self.manifest.next.max(old.next);
        }
        // Errors are ignored: a file that cannot be deleted is discarded again by the next `open`.
        let _ = fs::remove_file(self.files.manifest());
        self.reset();
    }

    /// Empties the manifest, the runs and the snapshot in memory, except for the catalog and the number of the next run
    /// file. Deletes no files.
    fn reset(&mut self) {
        // The catalog and the next number survive, because both must be right for the files that are written next.
        let (catalog, next) = (self.manifest.catalog, self.manifest.next);
        self.manifest = Manifest { catalog, next, ..Manifest::default() };
        self.runs.clear();
        self.snapshot = Arc::default();
    }

    fn publish(&mut self, draft: &Draft) -> Result<(), IndexError> {
        let runs: Vec<_> = draft.runs.iter().map(|(_, run)| Arc::clone(run)).collect();
        // The snapshot is created before the manifest is written. So a run that cannot be read causes an error of the
        // change, and not of the next search.
        let snapshot = Snapshot::new(runs.clone(), Arc::new(draft.manifest.removed.clone()))?;
        let manifest = Manifest {
            runs: draft.runs.iter().map(|(number, _)| *number).collect(),
            ..draft.manifest.clone()
        };
        // Writing the manifest commits the change. Old runs are deleted afterwards, so a crash in between leaves unused
        // files, but no manifest with missing files.
        self.files.write_manifest(&manifest)?;
        for number in self.manifest.runs.iter().chain(&draft.new_files) {
            if !manifest.runs.contains(number) {
                let _ = fs::remove_file(self.files.run(*number));
            }
        }
        self.snapshot = Arc::new(snapshot);
        (self.runs, self.manifest) = (runs, manifest);
        Ok(())
    }
}
