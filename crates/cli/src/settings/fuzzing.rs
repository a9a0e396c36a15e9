//! Function with which the fuzz target calls the parser of settings files.

use super::file;

/// Parses the text of a settings file and checks its settings. Returns true if all of them are valid.
#[must_use]
pub fn settings(text: &str) -> bool {
    let Ok(layer) = file::parse(text, "fuzz") else { return false };
    let Ok(settings) = layer.check(&[("HOME".into(), "/nowhere".into())]) else { return false };
    settings.service(None).is_ok()
}
