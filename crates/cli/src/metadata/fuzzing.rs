//! Functions with which the fuzz targets call the parsers of metadata files.

use super::MetadataFile;

/// Parses a CSV file and returns the number of invalid rows, or `None` if the header or the encoding makes the whole
/// file invalid.
#[must_use]
pub fn csv(bytes: &[u8]) -> Option<usize> {
    let mut file = MetadataFile::default();
    super::csv::read(bytes, &mut file).ok()?;
    Some(file.bad.len())
}

/// Parses a JSON-lines file and returns the number of invalid rows.
#[must_use]
pub fn jsonl(bytes: &[u8]) -> usize {
    let mut file = MetadataFile::default();
    super::jsonl::read(bytes, &mut file);
    file.bad.len()
}
