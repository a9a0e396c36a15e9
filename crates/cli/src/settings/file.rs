//! Settings from a TOML file.

use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::layer::Layer;
use crate::output::without_secrets;

/// Reads what is ours of any file, and gives the names of what is not. One that is not TOML is named as a whole.
pub(super) fn read_loosely(path: &Path) -> Result<(Layer, Vec<String>)> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read configuration {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok((Layer::default(), vec!["all of it, which is no TOML".to_owned()]));
    };
    let (mut layer, mut ignored) = (Layer::default(), Vec::new());
    for (key, value) in table {
        match toml::Table::from_iter([(key.clone(), value)]).try_into::<Layer>() {
            Ok(one) => layer = layer.over(one),
            Err(_) => ignored.push(key),
        }
    }
    Ok((layer, ignored))
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
