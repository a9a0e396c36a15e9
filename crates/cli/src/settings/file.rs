//! Settings from a TOML file.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use super::layer::Layer;
use crate::output::without_secrets;

/// Reads Refrain's settings from a file that may hold settings of another program, and returns the names of those. A file
/// that is not TOML is named as a whole. A setting of Refrain with a value of the wrong type is an error.
pub(super) fn read_loosely(path: &Path) -> Result<(Layer, Vec<String>)> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read configuration {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok((Layer::default(), vec!["all of it, which is no TOML".to_owned()]));
    };
    let (mut layer, mut ignored) = (Layer::default(), Vec::new());
    for (name, setting) in single_settings(table) {
        match setting.try_into::<Layer>() {
            Ok(one) => layer = layer.over(one),
            Err(error) if is_foreign(error.message()) => ignored.push(name),
            Err(error) => bail!(
                "configuration {}: {name} is invalid: {}; correct or remove it",
                path.display(),
                without_secrets(error.message())
            ),
        }
    }
    ignored.dedup();
    Ok((layer, ignored))
}

/// The settings of a file one by one, each in the tables around it, with its name.
fn single_settings(table: toml::Table) -> Vec<(String, toml::Table)> {
    let single = |key: &str, value| toml::Table::from_iter([(key.to_owned(), value)]);
    let mut settings = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                for (name, value) in inner {
                    let setting = single(&key, toml::Value::Table(single(&name, value)));
                    // A table that is not ours as a whole is named once.
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

/// Returns true for the message of a setting that Refrain does not have.
fn is_foreign(message: &str) -> bool {
    ["unknown field", "missing field"].iter().any(|start| message.starts_with(start))
}

/// Reads the file; unknown keys are errors that say where.
pub(super) fn read(path: &Path) -> Result<Layer> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read settings file {}", path.display()))?;
    parse(&text, &format!("settings file {}", path.display()))
}

/// Reads the text of a file; `place` is what messages call it.
pub(super) fn parse(text: &str, place: &str) -> Result<Layer> {
    toml::from_str(text).map_err(|error| {
        // Not as it shows itself: it quotes whole lines, and with them perhaps a password.
        let at = error.span().map_or(0, |span| span.start);
        let (before, after) = text.split_at_checked(at).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let key = before[begin..].chars().chain(after.chars()).take_while(|c| !"=\n".contains(*c));
        let (number, key) = (before.matches('\n').count() + 1, key.collect::<String>());
        let what = without_secrets(error.message());
        anyhow!("{place} is not valid: line {number} ({}): {what}", key.trim())
    })
}
