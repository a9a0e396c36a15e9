//! Entry points to private parsers for the fuzz targets; no part of the interface.

pub use crate::metadata::fuzzing::{csv, jsonl};
pub use crate::settings::fuzzing::settings;
pub use crate::tracks::fuzzing::export;
