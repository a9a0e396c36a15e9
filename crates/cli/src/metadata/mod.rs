//! Metadata files: CSV or JSON lines with one row of metadata per track.

mod csv;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod jsonl;
mod read;
mod rows;

pub(crate) use rows::MetadataFile;
