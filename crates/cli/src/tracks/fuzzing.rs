//! Function with which the fuzz target calls the parser of exports.

use super::format::{ExportContent, ExportHeader, ExportVerifier};
use super::row::new_track;

/// Parses a header and lines in the same way as `tracks import`, and returns the number of valid tracks.
#[must_use]
pub fn export(bytes: &[u8]) -> usize {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let header = ExportHeader::read(lines.next().unwrap_or_default());
    if header.is_err() {
        return 0;
    }
    let mut verifier = ExportVerifier::default();
    let track = |line: &[u8]| match verifier.read(line) {
        Ok(ExportContent::Track(row)) => new_track(*row).ok(),
        _ => None,
    };
    lines.filter_map(track).count()
}
