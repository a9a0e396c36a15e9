//! Metadata of a track, from columns of a table, JSON objects or the tags of an audio file.

mod fields;
mod json;
mod tags;

pub use fields::{Fields, normalized_name};
pub use json::json_cells;
pub use tags::from_tags;
