//! What people call their tracks, in files with a row for each.

mod csv;
mod jsonl;
mod rows;

pub(crate) use rows::MetadataFile;
