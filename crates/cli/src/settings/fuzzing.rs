//! Entry point to the parser of settings files for the fuzz target.

use super::file;

/// Parses a settings file, checks all settings in it and returns true if they are valid.
#[must_use]
pub fn settings(text: &str) -> bool {
    let Ok(layer) = file::parse(text, "fuzz") else { return false };
    let Ok(settings) = layer.check(&[("HOME".into(), "/nowhere".into())]) else { return false };
    settings.service(None).is_ok()
}
