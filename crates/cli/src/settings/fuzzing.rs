//! Entry point for fuzzing settings files.

use super::file;

/// Reads a settings file and checks everything in it; returns true if it is valid.
#[must_use]
pub fn settings(text: &str) -> bool {
    let Ok(layer) = file::parse(text, "fuzz") else { return false };
    let Ok(settings) = layer.check(&[("HOME".into(), "/nowhere".into())]) else { return false };
    settings.service(None).is_ok()
}
