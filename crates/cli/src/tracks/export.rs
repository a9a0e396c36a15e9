//! `refrain tracks export`: writes all tracks, and the links between them, in the format of [`super::format`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine};
use refrain_catalog::{Catalog, CatalogError, NearDuplicate, Track, TrackFilter, TrackNumber};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::format::{ExportHeader, ExportWriter, Link};
use super::row::TrackRow;
use crate::args::ExportArgs;
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::output::{ItemCounter, Output};

/// Number of tracks that one query reads with their constellations. While a page of tracks is written, the next one is
/// read, so two pages are in memory. With 32, a remote database needs twice the round trips; with 128, the memory
/// doubles, which matters for tracks that are hours long.
const PAGE: u32 = 64;

/// Maximum number of links per database query. A second query reads the tracks of these links, at most two per link. A
/// link has only 24 bytes, so the limit only bounds the length of the second query.
const PAGE_LINKS: u32 = 1000;

/// A page of tracks with their packed constellations.
type Page = Vec<(Track, Vec<u8>)>;

/// Runs `refrain tracks export`. Tracks that were removed from the catalog are not exported.
pub(super) fn export(args: &ExportArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    match &args.file {
        None => {
            // If the lines are printed on a terminal, no progress bar is shown, because it would have to be redrawn
            // after every line.
            let on_screen = std::io::stdout().is_terminal();
            let progress = (!on_screen).then(|| counter(context, output)).transpose()?;
            write(context, progress.as_ref(), |line| Ok(output.line(line)?))?;
        }
        Some(path) => {
            let progress = counter(context, output)?;
            let count = to_file(path, context, &progress)?;
            drop(progress);
            output.line(&format!("{count} tracks exported to {}", path.display()))?;
        }
    }
    Ok(CommandOutcome::Done)
}

fn counter<'a>(context: &CommandContext, output: &'a Output) -> Result<ItemCounter<'a>> {
    Ok(output.count("tracks", Some(context.wait(context.catalog().count())?)))
}

/// Writes the export to a temporary file in the same folder and then renames it, so that the file is never incomplete.
/// If `path` is a pipe or a device, writes directly to it. Returns the number of exported tracks.
fn to_file(path: &Path, context: &CommandContext, progress: &ItemCounter<'_>) -> Result<u64> {
    let cannot = || format!("cannot write {}", path.display());
    let write_to = |file: &File| -> Result<u64> {
        let mut out = std::io::BufWriter::new(file);
        let count = write(context, Some(progress), |line| writeln!(out, "{line}").with_context(cannot))?;
        out.flush().with_context(cannot)?;
        Ok(count)
    };
    if std::fs::metadata(path).is_ok_and(|target| !target.is_file()) {
        return write_to(&File::options().write(true).open(path).with_context(cannot)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file =
        tempfile::Builder::new().prefix(".refrain-export-").tempfile_in(folder).with_context(cannot)?;
    let count = write_to(file.as_file())?;
    file.as_file().sync_all().with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(count)
}

fn write(
    context: &CommandContext,
    progress: Option<&ItemCounter<'_>>,
    mut line: impl FnMut(&str) -> Result<()>,
) -> Result<u64> {
    line(&ExportHeader::line()?)?;
    let mut writer = ExportWriter::default();
    let mut last = None;
    let (mut pages, reading) = read_ahead(context);
    while let Some(page) = context.wait(pages.recv()) {
        for (track, packed) in page? {
            last = Some(track.number);
            let mut row = TrackRow::new(track);
            row.constellation = Some(BASE64_STANDARD.encode(packed));
            line(&writer.track(&row)?)?;
            if let Some(progress) = progress {
                progress.advance(1);
            }
        }
    }
    // If the reader panics, the pages end as well, so the end of the pages alone does not mean success.
    context
        .wait(reading)
        .context("the task that reads the tracks panicked, a bug in refrain; please report it")?;
    if let Some(last) = last {
        write_links(context, last, &mut writer, &mut line)?;
    }
    let tracks = writer.tracks;
    line(&writer.end()?)?;
    Ok(tracks)
}

/// Starts a background task that reads all tracks. It reads one page ahead of the receiver of the channel.
fn read_ahead(context: &CommandContext) -> (mpsc::Receiver<Result<Page, CatalogError>>, JoinHandle<()>) {
    let (sender, pages) = mpsc::channel(1);
    let catalog = context.catalog_handle();
    let reading = context.spawn(async move {
        let mut after = None;
        loop {
            let Some(page) = page(&catalog, &mut after).await.transpose() else { return };
            let failed = page.is_err();
            // Sending fails only if the receiver was dropped, and then no further pages are needed.
            if sender.send(page).await.is_err() || failed {
                return;
            }
        }
    });
    (pages, reading)
}

/// Reads the next page of tracks. `after` is the number of the last track of the previous page, `None` for the first
/// page; it is updated. Returns `None` after the last page.
async fn page(
    catalog: &Arc<dyn Catalog>,
    after: &mut Option<TrackNumber>,
) -> Result<Option<Page>, CatalogError> {
    let tracks = catalog.list(&TrackFilter::default(), *after, PAGE).await?;
    let Some(last) = tracks.last() else { return Ok(None) };
    *after = Some(last.number);
    let numbers: Vec<TrackNumber> = tracks.iter().map(|track| track.number).collect();
    let mut packed: HashMap<_, _> = catalog.constellations(&numbers).await?.into_iter().collect();
    // A track that was removed after the list was read has no constellation, and is left out.
    let complete = tracks.into_iter().filter_map(|track| {
        let packed = packed.remove(&track.number)?;
        Some((track, packed))
    });
    Ok(Some(complete.collect()))
}

/// Writes the links between exported tracks. `last` is the highest track number of the export. Links of tracks with a
/// higher number, which were added during the export, are left out.
fn write_links(
    context: &CommandContext,
    last: TrackNumber,
    writer: &mut ExportWriter,
    line: &mut impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    loop {
        let page = context.wait(context.catalog().list_near_duplicates(after, PAGE_LINKS))?;
        let Some(end) = page.last() else { return Ok(()) };
        after = Some((end.track, end.of));
        let numbers: Vec<TrackNumber> = page.iter().flat_map(|link| [link.track, link.of]).collect();
        let tracks = context.wait(context.catalog().by_numbers(&numbers))?;
        let ids: HashMap<_, _> =
            tracks.into_iter().map(|track| (track.number, track.id.to_string())).collect();
        let written = |link: &&NearDuplicate| link.track.max(link.of) <= last;
        for NearDuplicate { track, of, seconds } in page.iter().filter(written) {
            let (Some(track), Some(of)) = (ids.get(track), ids.get(of)) else { continue };
            line(&writer.link(&Link { track: track.clone(), of: of.clone(), seconds: *seconds })?)?;
        }
    }
}
