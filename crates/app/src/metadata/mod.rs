//! Metadata of a track: named values, checked one by one.

mod fields;
mod json;
mod tags;

pub use fields::{Fields, normalized_name};
pub use json::json_cells;
pub use tags::from_tags;
