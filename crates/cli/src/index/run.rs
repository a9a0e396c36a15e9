//! Indexing of all files: workers fingerprint them, and the calling thread writes them to the catalog in order.

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

/// Maximum number of tracks with a pending comparison per database query. Their constellations are read with them, so
/// the number also bounds the memory. Half of it doubles the queries and index refreshes of a resumed run; twice of it
/// doubles the work that is lost if this run is killed as well.
const PENDING_PAGE_TRACKS: u32 = 64;

/// Number of new tracks between two updates of the index cache. It is small enough that an interrupted run leaves
/// little to do for the next one, and large enough that writing the cache takes little time compared with decoding. At
/// half this value, twice as many small runs are written and merged; at twice this value, near-duplicates are reported
/// later and more comparisons are repeated after a kill.
const COMPARE_BATCH_TRACKS: usize = 256;

/// One run of the command.
pub(crate) struct IndexRun<'a> {
    context: &'a CommandContext,
    indexer: &'a FileIndexer<'a>,
    settings: &'a Settings,
    output: &'a Output,
}

/// Work in progress of a run.
#[derive(Default)]
struct PendingWork {
    /// Fingerprinted tracks that are not yet in the catalog.
    batch: TrackBatch,
    /// Tracks in the catalog that were not yet compared with the other tracks.
    uncompared: Vec<UncomparedTrack>,
    /// Number of files whose result is final.
    finished_files: usize,
}

impl<'a> IndexRun<'a> {
    /// Creates a run with these settings.
    pub(crate) fn new(
        context: &'a CommandContext,
        indexer: &'a FileIndexer<'a>,
        settings: &'a Settings,
        output: &'a Output,
    ) -> Self {
        Self { context, indexer, settings, output }
    }

    /// Indexes all files and counts the results in `summary`.
    ///
    /// # Errors
    /// If the catalog or the index cache cannot be read or written. A file that fails is only reported and counted.
    pub(crate) fn run(&self, files: &[SourceFile], summary: &mut Summary) -> Result<()> {
        interrupt::install_handler();
        let searcher = Searcher::open(self.context, self.settings, self.output)?;
        // First, so that a run that is interrupted again has still made progress with the old comparisons.
        self.resume_comparisons(&searcher, summary)?;
        let progress = self.output.progress(files.len(), files.iter().map(|file| file.bytes).sum());
        let mut pending = PendingWork::default();
        let result = in_order_or_idle(
            files.len(),
            self.settings.jobs,
            batch::MAX_DELAY,
            |k| {
                // Checked before each file, so that Ctrl-C takes effect after the files that are being decoded.
                if interrupt::is_requested() {
                    return None;
                }
                let indexed = self.indexer.index_file(&files[k]);
                progress.file_done(files[k].bytes, decoded(&indexed));
                Some(indexed)
            },
            |turn| {
                match turn {
                    // A waiting batch becomes due even if no further result comes.
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
        // Also after an error or Ctrl-C, so that fingerprinted tracks are stored, and stored tracks are searchable and
        // compared.
        let written = self.write(&mut pending, summary);
        let settled = self.refresh_and_compare(&searcher, &mut pending.uncompared, summary);
        (summary.seconds, summary.speed) = (progress.seconds(), progress.speed());
        // Files whose tracks were not written count as not done: the next run processes them again.
        summary.not_processed = files.len() - pending.finished_files;
        // The first error is usually the cause of the later ones.
        result.and(written).and(settled)
    }

    /// Compares the tracks whose comparison an earlier run did not finish, because it was killed or the disk was full.
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
                        // Marked as done, or every further run would report the damaged track again.
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
            // An error of the catalog ends the run, because the other files would fail too.
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

    /// Writes the waiting tracks to the catalog. After an error it is unknown which of them were written, so they count as
    /// not done, and the next run finds those that were.
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
                // Another process has added the same file in the meantime.
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

    /// Makes the new tracks searchable and compares them with the other tracks.
    fn refresh_and_compare(
        &self,
        searcher: &Searcher<'_>,
        uncompared: &mut Vec<UncomparedTrack>,
        summary: &mut Summary,
    ) -> Result<()> {
        if uncompared.is_empty() {
            return Ok(());
        }
        // Taken out first, so that the end of the run does not repeat a batch that failed.
        let batch = std::mem::take(uncompared);
        searcher
            .refresh()
            .context("the tracks are in the catalog, but the index cache could not be updated")?;
        in_order(
            batch.len(),
            self.settings.jobs,
            // All tracks of the batch are searchable by now, because two of them can be near-duplicates.
            |k| duplicates::find(&batch[k], searcher),
            |k, links| {
                let (track, mut stored, mut messages) = (&batch[k].track, Vec::new(), Vec::new());
                // A panic of the comparison is a bug, but the track itself is valid. It then has no links.
                for link in links.unwrap_or_else(|_| Ok(Vec::new()))? {
                    let tracks = self.context.wait(self.context.catalog().by_numbers(&[link.of]))?;
                    let Some(of) = tracks.into_iter().next() else { continue };
                    if is_near_duplicate(&link, track, &of) {
                        messages.push(duplicates::message(track, &of.source, link.seconds));
                        stored.push(link);
                    }
                }
                // One transaction writes the links and marks the comparison as done, so that a comparison that was killed
                // before it is repeated.
                self.context.wait(self.context.catalog().finish_comparisons(&[track.number], &stored))?;
                messages.iter().for_each(|message| self.output.note(message));
                summary.duplicates += stored.len();
                anyhow::Ok(Flow::Continue)
            },
        )
    }
}

fn internal(file: &SourceFile) -> anyhow::Error {
    anyhow::anyhow!("{}: internal error, a bug in refrain; please report it with the file", file.source)
}

fn decoded(indexed: &Result<IndexedFile>) -> f64 {
    match indexed {
        Ok(IndexedFile::New(new)) => new.track.seconds,
        _ => 0.0,
    }
}
