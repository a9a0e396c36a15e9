//! Targets for files written by users, and for exports of other catalogs.

/// Reads a settings file and checks every value.
pub(super) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = refrain::fuzzing::settings(text);
}

/// Reads a CSV file of metadata.
pub(super) fn metadata_csv(bytes: &[u8]) {
    let _ = refrain::fuzzing::csv(bytes);
}

/// Reads a JSON-lines file of metadata.
pub(super) fn metadata_jsonl(bytes: &[u8]) {
    let _ = refrain::fuzzing::jsonl(bytes);
}

/// Reads an export of a catalog.
pub(super) fn export(bytes: &[u8]) {
    let _ = refrain::fuzzing::export(bytes);
}
