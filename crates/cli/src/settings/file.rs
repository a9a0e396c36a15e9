//! Settings from a TOML file.

use std::path::Path;

use anyhow::{Context, Result};

use super::Layer;

/// Reads the file; unknown keys are errors that say where.
pub(super) fn read(path: &Path) -> Result<Layer> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read settings file {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("settings file {} is not valid", path.display()))
}
