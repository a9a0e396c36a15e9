//! `refrain tracks export`: every track as a checked line of JSON.
//!
//! ```text
//! {"format":"refrain-tracks","version":1}
//! {"track":{"id":…,"source":…,"metadata":{…},…,"constellation":"base64"},"checksum":"hex"}
//! ```
//! The checksum is the first half of the BLAKE3 of the track's text as it stands in the line.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine};
use refrain_catalog::{Track, TrackFilter, TrackNumber};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::find::pages;
use super::row::Row;
use crate::args::ExportArgs;
use crate::exit::Outcome;
use crate::output::Output;
use crate::store::Store;

/// What the header calls the format.
pub(super) const FORMAT: &str = "refrain-tracks";
/// Version written, and the newest that is read.
pub(super) const VERSION: u32 = 1;

/// Tracks whose constellations are in memory at once.
const PAGE: usize = 64;

/// First line of an export.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) track: Box<RawValue>,
    pub(super) checksum: String,
}

/// The checksum of a track's text.
pub(super) fn checksum(track: &str) -> String {
    let mut hash = blake3::hash(track.as_bytes()).to_hex().to_string();
    hash.truncate(32);
    hash
}

/// Writes all tracks that are not removed.
pub(super) fn export(args: &ExportArgs, store: &Store, output: &Output) -> Result<Outcome> {
    match &args.file {
        None => {
            write(store, |line| Ok(output.line(line)?))?;
        }
        Some(path) => {
            let count = to_file(path, store)?;
            output.line(&format!("{count} tracks exported to {}", path.display()))?;
        }
    }
    Ok(Outcome::Done)
}

/// Writes beside the file and swaps at the end: a backup is never half of one.
fn to_file(path: &Path, store: &Store) -> Result<u64> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file =
        tempfile::Builder::new().prefix(".refrain-export-").tempfile_in(folder).with_context(cannot)?;
    let mut out = std::io::BufWriter::new(file);
    let count = write(store, |line| Ok(writeln!(out, "{line}")?)).with_context(cannot)?;
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(cannot)?;
    file.as_file().sync_all().with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(count)
}

fn write(store: &Store, mut line: impl FnMut(&str) -> Result<()>) -> Result<u64> {
    line(&serde_json::to_string(&Header { format: FORMAT.to_owned(), version: VERSION })?)?;
    let mut count = 0;
    pages(store, &TrackFilter::default(), |page| {
        for part in page.chunks(PAGE) {
            count += write_part(store, part, &mut line)?;
        }
        Ok(())
    })?;
    Ok(count)
}

fn write_part(store: &Store, tracks: &[Track], line: &mut impl FnMut(&str) -> Result<()>) -> Result<u64> {
    let numbers: Vec<TrackNumber> = tracks.iter().map(|track| track.number).collect();
    let mut packed = store.wait(store.catalog().constellations(&numbers))?;
    packed.sort_unstable_by_key(|(number, _)| *number);
    let mut count = 0;
    for track in tracks {
        // A track that was removed since the page was read has none, and is left out.
        let Ok(at) = packed.binary_search_by_key(&track.number, |(number, _)| *number) else { continue };
        let mut row = Row::new(track.clone());
        row.constellation = Some(BASE64_STANDARD.encode(&packed[at].1));
        let track = to_raw_value(&row)?;
        let checksum = checksum(track.get());
        line(&serde_json::to_string(&Line { track, checksum })?)?;
        count += 1;
    }
    Ok(count)
}
