//! Indexes all files: worker threads fingerprint them, and the calling thread adds the tracks to the catalog in the
//! order of the files.

use std::collections::HashMap;

use anyhow::{Context, Result};
use refrain_catalog::{AddOutcome, CatalogError, Track, TrackUpdate};
use refrain_core::fingerprint::Constellation;

use refrain_app::audio_file::is_near_duplicate;

use super::batch::{self, TrackBatch};
use super::duplicates::{self, UncomparedTrack};
use super::indexer::{FileIndexer, IndexedFile};
use super::{SourceFile, Summary};
use crate::context::CommandContext;
use crate::interrupt;
use crate::output::{Output, error_chain};
use crate::parallel::{Flow, Turn, in_order, in_order_or_idle};
use crate::search::Searcher;
use crate::settings::Settings;

/// Maximum number of tracks that are read at once to finish comparisons of an earlier `refrain index`. It limits the
/// memory for their constellations. With half as many, this takes twice the queries and index refreshes. With twice as
/// many, twice the comparisons are lost if the command is killed again.
const PENDING_PAGE_TRACKS: u32 = 64;

/// Number of new tracks after which the index cache is updated and the tracks are compared with the others. With half
/// as many, the index has to write and merge twice as many files. With twice as many, near-duplicates are reported
/// later, and more comparisons are repeated if the process is killed.
const COMPARE_BATCH_TRACKS: usize = 256;

/// State for one execution of `refrain index` that does not change during it.
pub(crate) struct IndexRun<'a> {
    context: &'a CommandContext,
    indexer: &'a FileIndexer<'a>,
    settings: &'a Settings,
    output: &'a Output,
}

/// Work that is not yet finished during an execution.
#[derive(Default)]
struct PendingWork {
    /// Fingerprinted tracks that are not yet in the catalog.
    batch: TrackBatch,
    /// Tracks in the catalog that were not yet compared with the other tracks.
    uncompared: Vec<UncomparedTrack>,
    /// Number of files that need no further work, because they failed, are unchanged or are in the catalog.
    finished_files: usize,
}

impl<'a> IndexRun<'a> {
    /// Creates the state for indexing with these settings.
    pub(crate) fn new(
        context: &'a CommandContext,
        indexer: &'a FileIndexer<'a>,
        settings: &'a Settings,
        output: &'a Output,
    ) -> Self {
        Self { context, indexer, settings, output }
    }

    /// Indexes all files and adds the results to `summary`.
    ///
    /// # Errors
    /// If the catalog or the index cache cannot be read or written. If a single file fails, it is only reported and
    /// counted.
    pub(crate) fn run(&self, files: &[SourceFile], summary: &mut Summary) -> Result<()> {
        interrupt::install_handler();
        let searcher = Searcher::open(self.context, self.settings, self.output)?;
        // Old comparisons are finished first, so that even a command that is interrupted again makes progress with
        // them.
        self.resume_comparisons(&searcher, summary)?;
        let progress = self.output.progress(files.len(), files.iter().map(|file| file.bytes).sum());
        let mut pending = PendingWork::default();
        let result = in_order_or_idle(
            files.len(),
            self.settings.jobs,
            batch::MAX_DELAY,
            |k| {
                // This is checked before each file, so that Ctrl-C takes effect after the files that are currently
                // decoded.
                if interrupt::is_requested() {
                    return None;
                }
                let indexed = self.indexer.index_file(&files[k]);
                progress.file_done(files[k].bytes, decoded(&indexed));
                Some(indexed)
            },
            |turn| {
                match turn {
                    // The batch can become due while no result arrives, so it is checked below.
                    Turn::Idle => {}
                    Turn::Done(_, Ok(None)) => return Ok(Flow::Stop),
                    Turn::Done(_, Ok(Some(indexed))) => self.record_result(indexed, &mut pending, summary)?,
                    Turn::Done(k, Err(_)) => {
                        self.record_result(Err(internal(&files[k])), &mut pending, summary)?;
                    }
                }
                if pending.batch.is_due() {
                    self.write(&mut pending, summary)?;
                }
                if pending.uncompared.len() >= COMPARE_BATCH_TRACKS {
                    self.refresh_and_compare(&searcher, &mut pending.uncompared, summary)?;
                }
                Ok(Flow::Continue)
            },
        );
        // This is done even after an error or Ctrl-C, so that fingerprinted tracks are stored, searchable and compared.
        let written = self.write(&mut pending, summary);
        let settled = self.refresh_and_compare(&searcher, &mut pending.uncompared, summary);
        (summary.seconds, summary.speed) = (progress.seconds(), progress.speed());
        // Files whose tracks were not written count as not done. The next `refrain index` processes them again.
        summary.not_processed = files.len() - pending.finished_files;
        // The first error is usually the cause of the later ones.
        result.and(written).and(settled)
    }

