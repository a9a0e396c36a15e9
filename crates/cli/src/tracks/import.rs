//! `refrain tracks import`: adds the tracks of an export to the catalog.

use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use refrain_catalog::{AddOutcome, CatalogError, NearDuplicate, NewTrack, TrackNumber};

use super::format::{ClosingLine, ExportContent, ExportHeader, ExportVerifier, Link};
use super::lines::{header_line, next_line};
use super::row::new_track;
use crate::args::ImportArgs;
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::output::{ItemCounter, Output, error_chain};
use crate::search::Searcher;
use crate::settings::Settings;

/// Number of tracks at which a transaction is written. Each transaction waits for the disk or the network. With 32, an
/// import into a remote database takes up to twice as long. With 128, an error loses up to twice as many tracks, which
/// the next import adds.
const BATCH_TRACKS: usize = 64;

/// Size of packed constellations in bytes at which a transaction is written (16 MiB). This limit is for tracks that are
/// hours long; with songs, [`BATCH_TRACKS`] is reached first. With 32 MiB, transactions and memory are twice as large.
const BATCH_BYTES: usize = 16 << 20;

/// Maximum number of skipped lines that are reported one by one, which fills one screen. Further lines are only
/// counted, because a damaged export can have as many invalid lines as tracks.
const MAX_REPORTED_LINES: usize = 20;

/// Runs `refrain tracks import`. Damaged lines are reported and skipped, and the other lines are imported.
pub(super) fn import(
    args: &ImportArgs,
    context: &CommandContext,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    let name = args.file.display().to_string();
    let cannot = || format!("cannot read {name}");
    let (mut lines, bytes): (Box<dyn BufRead>, _) = if name == "-" {
        (Box::new(std::io::stdin().lock()), None)
    } else {
        let file = File::open(&args.file).with_context(cannot)?;
        let bytes = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        (Box::new(BufReader::new(file)), bytes)
    };
    let header = header_line(&mut lines).with_context(cannot)?;
    let header = ExportHeader::read(&header).with_context(|| name.clone())?;
    // The index is opened before the first line is read, so that an unusable index is reported before an import of
    // several hours.
    let searcher = Searcher::open(context, settings, output)?;
    let mut import = Import {
        context,
        output,
        name: &name,
        pending: Vec::new(),
        bytes: 0,
        counts: ImportCounts::default(),
        imported: Vec::new(),
    };
    let progress = output.count("lines", bytes);
    let result = import.all(&mut lines, &header, &progress);
    drop(progress);
    // This is done even after an error, so that searches find the tracks that were imported.
    let refreshed = searcher.refresh();
    let counts = import.counts;
    output.line(&counts.line())?;
    match result.and(refreshed) {
        Err(error) if counts.done() == 0 => return Err(error),
        Err(error) => output.note(&format!("refrain: {}", error_chain(&error))),
        Ok(()) if !counts.incomplete => return Ok(CommandOutcome::of(counts.done(), counts.skipped)),
        Ok(()) => {}
    }
    Ok(CommandOutcome::Partial)
}

/// Counts of the results of an import.
#[derive(Debug, Default)]
struct ImportCounts {
    added: usize,
    replaced: usize,
    unchanged: usize,
    skipped: usize,
    links: usize,
    /// True if the export is incomplete or its lines differ from those that were written.
    incomplete: bool,
}

impl ImportCounts {
    fn done(&self) -> usize {
        self.added + self.replaced + self.unchanged
    }

    fn line(&self) -> String {
        let Self { added, replaced, unchanged, skipped, links, .. } = self;
        let line = format!("{added} added, {unchanged} unchanged, {replaced} replaced, {skipped} skipped");
        if *links > 0 { format!("{line}, {links} near-duplicates") } else { line }
    }
}

struct Import<'a> {
    context: &'a CommandContext,
    output: &'a Output,
    name: &'a str,
    /// The lines that are not yet written to the catalog: the line number, and the track or the error of the line.
    pending: Vec<(u64, Result<NewTrack>)>,
    bytes: usize,
    counts: ImportCounts,
    /// Numbers of the added and replaced tracks. If the export is complete, it contains all their links, so they need
    /// no comparison.
    imported: Vec<TrackNumber>,
}

