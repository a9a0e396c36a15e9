//! Prepares the next state of the index files: adds and removes tracks, and merges runs.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::manifest::{CacheFiles, Manifest};
use super::merge::{fits, write_merged};
use super::run::Run;
use super::sections::WriteError;
use super::write::write_tracks;
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;

/// Maximum number of peaks of one new run. It limits the memory for building an index to about 400 MB. At twice this
/// value, memory is about 800 MB. At half this value, a first build writes twice as many runs, which must be merged
/// later.
const MAX_PEAKS_PER_RUN: usize = 16 << 20;
/// A run is merged with all smaller runs if its number of postings is at most this many times the sum of theirs. So the
/// number of runs grows with the logarithm of the number of tracks. At half this value, more runs remain, and every
/// search reads all of them. At twice this value, runs are merged earlier, and adding tracks takes longer.
const MERGE_RATIO: u64 = 2;
/// A run is rewritten without its removed tracks if at least one in this many of its tracks (a quarter) is removed. At
/// 2, removed tracks may take half of the space of a run. At 8, removing an eighth of the tracks rewrites the whole
/// run.
const REWRITE_REMOVED_RATIO: usize = 4;

/// The next state of a [`super::Cache`], until it is published.
pub(super) struct Draft {
    files: CacheFiles,
    pub(super) manifest: Manifest,
    /// Open runs with their numbers.
    pub(super) runs: Vec<(u64, Arc<Run>)>,
    /// Numbers of the run files that this draft has written.
    pub(super) new_files: Vec<u64>,
}

impl Draft {
    /// Creates a draft from the current state of `files`. `runs` are the open runs in the order of the manifest.
    pub(super) fn of(files: &CacheFiles, manifest: &Manifest, runs: &[Arc<Run>]) -> Self {
        let runs = manifest.runs.iter().copied().zip(runs.iter().cloned()).collect();
        Self { files: files.clone(), manifest: manifest.clone(), runs, new_files: Vec::new() }
    }

    /// Adds and removes tracks. `position` is the change of the catalog up to which the files are then complete.
    pub(super) fn extend(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
    ) -> Result<(), IndexError> {
        self.manifest.position = position;
        // Removal comes first, so that a track that is in both lists is marked as removed only if an old run contains
        // it.
        self.remove(removed)?;
        let removed: HashSet<_> = removed.iter().collect();
        let added: Vec<_> = added.iter().filter(|(number, _)| !removed.contains(number)).cloned().collect();
        let mut rest = added.as_slice();
        while !rest.is_empty() {
            let mut peaks = 0;
            let fitting = rest.iter().take_while(|(_, constellation)| {
                peaks += constellation.peaks.len();
                peaks <= MAX_PEAKS_PER_RUN
            });
            // At least one track, so that a single track with more peaks than the limit is written too.
            let now = fitting.count().max(1);
            let catalog = self.manifest.catalog;
            let fitted = self.write(|out| {
                let (out, fitted) = write_tracks(out, catalog, &rest[..now])?;
                Ok((out, fitted))
            })?;
            if fitted == 0 {
                // Only a track of more than three years does not fit.
                return Err(IndexError::Unusable { path: self.files.manifest(), reason: "too long" });
            }
            rest = &rest[fitted..];
        }
        Ok(())
    }

    /// Records in the manifest which of the `removed` tracks an existing run contains.
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

    /// Merges runs of similar size and rewrites runs with many removed tracks.
    pub(super) fn merge(&mut self) -> Result<(), IndexError> {
        while let Some(chosen) = self.runs_to_merge()? {
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

    /// Returns the numbers of the runs to merge next: the smallest runs, up to the first run that is much larger than
    /// all smaller ones together. If that is less than two runs, returns one run with many removed tracks. Returns
    /// `None` if no run needs a merge.
    fn runs_to_merge(&self) -> Result<Option<HashSet<u64>>, IndexError> {
        let mut by_size: Vec<_> = self.runs.iter().collect();
        // Runs of equal size are ordered by number, so that the choice does not depend on the order of the manifest.
        by_size.sort_by_key(|(number, run)| (run.postings(), *number));
        let (mut mergeable, mut postings) = (0, 0);
        for (i, (_, run)) in by_size.iter().enumerate() {
            if i > 0 && run.postings() > MERGE_RATIO * postings {
                break;
            }
            let runs: Vec<&Run> = by_size[..=i].iter().map(|(_, run)| run.as_ref()).collect();
            if !fits(&runs)? {
                break;
            }
            mergeable = i + 1;
            // At least 1, so that runs without postings are merged with each other.
            postings += run.postings().max(1);
        }
        if mergeable > 1 {
            return Ok(Some(by_size[..mergeable].iter().map(|(number, _)| *number).collect()));
        }
        for (number, run) in &self.runs {
            let mut removed_count = 0;
            if !self.manifest.removed.is_empty() {
                for index in 0..run.tracks() {
                    removed_count += usize::from(self.manifest.removed.contains(&run.number(index)?));
                }
            }
            // `removed_count > 0` keeps a run without tracks from being rewritten endlessly.
            if removed_count > 0 && removed_count * REWRITE_REMOVED_RATIO >= run.tracks() {
                return Ok(Some(HashSet::from([*number])));
            }
        }
        Ok(None)
    }

    /// Creates a run file under a temporary name, calls `write` to write its content, renames it and opens it. Returns
    /// the value that `write` returned in addition to the writer.
    fn write<T>(
        &mut self,
        write: impl FnOnce(BufWriter<File>) -> Result<(BufWriter<File>, T), WriteError>,
    ) -> Result<T, IndexError> {
        let number = self.manifest.next;
        // The number is not used again, even if writing fails. So no new file gets the name of a file that a reader may
        // have mapped.
        self.manifest.next += 1;
        let path = self.files.run(number);
        let mut temporary = path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // No fsync, because the files are a cache. Files that are incomplete after a power failure fail their
        // checksums.
        let written = File::create(&temporary)
            .map_err(WriteError::Io)
            .and_then(|file| write(BufWriter::with_capacity(1 << 20, file)))
            .and_then(|(mut out, value)| Ok(out.flush().map(|()| value)?))
            .and_then(|value| Ok(fs::rename(&temporary, &path).map(|()| value)?));
        let value = written.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            match error {
                WriteError::Io(source) => IndexError::Io { action: "write", path: path.clone(), source },
                WriteError::MergeInput(error) => error,
            }
        })?;
        self.new_files.push(number);
        let run = Run::open(&path, self.manifest.catalog)?;
        // A merge whose tracks are all removed writes an empty run. The file of that run is in `new_files` and is
        // deleted when the draft is published.
        if run.tracks() > 0 {
            self.runs.push((number, Arc::new(run)));
        }
        Ok(value)
    }

    /// Deletes the files that this draft has written.
    pub(super) fn delete_new_files(&self) {
        for number in &self.new_files {
            let _ = fs::remove_file(self.files.run(*number));
        }
    }
}