    /// Compares the tracks that an earlier `refrain index` added but did not compare, because it was killed or failed.
    fn resume_comparisons(&self, searcher: &Searcher<'_>, summary: &mut Summary) -> Result<()> {
        let mut after = None;
        while !interrupt::is_requested() {
            let catalog = self.context.catalog();
            let numbers = self.context.wait(catalog.pending_comparisons(after, PENDING_PAGE_TRACKS))?;
            let Some(last) = numbers.last() else { break };
            after = Some(*last);
            let tracks = self.context.wait(catalog.by_numbers(&numbers))?;
            let mut packed: HashMap<_, _> =
                self.context.wait(catalog.constellations(&numbers))?.into_iter().collect();
            let mut pending = Vec::new();
            for track in tracks.into_iter().filter(|track| track.removed_at.is_none()) {
                let Some(packed) = packed.remove(&track.number) else { continue };
                match Constellation::from_bytes(&packed) {
                    Ok(constellation) => pending.push(UncomparedTrack { track, constellation }),
                    Err(error) => {
                        self.output.note(&format!("refrain: {}: not compared: {error}", track.source));
                        // The track is marked as compared. Otherwise every further `refrain index` would report it
                        // again.
                        self.context.wait(catalog.finish_comparisons(&[track.number], &[]))?;
                    }
                }
            }
            self.refresh_and_compare(searcher, &mut pending, summary)?;
        }
        Ok(())
    }

    fn record_result(
        &self,
        indexed: Result<IndexedFile>,
        pending: &mut PendingWork,
        summary: &mut Summary,
    ) -> Result<()> {
        match indexed {
            Ok(IndexedFile::Known(known)) => {
                let (track, update) = *known;
                self.update(&track, update, summary)?;
                summary.unchanged += 1;
            }
            Ok(IndexedFile::New(new)) => {
                if let Some(damage) = &new.damage {
                    self.output.note(&format!("refrain: {}: {damage}", new.track.source));
                }
                pending.batch.push(*new);
                return Ok(());
            }
            // An error of the catalog ends the command, because it would affect all other files too.
            Err(error) if error.is::<CatalogError>() => return Err(error),
            Err(error) => {
                summary.failed += 1;
                self.output.note(&format!("refrain: {}", error_chain(&error)));
            }
        }
        pending.finished_files += 1;
        Ok(())
    }

    fn update(&self, track: &Track, update: Option<TrackUpdate>, summary: &mut Summary) -> Result<()> {
        if let Some(update) = update {
            self.context.wait(self.context.catalog().update(track.id, update))?;
            summary.metadata_changed += 1;
        }
        Ok(())
    }

    /// Writes the queued tracks to the catalog. If this fails, it is unknown which tracks were written, so all of them
    /// count as not done. The next `refrain index` recognizes those that were written.
    fn write(&self, pending: &mut PendingWork, summary: &mut Summary) -> Result<()> {
        let new = pending.batch.take();
        if new.is_empty() {
            return Ok(());
        }
        let (tracks, rest): (Vec<_>, Vec<_>) =
            new.into_iter().map(|new| (new.track, (new.constellation, new.damage))).unzip();
        let outcomes = self.context.wait(self.context.catalog().add_all(tracks))?;
        for (outcome, (constellation, damage)) in outcomes.into_iter().zip(rest) {
            pending.finished_files += 1;
            let track = match outcome {
                Ok(AddOutcome::Added(track)) => {
                    summary.added += 1;
                    track
                }
                Ok(AddOutcome::Replaced(track)) => {
                    summary.replaced += 1;
                    track
                }
                // Another process has added the same file since it was looked up.
                Ok(AddOutcome::Unchanged(_)) => {
                    summary.unchanged += 1;
                    continue;
                }
                Err(error) => {
                    summary.failed += 1;
                    self.output.note(&format!("refrain: {error}"));
                    continue;
                }
            };
            summary.damaged += usize::from(damage.is_some());
            pending.uncompared.push(UncomparedTrack { track, constellation });
        }
        Ok(())
    }

    /// Makes the new tracks searchable, compares them with all earlier tracks, and stores and prints the
    /// near-duplicates.
    fn refresh_and_compare(
        &self,
        searcher: &Searcher<'_>,
        uncompared: &mut Vec<UncomparedTrack>,
        summary: &mut Summary,
    ) -> Result<()> {
        if uncompared.is_empty() {
            return Ok(());
        }
        // The list is emptied first, so that a failed comparison is not repeated at the end of the command.
        let batch = std::mem::take(uncompared);
        searcher.refresh().context(
            "the tracks are in the catalog, but not in the index cache; the next search updates the cache",
        )?;
        in_order(
            batch.len(),
            self.settings.jobs,
            // All tracks of the list are already searchable, because two of them can be near-duplicates of each other.
            |k| duplicates::find(&batch[k], searcher),
            |k, links| {
                let (track, mut stored, mut messages) = (&batch[k].track, Vec::new(), Vec::new());
                // If the comparison panicked, which is a bug, the track is kept without links.
                for link in links.unwrap_or_else(|_| Ok(Vec::new()))? {
                    let tracks = self.context.wait(self.context.catalog().by_numbers(&[link.of]))?;
                    let Some(of) = tracks.into_iter().next() else { continue };
                    if is_near_duplicate(&link, track, &of) {
                        messages.push(duplicates::message(track, &of.source, link.seconds));
                        stored.push(link);
                    }
                }
                // One transaction stores the links and marks the comparison as done. If the process is killed before
                // it, the next `refrain index` repeats the comparison.
                self.context.wait(self.context.catalog().finish_comparisons(&[track.number], &stored))?;
                messages.iter().for_each(|message| self.output.note(message));
                summary.duplicates += stored.len();
                anyhow::Ok(Flow::Continue)
            },
        )
    }
}

fn internal(file: &SourceFile) -> anyhow::Error {
    anyhow::anyhow!(
        "{}: the thread that indexed it panicked, a bug in refrain; please report it with the file",
        file.source
    )
}

fn decoded(indexed: &Result<IndexedFile>) -> f64 {
    match indexed {
        Ok(IndexedFile::New(new)) => new.track.seconds,
        _ => 0.0,
    }
}
