//! Reads settings from TOML files.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use super::declare::Fallback;
use super::keys;
use super::layer::Layer;
use crate::limited_file::read_limited;
use crate::output::redact_secrets;

/// Maximum size of a settings file in bytes (1 MiB), which is fifty times the size of docs/service.toml. The limit is
/// needed because the file is read into memory, and a device such as `/dev/zero` has no end.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Advice in the error about a larger file.
const NOT_SETTINGS: &str = "settings files are smaller, check the path";

/// Reads the settings of Refrain from a file that can also contain settings of another program. Returns the settings,
/// and the names of those that do not belong to Refrain. If the file is not TOML, all of it is ignored.
///
/// # Errors
/// If the file cannot be read, or if a setting of Refrain has an invalid value.
pub(super) fn read_loosely(path: &Path) -> Result<(Layer, Vec<String>)> {
    let bytes = read_limited(path, MAX_FILE_BYTES, NOT_SETTINGS)
        .with_context(|| format!("cannot read configuration {}", path.display()))?;
    // The file can belong to another program, so it can have any content.
    let text = String::from_utf8_lossy(&bytes);
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok((Layer::default(), vec!["everything, because the file is not TOML".to_owned()]));
    };
    let (mut layer, mut ignored) = (Layer::default(), Vec::new());
    // Each setting is parsed separately, so that an unknown one does not hide an invalid value of a known one.
    for (name, setting) in single_settings(table) {
        if !setting.iter().all(|(key, value)| keys::is_known(key, value)) {
            ignored.push(name);
            continue;
        }
        match setting.try_into::<Layer>() {
            Ok(one) => layer = layer.with_fallback(one),
            Err(error) => bail!(
                "configuration {}: {name} is invalid: {}; correct or remove it",
                path.display(),
                redact_secrets(error.message())
            ),
        }
    }
    ignored.dedup();
    Ok((layer, ignored))
}

/// Splits a file into its settings. Returns for each setting its name, and a file that contains only this setting.
fn single_settings(table: toml::Table) -> Vec<(String, toml::Table)> {
    let single = |key: &str, value| toml::Table::from_iter([(key.to_owned(), value)]);
    let mut settings = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                for (name, value) in inner {
                    let setting = single(&key, toml::Value::Table(single(&name, value)));
                    // The settings of an unknown table are all reported by the name of the table.
                    let known = keys::is_table(&key);
                    settings.push((if known { format!("{key}.{name}") } else { key.clone() }, setting));
                }
            }
            value => settings.push((key.clone(), single(&key, value))),
        }
    }
    settings
}

/// Reads a settings file that contains only settings of Refrain.
///
/// # Errors
/// If the file cannot be read, is not valid TOML or contains an unknown key. The error contains the number of the line.
pub(super) fn read(path: &Path) -> Result<Layer> {
    let bytes = read_limited(path, MAX_FILE_BYTES, NOT_SETTINGS)
        .with_context(|| format!("cannot read settings file {}", path.display()))?;
    let text =
        String::from_utf8(bytes).with_context(|| format!("cannot read settings file {}", path.display()))?;
    parse(&text, &format!("settings file {}", path.display()))
}

/// Parses the text of a settings file. `place` names the text in messages.
pub(super) fn parse(text: &str, place: &str) -> Result<Layer> {
    toml::from_str(text).map_err(|error| {
        // Only parts of the error are printed, because its full text quotes lines, which can contain a password.
        let at = error.span().map_or(0, |span| span.start);
        let (before, after) = text.split_at_checked(at).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let key = before[begin..].chars().chain(after.chars()).take_while(|c| !"=\n".contains(*c));
        let (number, key) = (before.matches('\n').count() + 1, key.collect::<String>());
        let what = redact_secrets(error.message());
        anyhow!("{place} is not valid: line {number} ({}): {what}", key.trim())
    })
}
