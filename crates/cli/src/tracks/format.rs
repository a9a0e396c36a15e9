//! The file format of exports: JSON lines with checksums.
//!
//! ```text
//! {"format":"refrain-tracks","version":2}
//! {"track":{"id":…,"source":…,"metadata":{…},…,"constellation":"base64"},"checksum":"hex"}
//! {"nearDuplicate":{"track":id,"of":id,"seconds":…},"checksum":"hex"}
//! {"end":{"tracks":2,"nearDuplicates":1,"checksum":"hex"},"checksum":"hex"}
//! ```
//! All tracks come first, then the links between them, and then one closing line. The checksum of a line is the first
//! half of the BLAKE3 hash of its content, byte by byte as in the file. The checksum inside the closing line is the
//! first half of the BLAKE3 hash of all previous checksums, concatenated. With it, an import detects missing, repeated
//! and reordered lines.
//!
//! Version 1 had only tracks and no closing line, so the loss of lines at the end could not be detected. Exports of
//! version 1 can still be read. A program that supports only version 1 reports that it has to be updated, because the
//! version number is higher. With an unchanged number, it would report the new lines as damaged tracks.

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::row::TrackRow;

/// Name of the format in the header.
const FORMAT: &str = "refrain-tracks";
/// Version of the format that is written. It is also the newest version that can be read.
const VERSION: u32 = 2;
/// The first version of the format that ends with a closing line.
const WITH_END: u32 = 2;

/// The first line of an export, which names the format and its version.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExportHeader {
    format: String,
    version: u32,
}

/// A line after the header. It contains one of the three contents as raw JSON, and the checksum of this content. The
/// other two are `None`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExportLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    near_duplicate: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Box<RawValue>>,
    checksum: String,
}

/// A link between two tracks that share audio, with the shared duration in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Link {
    /// ID of the track that was indexed later.
    pub(super) track: String,
    pub(super) of: String,
    pub(super) seconds: f64,
}

/// Content of the closing line: the numbers of tracks and links in the export, and the checksum over all their lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClosingLine {
    pub(super) tracks: u64,
    pub(super) near_duplicates: u64,
    checksum: String,
}

/// The parsed content of a line after the header.
#[derive(Debug)]
pub(super) enum ExportContent {
    Track(Box<TrackRow>),
    Link(Link),
    ClosingLine(ClosingLine),
}

impl ExportHeader {
    /// Returns the header line of an export by this program.
    pub(super) fn line() -> Result<String> {
        Ok(serde_json::to_string(&Self { format: FORMAT.to_owned(), version: VERSION })?)
    }

    /// Parses a header line.
    ///
    /// # Errors
    /// If the line is not the header of an export, or if its version is newer than [`VERSION`].
    pub(super) fn read(line: &[u8]) -> Result<Self> {
        let header: Option<Self> = serde_json::from_slice(line).ok();
        let Some(header) = header.filter(|header| header.format == FORMAT) else {
            bail!(
                "not an export of tracks: the first line is not a header; use a file of `refrain tracks export`"
            )
        };
        ensure!(
            header.version <= VERSION,
            "written by a newer refrain (export version {}, this one reads up to {VERSION}); update refrain",
            header.version
        );
        Ok(header)
    }

    /// Returns true if exports of this version have a closing line.
    pub(super) fn has_end(&self) -> bool {
        self.version >= WITH_END
    }
}

/// Formats the lines of an export, counts them, and computes the checksum over all lines.
#[derive(Debug, Default)]
pub(super) struct ExportWriter {
    all: blake3::Hasher,
    pub(super) tracks: u64,
    pub(super) links: u64,
}

impl ExportWriter {
    /// Returns the line for a track and counts it.
    pub(super) fn track(&mut self, row: &TrackRow) -> Result<String> {
        self.tracks += 1;
        self.line(|text| ExportLine { track: Some(text), ..ExportLine::default() }, row)
    }

