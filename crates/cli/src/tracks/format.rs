//! The file format of exports: JSON lines with checksums.
//!
//! ```text
//! {"format":"refrain-tracks","version":2}
//! {"track":{"id":…,"source":…,"metadata":{…},…,"constellation":"base64"},"checksum":"hex"}
//! {"nearDuplicate":{"track":id,"of":id,"seconds":…},"checksum":"hex"}
//! {"end":{"tracks":2,"nearDuplicates":1,"checksum":"hex"},"checksum":"hex"}
//! ```
//! All tracks come first, then the links between them, then one closing line. The checksum of a line is the first half of
//! the BLAKE3 hash of its content, byte by byte as in the file. The checksum inside the closing line is the first half of
//! the BLAKE3 hash of all previous checksums, concatenated, so that missing, repeated and reordered lines are detected.
//!
//! Version 1 had tracks only and no closing line, so an export that was truncated between two lines could not be detected.
//! It can still be read. A program that supports only version 1 would report the new lines as damaged tracks. The new
//! version number makes it report that it has to be updated instead.

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::row::TrackRow;

/// Name of the format in the header.
const FORMAT: &str = "refrain-tracks";
/// Version that is written, and the newest version that can be read.
const VERSION: u32 = 2;
/// The first version that ends with a closing line.
const WITH_END: u32 = 2;

/// First line of an export.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExportHeader {
    format: String,
    version: u32,
}

/// Any other line: one of the three kinds of content as raw JSON, and its checksum.
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

/// A link between two tracks with the same audio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Link {
    /// ID of the track that was indexed later.
    pub(super) track: String,
    pub(super) of: String,
    pub(super) seconds: f64,
}

/// Content of the closing line: the numbers of lines before it and their common checksum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClosingLine {
    pub(super) tracks: u64,
    pub(super) near_duplicates: u64,
    checksum: String,
}

/// Content of a line after the header.
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
    /// If it is not a header of an export, or if the version is newer than [`VERSION`].
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

/// Writes the lines of an export and computes their common checksum.
#[derive(Debug, Default)]
pub(super) struct ExportWriter {
    all: blake3::Hasher,
    pub(super) tracks: u64,
    pub(super) links: u64,
}

impl ExportWriter {
    /// Returns the line for a track.
    pub(super) fn track(&mut self, row: &TrackRow) -> Result<String> {
        self.tracks += 1;
        self.line(|text| ExportLine { track: Some(text), ..ExportLine::default() }, row)
    }

    /// Returns the line for a link.
    pub(super) fn link(&mut self, link: &Link) -> Result<String> {
        self.links += 1;
        self.line(|text| ExportLine { near_duplicate: Some(text), ..ExportLine::default() }, link)
    }

    /// Returns the closing line.
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

/// Reads the lines of an export and verifies their checksums.
#[derive(Debug, Default)]
pub(super) struct ExportVerifier {
    all: blake3::Hasher,
    /// Number of lines before the closing line.
    lines: u64,
}

impl ExportVerifier {
    /// Parses a line and verifies its checksum.
    ///
    /// # Errors
    /// If the line is damaged, or if its values are unknown.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<ExportContent> {
        let line: Option<ExportLine> = serde_json::from_slice(line).ok();
        let line =
            // A line has one kind of content. Otherwise it is unclear which content the checksum belongs to.
            line.filter(|line| line.end.is_none() || (line.track.is_none() && line.near_duplicate.is_none()));
        if let Some(ExportLine { end: Some(text), checksum, .. }) = &line {
            return Ok(ExportContent::ClosingLine(verified(text, checksum)?));
        }
        self.lines += 1;
        let line = line.context("damaged: not a JSON object of a track")?;
        // Included even if the content is damaged, so that the order of the other lines can still be verified.
        self.all.update(line.checksum.as_bytes());
        match (line.track, line.near_duplicate) {
            (Some(text), None) => Ok(ExportContent::Track(verified(&text, &line.checksum)?)),
            (None, Some(text)) => Ok(ExportContent::Link(verified(&text, &line.checksum)?)),
            _ => bail!("damaged: not a JSON object of a track"),
        }
    }

    /// Compares the lines that were read with the closing line, and returns the difference as text. `damaged` is the number of
    /// lines that could not be read. Their checksums can be damaged too, so with any of them only the number of lines is
    /// compared.
    pub(super) fn difference(&self, end: &ClosingLine, damaged: u64) -> Option<String> {
        let expected_lines = end.tracks + end.near_duplicates;
        if self.lines < expected_lines {
            return Some(format!(
                "{} of its {expected_lines} lines are missing",
                expected_lines - self.lines
            ));
        }
        // The numbers are compared before the checksums, because a missing line is the usual cause and easier to
        // understand.
        let same =
            self.lines == expected_lines && (damaged > 0 || half_hex(&self.all.finalize()) == end.checksum);
        (!same).then(|| "its lines differ from those that were written, or have another order".to_owned())
    }
}

fn verified<T: DeserializeOwned>(text: &RawValue, written: &str) -> Result<T> {
    // The raw text is hashed, because parsing and writing it again could change numbers and spaces.
    ensure!(checksum(text) == written, "damaged: the checksum is wrong");
    serde_json::from_str(text.get()).context("written by another program: the values are unknown")
}

/// Returns the checksum of the content of a line.
fn checksum(text: &RawValue) -> String {
    half_hex(&blake3::hash(text.get().as_bytes()))
}

fn half_hex(hash: &blake3::Hash) -> String {
    let mut text = hash.to_hex().to_string();
    text.truncate(32);
    text
}
