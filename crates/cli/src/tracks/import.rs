//! `refrain tracks import`: takes in what `export` wrote.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use refrain_catalog::{AddOutcome, CatalogError, ContentHash, NewTrack};
use refrain_core::fingerprint::Constellation;

use super::export::{FORMAT, Header, Line, VERSION, checksum};
use super::row::Row;
use crate::args::ImportArgs;
use crate::exit::Outcome;
use crate::output::{Output, reason};
use crate::store::Store;

/// Longest line that is read: the constellation of a day of sound, with room.
const LONGEST_LINE: u64 = 64 << 20;

/// Adds the tracks of an export; damaged lines are named and skipped.
pub(super) fn import(args: &ImportArgs, store: &Store, output: &Output) -> Result<Outcome> {
    let name = args.file.display().to_string();
    let cannot = || format!("cannot read {name}");
    let mut lines: Box<dyn BufRead> = if name == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(&args.file).with_context(cannot)?))
    };
    let header = next_line(&mut lines).with_context(cannot)?.unwrap_or_default();
    check_header(&header).with_context(|| name.clone())?;
    let mut library = store.library(output)?;
    let (mut added, mut replaced, mut unchanged, mut damaged) = (0, 0, 0, 0);
    let mut number = 1u64;
    while let Some(line) = next_line(&mut lines).with_context(cannot)? {
        number += 1;
        let track = match read(&line) {
            Ok(track) => track,
            Err(error) => {
                damaged += 1;
                output.note(&format!("refrain: {name} line {number}: {}; track skipped", reason(&error)));
                continue;
            }
        };
        match store.wait(store.catalog().add(track)) {
            Ok(AddOutcome::Added(_)) => added += 1,
            Ok(AddOutcome::Replaced(_)) => replaced += 1,
            Ok(AddOutcome::Unchanged(_)) => unchanged += 1,
            Err(error @ (CatalogError::SourceTaken { .. } | CatalogError::Invalid { .. })) => {
                damaged += 1;
                output.note(&format!("refrain: {name} line {number}: {error}; track skipped"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    store.refresh(&mut library, output)?;
    output.line(&format!("{added} added, {unchanged} unchanged, {replaced} replaced, {damaged} skipped"))?;
    Ok(Outcome::of(added + replaced + unchanged, damaged))
}

/// The next line without its end. One that is too long is cut, which its checksum will show.
fn next_line(lines: &mut dyn BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if lines.take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == LONGEST_LINE {
        lines.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn check_header(line: &[u8]) -> Result<()> {
    let header: Option<Header> = serde_json::from_slice(line).ok();
    match header {
        Some(Header { format, version }) if format == FORMAT => {
            ensure!(
                version <= VERSION,
                "written by a newer refrain (export version {version}, this one reads up to {VERSION}); update refrain"
            );
            Ok(())
        }
        _ => {
            bail!("not an export of tracks: its first line is no header; `refrain tracks export` writes one")
        }
    }
}

/// Reads a line and proves it.
fn read(line: &[u8]) -> Result<NewTrack> {
    let line: Line = serde_json::from_slice(line).context("damaged: no JSON object of a track")?;
    ensure!(checksum(line.track.get()) == line.checksum, "damaged: its checksum is wrong");
    let row: Row = serde_json::from_str(line.track.get()).context("no track")?;
    let packed = row.constellation.context("no track: its constellation is missing")?;
    let constellation = BASE64_STANDARD.decode(packed).context("damaged: its constellation is no base64")?;
    Constellation::from_bytes(&constellation)?;
    let content = blake3::Hash::from_hex(&row.content).context("damaged: its content hash is none")?;
    Ok(NewTrack {
        id: Some(row.id.parse().context("damaged: its id is none")?),
        source: row.source,
        content: ContentHash(*content.as_bytes()),
        seconds: row.seconds,
        metadata: row.metadata,
        rule: row.rule,
        constellation,
    })
}