    /// Returns the line for a link and counts it.
    pub(super) fn link(&mut self, link: &Link) -> Result<String> {
        self.links += 1;
        self.line(|text| ExportLine { near_duplicate: Some(text), ..ExportLine::default() }, link)
    }

    /// Returns the closing line for the lines that were formatted before.
    pub(super) fn end(mut self) -> Result<String> {
        let checksum = half_hex(&self.all.finalize());
        let end = ClosingLine { tracks: self.tracks, near_duplicates: self.links, checksum };
        self.line(|text| ExportLine { end: Some(text), ..ExportLine::default() }, &end)
    }

    fn line(&mut self, line: fn(Box<RawValue>) -> ExportLine, content: &impl Serialize) -> Result<String> {
        let text = to_raw_value(content)?;
        let checksum = checksum(&text);
        self.all.update(checksum.as_bytes());
        Ok(serde_json::to_string(&ExportLine { checksum, ..line(text) })?)
    }
}

/// Parses the lines of an export and verifies their checksums.
#[derive(Debug, Default)]
pub(super) struct ExportVerifier {
    all: blake3::Hasher,
    /// Number of lines that were read, without header and closing line.
    lines: u64,
}

impl ExportVerifier {
    /// Parses a line after the header and verifies its checksum.
    ///
    /// # Errors
    /// If the line is damaged, or if it contains values that this program does not support.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<ExportContent> {
        let line: Option<ExportLine> = serde_json::from_slice(line).ok();
        let line =
            // A line has exactly one content. With several, it would be unclear to which one the checksum belongs.
            line.filter(|line| line.end.is_none() || (line.track.is_none() && line.near_duplicate.is_none()));
        if let Some(ExportLine { end: Some(text), checksum, .. }) = &line {
            return Ok(ExportContent::ClosingLine(verified(text, checksum)?));
        }
        self.lines += 1;
        let line = line.context("damaged: not a valid line of an export")?;
        // The checksum is included even if the content is damaged, so that the order of the other lines can still be
        // verified.
        self.all.update(line.checksum.as_bytes());
        match (line.track, line.near_duplicate) {
            (Some(text), None) => Ok(ExportContent::Track(verified(&text, &line.checksum)?)),
            (None, Some(text)) => Ok(ExportContent::Link(verified(&text, &line.checksum)?)),
            _ => bail!("damaged: it must contain either a track or a near-duplicate link"),
        }
    }

    /// Compares the lines that were read with the closing line. Returns the difference as text, or `None` if there is
    /// none. `damaged` is the number of lines that could not be read. If there are any, only the number of lines is
    /// compared, because the checksums of damaged lines can be wrong too.
    pub(super) fn difference(&self, end: &ClosingLine, damaged: u64) -> Option<String> {
        let expected_lines = end.tracks + end.near_duplicates;
        if self.lines < expected_lines {
            return Some(format!(
                "{} of its {expected_lines} lines are missing",
                expected_lines - self.lines
            ));
        }
        // Numbers are compared before checksums. Missing lines are the most common problem, and their message is easier
        // to understand.
        let same =
            self.lines == expected_lines && (damaged > 0 || half_hex(&self.all.finalize()) == end.checksum);
        (!same).then(|| "its lines differ from those that were written, or have another order".to_owned())
    }
}

fn verified<T: DeserializeOwned>(text: &RawValue, written: &str) -> Result<T> {
    // The raw text is hashed, because parsing and formatting could change numbers and spaces.
    ensure!(checksum(text) == written, "damaged: the checksum is wrong");
    serde_json::from_str(text.get())
        .context("written by another program: refrain does not support its values")
}

/// Returns the checksum of a content, computed from its raw text.
fn checksum(text: &RawValue) -> String {
    half_hex(&blake3::hash(text.get().as_bytes()))
}

fn half_hex(hash: &blake3::Hash) -> String {
    let mut text = hash.to_hex().to_string();
    text.truncate(32);
    text
}
