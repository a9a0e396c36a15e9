//! All files: workers learn them, this thread writes them to the catalogue in order.

use anyhow::{Context, Result};
use refrain_catalog::{AddOutcome, CatalogError, Track, TrackNumber, TrackUpdate};
use refrain_core::fingerprint::Constellation;

use super::learn::{Learned, Learner, New};
use super::{Found, Summary, duplicates, interrupt};
use crate::output::{Output, reason};
use crate::search::Searcher;
use crate::settings::Settings;
use crate::store::Store;
use crate::work::{Flow, in_order};

/// New tracks between two updates of the index cache: often enough that an interrupted run leaves little to
/// catch up with, seldom enough that writing the cache costs nothing beside decoding.
const BATCH: usize = 256;

/// One run of the command.
pub(crate) struct Run<'a> {
    store: &'a Store,
    learner: &'a Learner<'a>,
    settings: &'a Settings,
    output: &'a Output,
}

/// A track added by this run, not yet compared with the others.
pub(super) struct Fresh {
    pub(super) track: Track,
    pub(super) constellation: Constellation,
}

impl<'a> Run<'a> {
    /// A run with these settings.
    pub(crate) fn new(
        store: &'a Store,
        learner: &'a Learner<'a>,
        settings: &'a Settings,
        output: &'a Output,
    ) -> Self {
        Self { store, learner, settings, output }
    }

    /// Indexes all files, counting into `summary`.
    ///
    /// # Errors
    /// If the catalogue or the index cache cannot be written; a file that fails is counted and named only.
    pub(crate) fn run(&self, files: &[Found], summary: &mut Summary) -> Result<()> {
        interrupt::listen();
        let searcher = Searcher::open(self.store, self.settings, self.output)?;
        let progress = self.output.progress(files.len(), files.iter().map(|file| file.bytes).sum());
        let mut fresh = Vec::new();
        let mut handled = 0;
        let result = in_order(
            files.len(),
            self.settings.jobs,
            |k| {
                if interrupt::asked() {
                    return None;
                }
                let learned = self.learner.learn(&files[k]);
                progress.file_done(files[k].bytes, decoded(&learned));
                Some(learned)
            },
            |k, learned| {
                let learned = match learned {
                    Ok(None) => return Ok(Flow::Stop),
                    Ok(Some(learned)) => learned,
                    Err(_) => Err(anyhow::anyhow!(
                        "{}: internal error, a bug in refrain; please report it with the file",
                        files[k].source
                    )),
                };
                self.keep(learned, &mut fresh, summary)?;
                handled = k + 1;
                if fresh.len() >= BATCH {
                    self.settle(&searcher, &mut fresh, summary)?;
                }
                Ok(Flow::Continue)
            },
        );
        // Also after an error or Ctrl-C: what is in the catalogue shall be found and compared.
        let settled = self.settle(&searcher, &mut fresh, summary);
        (summary.seconds, summary.speed) = (progress.seconds(), progress.speed());
        summary.left = files.len() - handled;
        result.and(settled)
    }

    fn keep(&self, learned: Result<Learned>, fresh: &mut Vec<Fresh>, summary: &mut Summary) -> Result<()> {
        match learned {
            Ok(Learned::Known(known)) => {
                let (track, update) = *known;
                summary.unchanged += 1;
                self.update(&track, update, summary)
            }
            Ok(Learned::New(new)) => self.add(*new, fresh, summary),
            // No other file would fare better.
            Err(error) if error.is::<CatalogError>() => Err(error),
            Err(error) => {
                summary.failed += 1;
                self.output.note(&format!("refrain: {}", reason(&error)));
                Ok(())
            }
        }
    }

    fn update(&self, track: &Track, update: Option<TrackUpdate>, summary: &mut Summary) -> Result<()> {
        if let Some(update) = update {
            self.store.wait(self.store.catalog().update(track.id, update))?;
            summary.relabelled += 1;
        }
        Ok(())
    }

    fn add(&self, new: New, fresh: &mut Vec<Fresh>, summary: &mut Summary) -> Result<()> {
        if let Some(damage) = new.damage {
            summary.damaged += 1;
            self.output.note(&format!("refrain: {}: {damage}", new.track.source));
        }
        let track = match self.store.wait(self.store.catalog().add(new.track))? {
            AddOutcome::Added(track) => {
                summary.added += 1;
                track
            }
            AddOutcome::Replaced(track) => {
                summary.replaced += 1;
                track
            }
            // Another process was faster.
            AddOutcome::Unchanged(_) => {
                summary.unchanged += 1;
                return Ok(());
            }
        };
        fresh.push(Fresh { track, constellation: new.constellation });
        Ok(())
    }

    /// Makes the new tracks searchable and looks whether their sound was there before.
    fn settle(&self, searcher: &Searcher<'_>, fresh: &mut Vec<Fresh>, summary: &mut Summary) -> Result<()> {
        if fresh.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(fresh);
        searcher.refresh().context(
            "the tracks are in the catalogue, but the index cache could not be brought up to date",
        )?;
        in_order(
            batch.len(),
            self.settings.jobs,
            |k| duplicates::find(&batch[k], searcher),
            |k, links| {
                for link in links.unwrap_or_else(|_| Ok(Vec::new()))? {
                    self.store.wait(self.store.catalog().link_near_duplicate(link.clone()))?;
                    let of = self.source(link.of)?;
                    self.output.note(&duplicates::message(&batch[k].track, &of, link.seconds));
                    summary.duplicates += 1;
                }
                anyhow::Ok(Flow::Continue)
            },
        )
    }

    fn source(&self, number: TrackNumber) -> Result<String> {
        let tracks = self.store.wait(self.store.catalog().by_numbers(&[number]))?;
        Ok(tracks.into_iter().next().map_or_else(|| "a track removed meanwhile".to_owned(), |t| t.source))
    }
}

fn decoded(learned: &Result<Learned>) -> f64 {
    match learned {
        Ok(Learned::New(new)) => new.track.seconds,
        _ => 0.0,
    }
}
