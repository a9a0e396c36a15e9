//! Entry points for fuzzing metadata files.

use super::MetadataFile;

/// Reads a CSV file; returns the number of rows that were refused, or nothing if the whole file is.
#[must_use]
pub fn csv(bytes: &[u8]) -> Option<usize> {
    let mut file = MetadataFile::default();
    super::csv::read(bytes, &mut file).ok()?;
    Some(file.bad.len())
}

/// Reads a JSON-lines file; returns the number of rows that were refused.
#[must_use]
pub fn jsonl(bytes: &[u8]) -> usize {
    let mut file = MetadataFile::default();
    super::jsonl::read(bytes, &mut file);
    file.bad.len()
}
