//! Entry points to private parsers for the fuzz targets. They are not part of the public interface.

pub use crate::metadata::fuzzing::{csv, jsonl};
pub use crate::settings::fuzzing::settings;
pub use crate::tracks::fuzzing::export;
