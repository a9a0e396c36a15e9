//! Functions with which the fuzz targets call private parsers. They are not part of the public interface.

pub use crate::metadata::fuzzing::{csv, jsonl};
pub use crate::settings::fuzzing::settings;
pub use crate::tracks::fuzzing::export;