impl Import<'_> {
    fn all(
        &mut self,
        lines: &mut dyn BufRead,
        header: &ExportHeader,
        progress: &ItemCounter<'_>,
    ) -> Result<()> {
        let mut verifier = ExportVerifier::default();
        let read = self.read(lines, &mut verifier, progress);
        // This is done even after an error, so that the tracks that were already read are imported.
        let written = self.write();
        self.report_omitted();
        let end = read?;
        written?;
        if header.has_end() {
            self.check_completeness(&verifier, end.as_ref());
        }
        // A complete export contains all links of its tracks. After an incomplete one, the next `refrain index`
        // compares the tracks.
        if end.is_some() && !self.counts.incomplete {
            let imported = std::mem::take(&mut self.imported);
            self.context.wait(self.context.catalog().finish_comparisons(&imported, &[]))?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        lines: &mut dyn BufRead,
        verifier: &mut ExportVerifier,
        progress: &ItemCounter<'_>,
    ) -> Result<Option<ClosingLine>> {
        let mut end = None;
        let mut number = 1;
        while let Some(line) = next_line(lines).with_context(|| format!("cannot read {}", self.name))? {
            number += 1;
            progress.advance(line.len() as u64 + 1);
            match verifier.read(&line) {
                _ if end.is_some() => self.skip(number, "comes after the end of the export"),
                Ok(ExportContent::Track(row)) => self.push(number, new_track(*row))?,
                Ok(ExportContent::Link(link)) => self.link(number, &link)?,
                Ok(ExportContent::ClosingLine(closing)) => end = Some(closing),
                Err(error) => self.push(number, Err(error))?,
            }
        }
        Ok(end)
    }

    fn check_completeness(&mut self, verifier: &ExportVerifier, end: Option<&ClosingLine>) {
        let why = match end {
            None => Some("the last line is missing, the file was truncated".to_owned()),
            Some(end) => verifier.difference(end, self.counts.skipped as u64),
        };
        if let Some(why) = why {
            self.counts.incomplete = true;
            self.output.note(&format!(
                "refrain: {} is incomplete: {why}; the valid lines were imported, repeat the export for the others",
                self.name
            ));
        }
    }

    fn push(&mut self, number: u64, track: Result<NewTrack>) -> Result<()> {
        self.bytes += track.as_ref().map_or(0, |track| track.constellation.len());
        self.pending.push((number, track));
        if self.pending.len() >= BATCH_TRACKS || self.bytes >= BATCH_BYTES {
            self.write()?;
        }
        Ok(())
    }

    /// Writes the pending tracks to the catalog. Reports the errors of tracks and lines in the order of their lines.
    fn write(&mut self) -> Result<()> {
        self.bytes = 0;
        let mut tracks = Vec::new();
        let mut lines = Vec::new();
        for (number, track) in std::mem::take(&mut self.pending) {
            lines.push((number, track.map(|track| tracks.push(track))));
        }
        let mut outcomes = self.context.wait(self.context.catalog().add_all(tracks))?.into_iter();
        for (number, read) in lines {
            match read.map(|()| outcomes.next()) {
                Err(error) => self.skip(number, &error_chain(&error)),
                Ok(Some(Ok(AddOutcome::Added(track)))) => {
                    self.counts.added += 1;
                    self.imported.push(track.number);
                }
                Ok(Some(Ok(AddOutcome::Replaced(track)))) => {
                    self.counts.replaced += 1;
                    self.imported.push(track.number);
                }
                Ok(Some(Ok(AddOutcome::Unchanged(_)))) => self.counts.unchanged += 1,
                Ok(Some(Err(error))) => self.skip(number, &error.to_string()),
                Ok(None) => self.skip(number, "the catalog returned no result"),
            }
        }
        Ok(())
    }

    fn link(&mut self, number: u64, link: &Link) -> Result<()> {
        // The two tracks of the link can be among the pending tracks, so these are written first.
        self.write()?;
        match self.try_link(link)? {
            Ok(()) => self.counts.links += 1,
            Err(why) => self.skip(number, &why),
        }
        Ok(())
    }

    fn try_link(&self, link: &Link) -> Result<Result<(), String>> {
        let mut numbers = Vec::new();
        for id in [&link.track, &link.of] {
            let Ok(id) = id.parse() else { return Ok(Err("damaged: invalid ID".to_owned())) };
            let track = self.context.wait(self.context.catalog().by_id(id))?;
            match track.filter(|track| track.removed_at.is_none()) {
                Some(track) => numbers.push(track.number),
                None => return Ok(Err(format!("track {id} of the link not found"))),
            }
        }
        let link = NearDuplicate { track: numbers[0], of: numbers[1], seconds: link.seconds };
        match self.context.wait(self.context.catalog().link_near_duplicate(link)) {
            Err(error @ CatalogError::Invalid { .. }) => Ok(Err(error.to_string())),
            done => Ok(Ok(done?)),
        }
    }

    fn skip(&mut self, number: u64, why: &str) {
        self.counts.skipped += 1;
        if self.counts.skipped <= MAX_REPORTED_LINES {
            self.output.note(&format!("refrain: {} line {number}: {why}; skipped", self.name));
        }
    }

    /// Prints the number of skipped lines that were not reported one by one. Prints nothing if none exist.
    fn report_omitted(&self) {
        if let Some(more @ 1..) = self.counts.skipped.checked_sub(MAX_REPORTED_LINES) {
            self.output.note(&format!("refrain: {}: {more} more lines skipped", self.name));
        }
    }
}
