//! Targets for files of the search index.

use refrain_core::fingerprint::Constellation;
use refrain_core::fuzzing;

/// Reads a run file with corrected checksums, and the same bytes as a packed constellation.
pub(super) fn run_file(bytes: &[u8]) {
    let _ = fuzzing::read_run(bytes.to_vec());
    let _ = Constellation::from_bytes(bytes);
}

/// Reads a manifest with a corrected checksum.
pub(super) fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = fuzzing::read_manifest(text);
}
