//! What people call a track: from tags, from a metadata file, from `tracks set`.

mod csv;
mod fields;
mod jsonl;
mod rows;
mod tags;

pub(crate) use fields::Fields;
pub(crate) use rows::MetadataFile;
pub(crate) use tags::from_tags;
