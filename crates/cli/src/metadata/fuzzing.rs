//! Entry points to the parsers of metadata files for the fuzz targets.

use super::MetadataFile;

/// Reads a CSV file and returns the number of invalid rows, or `None` if the file as a whole is invalid.
#[must_use]
pub fn csv(bytes: &[u8]) -> Option<usize> {
    let mut file = MetadataFile::default();
    super::csv::read(bytes, &mut file).ok()?;
    Some(file.bad.len())
}

/// Reads a JSON-lines file and returns the number of invalid rows.
#[must_use]
pub fn jsonl(bytes: &[u8]) -> usize {
    let mut file = MetadataFile::default();
    super::jsonl::read(bytes, &mut file);
    file.bad.len()
}
