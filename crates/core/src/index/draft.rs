//! The next state of the index files: adds, removes and merges tracks.

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

/// Maximum number of peaks of one new run. Bounds the memory of a build to about 400 MB. At half this value, memory
/// halves and a first build writes twice as many runs, which are merged later; at twice this value, memory is about 800
/// MB.
const MAX_PEAKS_PER_RUN: usize = 16 << 20;
/// A run is merged with all smaller ones if it has at most this many times their postings, so that the number of runs
/// grows with the logarithm of the catalog. At half this value, more runs remain and every lookup reads more of them;
/// at twice this value, runs are merged earlier and each posting is rewritten more often as the catalog grows.
const MERGE_RATIO: u64 = 2;
/// A run is rewritten on its own if at least one of this many tracks is removed. At 2, removed tracks may take half of
/// the space of a run; at 8, removing an eighth of the tracks rewrites the whole run.
const REWRITE_REMOVED_RATIO: usize = 4;

/// The next state of a [`super::Cache`], until it is published.
pub(super) struct Draft {
    files: CacheFiles,
    pub(super) manifest: Manifest,
    /// Open runs with their numbers.
    pub(super) runs: Vec<(u64, Arc<Run>)>,
    /// Numbers of the run files that were written for this state.
    pub(super) new_files: Vec<u64>,
}

impl Draft {
    /// Creates a draft from the current state of these files. `runs` are its open runs in the order of the manifest.
    pub(super) fn of(files: &CacheFiles, manifest: &Manifest, runs: &[Arc<Run>]) -> Self {
        let runs = manifest.runs.iter().copied().zip(runs.iter().cloned()).collect();
        Self { files: files.clone(), manifest: manifest.clone(), runs, new_files: Vec::new() }
    }

    /// Adds and removes tracks. `position` is the change of the catalog that the files then include.
    pub(super) fn extend(
        &mut self,
        added: &[(TrackNumber, Constellation)],
        removed: &[TrackNumber],
        position: u64,
    ) -> Result<(), IndexError> {
        self.manifest.position = position;
        // Before the additions, so that a number that is in both lists is only marked if an old run contains it.
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
            // At least one track: a single one with more peaks than the limit must still make progress.
            let now = fitting.count().max(1);
            let catalog = self.manifest.catalog;
            let fitted = self.write(|out| {
                let (out, fitted) = write_tracks(out, catalog, &rest[..now])?;
                Ok((out, fitted))
            })?;
            if fitted == 0 {
                // A single track of more than three years, which no catalog contains.
                return Err(IndexError::Unusable { path: self.files.manifest(), reason: "too long" });
            }
            rest = &rest[fitted..];
        }
        Ok(())
    }

    /// Marks tracks as removed that are in a run.
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

    /// Returns the numbers of the runs to merge next: the smallest runs up to the first one that is much larger than
    /// all smaller ones together, or one run with many removed tracks.
    fn runs_to_merge(&self) -> Result<Option<HashSet<u64>>, IndexError> {
        let mut by_size: Vec<_> = self.runs.iter().collect();
        // The number of the run breaks ties, so that the choice does not depend on the order of the manifest.
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

    /// Writes a run file under a temporary name, renames it and opens it.
    fn write<T>(
        &mut self,
        write: impl FnOnce(BufWriter<File>) -> Result<(BufWriter<File>, T), WriteError>,
    ) -> Result<T, IndexError> {
        let number = self.manifest.next;
        // The number is used up even if writing fails, so no file ever gets the name of one that a reader may have
        // mapped.
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
        // A merge of only removed tracks leaves an empty run. Its file is in `new_files` and is deleted when the draft
        // is published.
        if run.tracks() > 0 {
            self.runs.push((number, Arc::new(run)));
        }
        Ok(value)
    }

    /// Deletes the files that were written for this state.
    pub(super) fn delete_new_files(&self) {
        for number in &self.new_files {
            let _ = fs::remove_file(self.files.run(*number));
        }
    }
}
