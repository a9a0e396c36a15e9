//! The lines of an export.
//!
//! ```text
//! {"format":"refrain-tracks","version":2}
//! {"track":{"id":…,"source":…,"metadata":{…},…,"constellation":"base64"},"checksum":"hex"}
//! {"nearDuplicate":{"track":id,"of":id,"seconds":…},"checksum":"hex"}
//! {"end":{"tracks":2,"nearDuplicates":1,"checksum":"hex"},"checksum":"hex"}
//! ```
//! All tracks come first, then the links between them, then one closing line. A line's checksum is the first half of
//! the BLAKE3 of what it carries, as the text stands there. The checksum within the closing line is the same of all
//! checksums before it, one behind the other: lines that are missing, doubled or exchanged show.
//!
//! Version 1 had tracks only, and no end, so nobody could tell a whole export from one that was cut between two lines.
//! It is still read. A program that knows only version 1 would call the new lines damaged tracks; so that it says what
//! to do instead (update), this is version 2.

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::row::Row;

/// What the header calls the format.
const FORMAT: &str = "refrain-tracks";
/// Version written, and the newest that is read.
const VERSION: u32 = 2;
/// The first version that ends with a closing line.
const WITH_END: u32 = 2;

/// First line of an export.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    format: String,
    version: u32,
}

/// Every other line, as it stands there: one of the three, and its checksum.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    near_duplicate: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Box<RawValue>>,
    checksum: String,
}

/// Two tracks of the same sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Link {
    /// Id of the later one.
    pub(super) track: String,
    pub(super) of: String,
    pub(super) seconds: f64,
}

/// What was written before the closing line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End {
    pub(super) tracks: u64,
    pub(super) near_duplicates: u64,
    checksum: String,
}

/// What a line carries.
#[derive(Debug)]
pub(super) enum Content {
    Track(Box<Row>),
    Link(Link),
    End(End),
}

impl Header {
    /// The header of what this program writes.
    pub(super) fn line() -> Result<String> {
        Ok(serde_json::to_string(&Self { format: FORMAT.to_owned(), version: VERSION })?)
    }

    /// Reads a header of a version that is known.
    pub(super) fn read(line: &[u8]) -> Result<Self> {
        let header: Option<Self> = serde_json::from_slice(line).ok();
        let Some(header) = header.filter(|header| header.format == FORMAT) else {
            bail!("not an export of tracks: its first line is no header; `refrain tracks export` writes one")
        };
        ensure!(
            header.version <= VERSION,
            "written by a newer refrain (export version {}, this one reads up to {VERSION}); update refrain",
            header.version
        );
        Ok(header)
    }

    /// Whether a closing line is to come.
    pub(super) fn has_end(&self) -> bool {
        self.version >= WITH_END
    }
}

/// Makes the lines of an export.
#[derive(Debug, Default)]
pub(super) struct Seal {
    all: blake3::Hasher,
    pub(super) tracks: u64,
    pub(super) links: u64,
}

impl Seal {
    /// The line of a track.
    pub(super) fn track(&mut self, row: &Row) -> Result<String> {
        self.tracks += 1;
        self.line(|text| Line { track: Some(text), ..Line::default() }, row)
    }

    /// The line of a link.
    pub(super) fn link(&mut self, link: &Link) -> Result<String> {
        self.links += 1;
        self.line(|text| Line { near_duplicate: Some(text), ..Line::default() }, link)
    }

    /// The closing line.
    pub(super) fn end(mut self) -> Result<String> {
        let checksum = half(&self.all.finalize());
        let end = End { tracks: self.tracks, near_duplicates: self.links, checksum };
        self.line(|text| Line { end: Some(text), ..Line::default() }, &end)
    }

    fn line(&mut self, line: fn(Box<RawValue>) -> Line, content: &impl Serialize) -> Result<String> {
        let text = to_raw_value(content)?;
        let checksum = checksum(&text);
        self.all.update(checksum.as_bytes());
        Ok(serde_json::to_string(&Line { checksum, ..line(text) })?)
    }
}

/// Proves the lines of an export.
#[derive(Debug, Default)]
pub(super) struct Proof {
    all: blake3::Hasher,
    /// Lines before the closing one.
    lines: u64,
}

impl Proof {
    /// Reads a line and proves it.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Content> {
        let line: Option<Line> = serde_json::from_slice(line).ok();
        let line =
            line.filter(|line| line.end.is_none() || (line.track.is_none() && line.near_duplicate.is_none()));
        if let Some(Line { end: Some(text), checksum, .. }) = &line {
            return Ok(Content::End(proven(text, checksum)?));
        }
        self.lines += 1;
        let line = line.context("damaged: no JSON object of a track")?;
        // Also where the content is damaged: the others still follow each other.
        self.all.update(line.checksum.as_bytes());
        match (line.track, line.near_duplicate) {
            (Some(text), None) => Ok(Content::Track(proven(&text, &line.checksum)?)),
            (None, Some(text)) => Ok(Content::Link(proven(&text, &line.checksum)?)),
            _ => bail!("damaged: no JSON object of a track"),
        }
    }

    /// Why the lines are not the ones that the closing line tells of; `damaged` of them could not be read.
    pub(super) fn against(&self, end: &End, damaged: u64) -> Option<String> {
        let told = end.tracks + end.near_duplicates;
        if self.lines < told {
            return Some(format!("{} of its {told} lines are missing", told - self.lines));
        }
        let same = self.lines == told && (damaged > 0 || half(&self.all.finalize()) == end.checksum);
        (!same).then(|| "its lines are not those that were written, or not in that order".to_owned())
    }
}

fn proven<T: DeserializeOwned>(text: &RawValue, written: &str) -> Result<T> {
    ensure!(checksum(text) == written, "damaged: its checksum is wrong");
    serde_json::from_str(text.get()).context("written by another program: its values are none that are known")
}

/// The checksum of what a line carries.
fn checksum(text: &RawValue) -> String {
    half(&blake3::hash(text.get().as_bytes()))
}

fn half(hash: &blake3::Hash) -> String {
    let mut text = hash.to_hex().to_string();
    text.truncate(32);
    text
}
