//! The files of the index: opened, checked, replaced by their next state.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::draft::Draft;
use super::manifest::{Files, Manifest};
use super::run::Run;
use super::snapshot::Snapshot;
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;

/// Runs are merged when there are so many, whatever is to follow.
const MOST_UNMERGED: usize = 256;
/// How often a manifest is read again whose run files another process has just merged away.
const OPEN_TRIES: usize = 5;

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
pub struct Cache {
    files: Files,
    manifest: Manifest,
    /// Open runs, as `manifest.runs` lists them.
    runs: Vec<Arc<Run>>,
    snapshot: Arc<Snapshot>,
}

impl Cache {
    /// Opens the files at `prefix`. `catalog` identifies the catalogue they must belong to.
    ///
    /// # Errors
    /// Only where the system refuses; bad files are discarded and reported in [`CacheState`].
    pub fn open(prefix: &Path, catalog: u128) -> Result<(Self, CacheState), IndexError> {
        let manifest = Manifest { catalog, ..Manifest::default() };
        let mut cache =
            Self { files: Files::new(prefix), manifest, runs: Vec::new(), snapshot: Arc::default() };
        let state = match cache.reload() {
            Ok(true) => CacheState::Ready,
            Ok(false) => CacheState::Missing,
            // Without its track table and counts nothing can be searched, so this is the one place where an
            // inconsistent file is replaced. It happens once per open, never during a search.
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

    /// The catalogue's change number up to which the cache is complete; 0 when it is empty.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.manifest.position
    }

    /// What can be searched now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Takes changes since [`Cache::position`] up to `position`: new tracks become searchable, removed ones
    /// vanish; both are in the files when this returns. Numbers of tracks are never used twice, so one that
    /// is in both lists is not added.
    ///
    /// Where another process has moved the files on meanwhile, its state is taken over and the changes are
    /// not applied: look at [`Cache::position`] afterwards.
    ///
    /// # Errors
    /// [`IndexError`] if the files cannot be written; the cache then stays as it was.
    pub fn apply(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
    ) -> Result<(), IndexError> {
        self.take(added, removed, position, false)
    }

    /// As [`Cache::apply`], while the caller has further changes at hand: runs are not merged yet, so that building a
    /// large index writes each posting twice and not again and again.
    ///
    /// # Errors
    /// As [`Cache::apply`].
    pub fn apply_part(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
    ) -> Result<(), IndexError> {
        self.take(added, removed, position, true)
    }

    fn take(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
        more: bool,
    ) -> Result<(), IndexError> {
        let _lock = self.lock()?;
        if self.moved_on() {
            return Ok(());
        }
        let mut next = Draft::of(&self.files, &self.manifest, &self.runs);
        let result = next
            .extend(added, removed, position)
            .and_then(|()| if more && next.runs.len() < MOST_UNMERGED { Ok(()) } else { next.merge() })
            .and_then(|()| self.publish(&next));
        if result.is_err() {
            next.remove_new();
        }
        result
    }

    /// Deletes the files, because a search found a checksum failing or a rebuild was requested; the cache is then empty at position 0, or
    /// where another process has brought new files meanwhile.
    pub fn discard(&mut self) {
        let lock = self.lock();
        if lock.is_err() {
            self.forget();
        } else if !self.moved_on() {
            self.clear();
        }
    }

    /// Takes the lock of writers; it ends when the file is closed, also by a crash.
    fn lock(&self) -> Result<File, IndexError> {
        let path = self.files.lock();
        let open = || {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| IndexError::Io { action: "lock", path: path.clone(), source })
    }

    /// Whether another process has changed the files; its state is taken over then. Where it threw them
    /// away, our runs have gone with them.
    fn moved_on(&mut self) -> bool {
        match self.files.read_manifest() {
            Ok(Some(manifest)) if manifest == self.manifest => false,
            Ok(Some(manifest)) if manifest.catalog == self.manifest.catalog => {
                self.reload().is_ok_and(|found| found)
            }
            Ok(_) if !self.runs.is_empty() => {
                self.forget();
                true
            }
            _ => false,
        }
    }

    /// Reads manifest and runs; false where there are none.
    fn reload(&mut self) -> Result<bool, IndexError> {
        for attempt in 1.. {
            let Some(manifest) = self.files.read_manifest()? else { return Ok(false) };
            if manifest.catalog != self.manifest.catalog {
                let path = self.files.manifest();
                return Err(IndexError::Unusable { path, reason: "of another catalogue" });
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
                    if attempt == OPEN_TRIES {
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
            // Numbers go on, so that a run of ours never takes the name of one that is still mapped.
            self.manifest.next = self.manifest.next.max(old.next);
        }
        let _ = fs::remove_file(self.files.manifest());
        self.forget();
    }

    /// Empties what is in memory.
    fn forget(&mut self) {
        let (catalog, next) = (self.manifest.catalog, self.manifest.next);
        self.manifest = Manifest { catalog, next, ..Manifest::default() };
        self.runs.clear();
        self.snapshot = Arc::default();
    }

    fn publish(&mut self, draft: &Draft) -> Result<(), IndexError> {
        let runs: Vec<_> = draft.runs.iter().map(|(_, run)| Arc::clone(run)).collect();
        let snapshot = Snapshot::new(runs.clone(), Arc::new(draft.manifest.removed.clone()))?;
        let manifest = Manifest {
            runs: draft.runs.iter().map(|(number, _)| *number).collect(),
            ..draft.manifest.clone()
        };
        self.files.write_manifest(&manifest)?;
        for number in self.manifest.runs.iter().chain(&draft.made) {
            if !manifest.runs.contains(number) {
                let _ = fs::remove_file(self.files.run(*number));
            }
        }
        self.snapshot = Arc::new(snapshot);
        (self.runs, self.manifest) = (runs, manifest);
        Ok(())
    }
}
