//! The files of the index: opened, checked, extended, merged.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Files, Manifest};
use super::run::Run;
use super::snapshot::Snapshot;
use super::write::{WriteError, fits, write_merged, write_tracks};
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;

/// Peaks that one new run is made of at most; bounds the memory of a build to about 400 MB.
const PEAKS_PER_BUILD: usize = 16 << 20;
/// A run is merged with smaller ones that have together at least this part of its postings, so that the
/// number of runs grows with the logarithm of the catalogue.
const MERGE_RATIO: u64 = 2;
/// A run is rewritten alone when this part of its tracks is removed.
const REMOVED_RATIO: usize = 4;
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
            Err(error @ (IndexError::Damaged { .. } | IndexError::Unusable { .. })) => {
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
        let mut next = Draft::of(self);
        let result = next
            .extend(added, removed, position)
            .and_then(|()| if more && next.runs.len() < MOST_UNMERGED { Ok(()) } else { next.merge() })
            .and_then(|()| self.publish(&next));
        if result.is_err() {
            next.remove_new();
        }
        result
    }

    /// Forgets everything, because a search found a file damaged; the cache is then empty at position 0, or
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

/// The next state of the cache, until it is published.
struct Draft {
    files: Files,
    manifest: Manifest,
    runs: Vec<(u64, Arc<Run>)>,
    /// Files written for it.
    made: Vec<u64>,
}

impl Draft {
    fn of(cache: &Cache) -> Self {
        let runs = cache.manifest.runs.iter().copied().zip(cache.runs.iter().cloned()).collect();
        Self { files: cache.files.clone(), manifest: cache.manifest.clone(), runs, made: Vec::new() }
    }

    fn extend(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
    ) -> Result<(), IndexError> {
        self.manifest.position = position;
        self.remove(removed)?;
        let removed: HashSet<_> = removed.iter().collect();
        let added: Vec<_> = added.iter().filter(|(number, _)| !removed.contains(number)).cloned().collect();
        let mut rest = added.as_slice();
        while !rest.is_empty() {
            let mut peaks = 0;
            let many = rest.iter().take_while(|(_, constellation)| {
                peaks += constellation.peaks.len();
                peaks <= PEAKS_PER_BUILD
            });
            let now = many.count().max(1);
            let catalog = self.manifest.catalog;
            let fitted = self.write(|out| {
                let (out, fitted) = write_tracks(out, catalog, &rest[..now])?;
                Ok((out, fitted))
            })?;
            if fitted == 0 {
                // A single sound of more than three years: nothing that a catalogue holds.
                return Err(IndexError::Unusable { path: self.files.manifest(), reason: "too long" });
            }
            rest = &rest[fitted..];
        }
        Ok(())
    }

    /// Notes tracks as removed that are in some run.
    fn remove(&mut self, removed: &[TrackNumber]) -> Result<(), IndexError> {
        if removed.is_empty() {
            return Ok(());
        }
        let wanted: HashSet<_> = removed.iter().copied().collect();
        for (_, run) in &self.runs {
            for index in 0..run.tracks() {
                let number = run.number(index)?;
                if wanted.contains(&number) {
                    self.manifest.removed.insert(number);
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self) -> Result<(), IndexError> {
        while let Some(chosen) = self.to_merge()? {
            let (merged, kept) =
                self.runs.drain(..).partition::<Vec<_>, _>(|(number, _)| chosen.contains(number));
            self.runs = kept;
            let runs: Vec<&Run> = merged.iter().map(|(_, run)| run.as_ref()).collect();
            let (catalog, removed) = (self.manifest.catalog, self.manifest.removed.clone());
            self.write(|out| Ok((write_merged(out, catalog, &runs, &removed)?, ())))?;
            for run in runs {
                for index in 0..run.tracks() {
                    self.manifest.removed.remove(&run.number(index)?);
                }
            }
        }
        Ok(())
    }

    /// The runs to merge next: the smallest ones up to the first that is much larger than all before it
    /// together; or one with many removed tracks.
    fn to_merge(&self) -> Result<Option<HashSet<u64>>, IndexError> {
        let mut by_size: Vec<_> = self.runs.iter().collect();
        by_size.sort_by_key(|(number, run)| (run.postings(), *number));
        let (mut together, mut postings) = (0, 0);
        for (i, (_, run)) in by_size.iter().enumerate() {
            if i > 0 && run.postings() > MERGE_RATIO * postings {
                break;
            }
            let runs: Vec<&Run> = by_size[..=i].iter().map(|(_, run)| run.as_ref()).collect();
            if !fits(&runs)? {
                break;
            }
            together = i + 1;
            postings += run.postings().max(1);
        }
        if together > 1 {
            return Ok(Some(by_size[..together].iter().map(|(number, _)| *number).collect()));
        }
        for (number, run) in &self.runs {
            let mut gone = 0;
            if !self.manifest.removed.is_empty() {
                for index in 0..run.tracks() {
                    gone += usize::from(self.manifest.removed.contains(&run.number(index)?));
                }
            }
            if gone > 0 && gone * REMOVED_RATIO >= run.tracks() {
                return Ok(Some(HashSet::from([*number])));
            }
        }
        Ok(None)
    }

    /// Writes a run file under a temporary name, renames it and opens it.
    fn write<T>(
        &mut self,
        write: impl FnOnce(BufWriter<File>) -> Result<(BufWriter<File>, T), WriteError>,
    ) -> Result<T, IndexError> {
        let number = self.manifest.next;
        self.manifest.next += 1;
        let path = self.files.run(number);
        let mut temporary = path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // The files are a cache: no fsync. What a power failure leaves half-written fails its checksums.
        let written = File::create(&temporary)
            .map_err(WriteError::Io)
            .and_then(|file| write(BufWriter::with_capacity(1 << 20, file)))
            .and_then(|(mut out, value)| Ok(out.flush().map(|()| value)?))
            .and_then(|value| Ok(fs::rename(&temporary, &path).map(|()| value)?));
        let value = written.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            match error {
                WriteError::Io(source) => IndexError::Io { action: "write", path: path.clone(), source },
                WriteError::Source(error) => error,
            }
        })?;
        self.made.push(number);
        let run = Run::open(&path, self.manifest.catalog)?;
        if run.tracks() > 0 {
            self.runs.push((number, Arc::new(run)));
        }
        Ok(value)
    }

    fn remove_new(&self) {
        for number in &self.made {
            let _ = fs::remove_file(self.files.run(*number));
        }
    }
}
