//! Settings from TOML files.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use super::layer::Layer;
use crate::output::redact_secrets;

/// Reads the settings of Refrain from a file that can have settings of another program, and returns the names of the latter.
/// A file that is not TOML is ignored as a whole.
///
/// # Errors
/// If the file cannot be read, or if a setting of Refrain has a value of the wrong type.
pub(super) fn read_loosely(path: &Path) -> Result<(Layer, Vec<String>)> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read configuration {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok((Layer::default(), vec!["everything, because the file is not TOML".to_owned()]));
    };
    let (mut layer, mut ignored) = (Layer::default(), Vec::new());
    for (name, setting) in single_settings(table) {
        match setting.try_into::<Layer>() {
            Ok(one) => layer = layer.with_fallback(one),
            Err(error) if is_foreign(error.message()) => ignored.push(name),
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

/// Splits a file into its single settings. Returns the name of each setting, and the setting in the tables around it.
fn single_settings(table: toml::Table) -> Vec<(String, toml::Table)> {
    let single = |key: &str, value| toml::Table::from_iter([(key.to_owned(), value)]);
    let mut settings = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                for (name, value) in inner {
                    let setting = single(&key, toml::Value::Table(single(&name, value)));
                    // If the whole table is unknown, all of its settings have the name of the table.
                    let known =
                        single(&key, toml::Value::Table(toml::Table::new())).try_into::<Layer>().is_ok();
                    settings.push((if known { format!("{key}.{name}") } else { key.clone() }, setting));
                }
            }
            value => settings.push((key.clone(), single(&key, value))),
        }
    }
    settings
}

/// Returns true if an error message is about a setting that Refrain does not have.
fn is_foreign(message: &str) -> bool {
    ["unknown field", "missing field"].iter().any(|start| message.starts_with(start))
}

/// Reads a settings file.
///
/// # Errors
/// If the file cannot be read or is not valid TOML, or if a key is unknown, with the number of the line.
pub(super) fn read(path: &Path) -> Result<Layer> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read settings file {}", path.display()))?;
    parse(&text, &format!("settings file {}", path.display()))
}

/// Parses the text of a settings file. `place` is its name in messages.
pub(super) fn parse(text: &str, place: &str) -> Result<Layer> {
    toml::from_str(text).map_err(|error| {
        // The error is not printed as a whole, because it quotes whole lines, which can contain a password.
        let at = error.span().map_or(0, |span| span.start);
        let (before, after) = text.split_at_checked(at).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let key = before[begin..].chars().chain(after.chars()).take_while(|c| !"=\n".contains(*c));
        let (number, key) = (before.matches('\n').count() + 1, key.collect::<String>());
        let what = redact_secrets(error.message());
        anyhow!("{place} is not valid: line {number} ({}): {what}", key.trim())
    })
}
