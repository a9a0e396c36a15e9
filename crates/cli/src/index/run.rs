//! Indexing of all files: workers fingerprint them, and the calling thread writes them to the catalog in order.

use std::collections::HashMap;

use anyhow::{Context, Result};
use refrain_catalog::{AddOutcome, CatalogError, Track, TrackUpdate};
use refrain_core::fingerprint::Constellation;

use refrain_app::audio_file::is_near_duplicate;

use super::learn::{Learned, Learner};
use super::waiting::{self, Waiting};
use super::{Found, Summary, duplicates};
use crate::interrupt;
use crate::output::{Output, reason};
use crate::search::Searcher;
use crate::settings::Settings;
use crate::store::Store;
use crate::work::{Flow, Turn, in_order, in_order_or_idle};

/// Maximum number of tracks with a pending comparison per database query.
const PENDING_BATCH: u32 = 64;

/// Number of new tracks between two updates of the index cache. It is small enough that an interrupted run leaves little to
/// do for the next one, and large enough that writing the cache takes little time compared with decoding.
const BATCH: usize = 256;

/// One run of the command.
pub(crate) struct Run<'a> {
    store: &'a Store,
    learner: &'a Learner<'a>,
    settings: &'a Settings,
    output: &'a Output,
}

/// A track in the catalog that was not yet compared with the other tracks.
pub(super) struct Fresh {
    pub(super) track: Track,
    pub(super) constellation: Constellation,
}

/// Work in progress of a run.
#[derive(Default)]
struct Kept {
    /// Fingerprinted tracks that are not yet in the catalog.
    waiting: Waiting,
    /// Tracks in the catalog that were not yet compared with the other tracks.
    fresh: Vec<Fresh>,
    /// Number of files whose result is final.
    handled: usize,
}

impl<'a> Run<'a> {
    /// Creates a run with these settings.
    pub(crate) fn new(
        store: &'a Store,
        learner: &'a Learner<'a>,
        settings: &'a Settings,
        output: &'a Output,
    ) -> Self {
        Self { store, learner, settings, output }
    }

    /// Indexes all files and counts the results in `summary`.
    ///
    /// # Errors
    /// If the catalog or the index cache cannot be read or written. A file that fails is only reported and counted.
    pub(crate) fn run(&self, files: &[Found], summary: &mut Summary) -> Result<()> {
        interrupt::listen();
        let searcher = Searcher::open(self.store, self.settings, self.output)?;
        self.resume_comparisons(&searcher, summary)?;
        let progress = self.output.progress(files.len(), files.iter().map(|file| file.bytes).sum());
        let mut kept = Kept::default();
        let result = in_order_or_idle(
            files.len(),
            self.settings.jobs,
            waiting::LONGEST,
            |k| {
                if interrupt::asked() {
                    return None;
                }
                let learned = self.learner.learn(&files[k]);
                progress.file_done(files[k].bytes, decoded(&learned));
                Some(learned)
            },
            |turn| {
                match turn {
                    Turn::Idle => {}
                    Turn::Done(_, Ok(None)) => return Ok(Flow::Stop),
                    Turn::Done(_, Ok(Some(learned))) => self.keep(learned, &mut kept, summary)?,
                    Turn::Done(k, Err(_)) => self.keep(Err(internal(&files[k])), &mut kept, summary)?,
                }
                if kept.waiting.is_due() {
                    self.write(&mut kept, summary)?;
                }
                if kept.fresh.len() >= BATCH {
                    self.settle(&searcher, &mut kept.fresh, summary)?;
                }
                Ok(Flow::Continue)
            },
        );
        // Also after an error or Ctrl-C, so that fingerprinted tracks are stored, and stored tracks are searchable and
        // compared.
        let written = self.write(&mut kept, summary);
        let settled = self.settle(&searcher, &mut kept.fresh, summary);
        (summary.seconds, summary.speed) = (progress.seconds(), progress.speed());
        summary.left = files.len() - kept.handled;
        result.and(written).and(settled)
    }

