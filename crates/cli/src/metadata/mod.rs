//! What people call their tracks, in files with a row for each.

mod csv;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod jsonl;
mod rows;

pub(crate) use rows::MetadataFile;