    /// Compares the tracks whose comparison an earlier run did not finish, because it was killed or the disk was full.
    fn resume_comparisons(&self, searcher: &Searcher<'_>, summary: &mut Summary) -> Result<()> {
        let mut after = None;
        while !interrupt::asked() {
            let catalog = self.store.catalog();
            let numbers = self.store.wait(catalog.pending_comparisons(after, PENDING_BATCH))?;
            let Some(last) = numbers.last() else { break };
            after = Some(*last);
            let tracks = self.store.wait(catalog.by_numbers(&numbers))?;
            let mut packed: HashMap<_, _> =
                self.store.wait(catalog.constellations(&numbers))?.into_iter().collect();
            let mut pending = Vec::new();
            for track in tracks.into_iter().filter(|track| track.removed_at.is_none()) {
                let Some(packed) = packed.remove(&track.number) else { continue };
                match Constellation::from_bytes(&packed) {
                    Ok(constellation) => pending.push(Fresh { track, constellation }),
                    Err(error) => {
                        self.output.note(&format!("refrain: {}: not compared: {error}", track.source));
                        self.store.wait(catalog.finish_comparisons(&[track.number], &[]))?;
                    }
                }
            }
            self.settle(searcher, &mut pending, summary)?;
        }
        Ok(())
    }

    fn keep(&self, learned: Result<Learned>, kept: &mut Kept, summary: &mut Summary) -> Result<()> {
        match learned {
            Ok(Learned::Known(known)) => {
                let (track, update) = *known;
                self.update(&track, update, summary)?;
                summary.unchanged += 1;
            }
            Ok(Learned::New(new)) => {
                if let Some(damage) = &new.damage {
                    self.output.note(&format!("refrain: {}: {damage}", new.track.source));
                }
                kept.waiting.push(*new);
                return Ok(());
            }
            // An error of the catalog ends the run, because the other files would fail too.
            Err(error) if error.is::<CatalogError>() => return Err(error),
            Err(error) => {
                summary.failed += 1;
                self.output.note(&format!("refrain: {}", reason(&error)));
            }
        }
        kept.handled += 1;
        Ok(())
    }

    fn update(&self, track: &Track, update: Option<TrackUpdate>, summary: &mut Summary) -> Result<()> {
        if let Some(update) = update {
            self.store.wait(self.store.catalog().update(track.id, update))?;
            summary.relabelled += 1;
        }
        Ok(())
    }

    /// Writes the waiting tracks to the catalog. After an error it is unknown which of them were written, so they count as
    /// not done, and the next run finds those that were.
    fn write(&self, kept: &mut Kept, summary: &mut Summary) -> Result<()> {
        let new = kept.waiting.take();
        if new.is_empty() {
            return Ok(());
        }
        let (tracks, rest): (Vec<_>, Vec<_>) =
            new.into_iter().map(|new| (new.track, (new.constellation, new.damage))).unzip();
        let outcomes = self.store.wait(self.store.catalog().add_all(tracks))?;
        for (outcome, (constellation, damage)) in outcomes.into_iter().zip(rest) {
            kept.handled += 1;
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
            kept.fresh.push(Fresh { track, constellation });
        }
        Ok(())
    }

    /// Makes the new tracks searchable and compares them with the other tracks.
    fn settle(&self, searcher: &Searcher<'_>, fresh: &mut Vec<Fresh>, summary: &mut Summary) -> Result<()> {
        if fresh.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(fresh);
        searcher
            .refresh()
            .context("the tracks are in the catalog, but the index cache could not be updated")?;
        in_order(
            batch.len(),
            self.settings.jobs,
            |k| duplicates::find(&batch[k], searcher),
            |k, links| {
                let (track, mut stored, mut messages) = (&batch[k].track, Vec::new(), Vec::new());
                for link in links.unwrap_or_else(|_| Ok(Vec::new()))? {
                    let tracks = self.store.wait(self.store.catalog().by_numbers(&[link.of]))?;
                    let Some(of) = tracks.into_iter().next() else { continue };
                    if is_near_duplicate(&link, track, &of) {
                        messages.push(duplicates::message(track, &of.source, link.seconds));
                        stored.push(link);
                    }
                }
                // One transaction writes the links and marks the comparison as done, so that a comparison that was killed
                // before it is repeated.
                self.store.wait(self.store.catalog().finish_comparisons(&[track.number], &stored))?;
                messages.iter().for_each(|message| self.output.note(message));
                summary.duplicates += stored.len();
                anyhow::Ok(Flow::Continue)
            },
        )
    }
}

fn internal(file: &Found) -> anyhow::Error {
    anyhow::anyhow!("{}: internal error, a bug in refrain; please report it with the file", file.source)
}

fn decoded(learned: &Result<Learned>) -> f64 {
    match learned {
        Ok(Learned::New(new)) => new.track.seconds,
        _ => 0.0,
    }
}
