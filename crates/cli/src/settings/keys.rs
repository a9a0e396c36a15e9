//! Looks up declared settings: their variables, their keys, and the help of their flags.

use super::declare::{Declared, DefaultText, Key, Table};
use super::layer::Layer;
use super::sinks;
use super::tables::{MediaLiveTable, SinkTable, StreamTable};

/// Prefix of the environment variables of all settings.
pub(crate) const PREFIX: &str = "REFRAIN_";

/// Maximum length in bytes of a default in the short help of a flag. Longer defaults are only in the long help.
const MAX_SHORT_DEFAULT: usize = 20;

/// Variables that select the settings file, without the prefix. They correspond to no key in the file.
pub(super) const FILE_VARIABLES: [&str; 2] = ["CONFIG", "CONFIG_TOML"];

/// Returns the name of the environment variable of a setting, without the prefix.
fn short_variable(table: &Table, key: &Key) -> String {
    let name =
        if table.name.is_empty() { key.name.to_owned() } else { format!("{}_{}", table.name, key.name) };
    name.to_uppercase()
}

/// Returns the full name of the environment variable of a setting.
pub(crate) fn variable(table: &Table, key: &Key) -> String {
    format!("{PREFIX}{}", short_variable(table, key))
}

/// Returns the settings that are outside of tables in the settings file.
pub(crate) fn plain_keys() -> &'static [Key] {
    Layer::TABLE.keys
}

/// Returns the declared table with this name, or `None` if none exists.
pub(crate) fn table(name: &str) -> Option<&'static Table> {
    Layer::TABLES.iter().copied().find(|table| !table.name.is_empty() && table.name == name)
}

/// Returns true if the settings file has a table with this name.
pub(super) fn is_table(name: &str) -> bool {
    name == "medialive" || table(name).is_some()
}

/// Returns the full names of the variables of settings outside of tables, and of those that select the settings file.
pub(crate) fn plain_variables() -> Vec<String> {
    let mut plain: Vec<_> = plain_keys().iter().map(|key| variable(&Layer::TABLE, key)).collect();
    plain.extend(FILE_VARIABLES.map(|name| format!("{PREFIX}{name}")));
    plain
}

/// Returns the names of all known variables, without the prefix, in alphabetical order.
pub(super) fn known_variables() -> Vec<String> {
    let of = |table: &&'static Table| {
        let table: &'static Table = table;
        table.keys.iter().map(|key| short_variable(table, key))
    };
    let mut known: Vec<String> = Layer::TABLES.iter().flat_map(of).collect();
    known.extend(sinks::known().iter().map(|key| format!("SINK_{key}")));
    known.extend(FILE_VARIABLES.map(str::to_owned));
    known.sort();
    known
}

/// Returns known variables that are similar to the unknown variable `key`: those of the same table, or those outside of
/// tables if there is no such table. `key` is without the prefix; the returned names include it.
pub(super) fn similar_variables(key: &str) -> Vec<String> {
    let start = format!("{}_", key.split_once('_').map_or("", |(table, _)| table));
    let known = known_variables().into_iter().filter(|known| known.starts_with(&start));
    let similar: Vec<_> = known.map(|known| format!("{PREFIX}{known}")).collect();
    if similar.is_empty() { plain_variables() } else { similar }
}

/// Returns true if a part of a settings file belongs to Refrain. `name` is a key outside of tables or the name of a
/// table, and `value` is its content. A table must contain only known keys. Values of the wrong type are accepted, so
/// that they are reported as invalid later.
pub(super) fn is_known(name: &str, value: &toml::Value) -> bool {
    let sink_keys: Vec<&str> = SinkTable::TABLE.keys.iter().map(|key| key.name).collect();
    match (name, value) {
        ("medialive", toml::Value::Table(inner)) => has_only(inner, MediaLiveTable::KEYS),
        ("sinks", toml::Value::Array(entries)) => {
            entries.iter().filter_map(toml::Value::as_table).all(|entry| has_only(entry, &sink_keys))
        }
        ("streams", toml::Value::Array(entries)) => {
            entries.iter().filter_map(toml::Value::as_table).all(|entry| {
                // Another program can have a list with the same name, but its entries do not have both an id and a URL.
                has_only(entry, StreamTable::KEYS)
                    && StreamTable::REQUIRED_KEYS.iter().all(|key| entry.contains_key(*key))
            })
        }
        ("medialive" | "sinks" | "streams", _) => true,
        (name, value) => match (table(name), value) {
            (Some(table), toml::Value::Table(inner)) => {
                let keys: Vec<_> =
                    table.keys.iter().filter(|key| !key.is_secret).map(|key| key.name).collect();
                has_only(inner, &keys)
            }
            (Some(_), _) => true,
            (None, _) => plain_key(name).is_some(),
        },
    }
}

fn has_only(table: &toml::Table, keys: &[&str]) -> bool {
    table.keys().all(|key| keys.contains(&key.as_str()))
}

/// Returns the short help of the flag for the setting `name`: the first paragraph of its help, and its default if it is
/// short.
pub(crate) fn help(name: &str) -> String {
    let Some(key) = plain_key(name) else { return String::new() };
    let summary = paragraphs(key.help).into_iter().next().unwrap_or_default();
    let summary = summary.trim_end_matches('.');
    match default_text(key.default) {
        "none" => summary.to_owned(),
        default if default.len() > MAX_SHORT_DEFAULT => summary.to_owned(),
        default => format!("{summary}. Default: {default}"),
    }
}

/// Returns the long help of the flag for the setting `name`: its help, its range, its default and its variable.
pub(crate) fn long_help(name: &str) -> String {
    let Some(key) = plain_key(name) else { return String::new() };
    let mut parts = paragraphs(key.help);
    parts.push(facts(&Layer::TABLE, key));
    parts.join("\n\n")
}

fn plain_key(name: &str) -> Option<&'static Key> {
    plain_keys().iter().find(|key| key.name == name)
}

/// Joins the lines of a help text to paragraphs. A new paragraph starts after an empty line and at each item of a list.
pub(super) fn paragraphs(help: &[&str]) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in help.iter().map(|line| line.trim()) {
        match paragraphs.last_mut() {
            Some(last) if !last.is_empty() && (line.is_empty() || line.starts_with("- ")) => {
                paragraphs.push(line.to_owned());
            }
            Some(last) => {
                let space = if last.is_empty() { "" } else { " " };
                *last = format!("{last}{space}{line}");
            }
            None => {}
        }
    }
    paragraphs
}

/// Returns a text with the range, the default and the variable of a setting.
pub(super) fn facts(table: &Table, key: &Key) -> String {
    let default =
        if key.is_secret { String::new() } else { format!("Default: {}. ", default_text(key.default)) };
    format!("{}{default}Variable: {}", range(key), variable(table, key))
}

/// Returns the range of a setting as a sentence, followed by a space. Returns an empty text if every value is accepted.
pub(super) fn range(key: &Key) -> String {
    key.limit.text().map(|text| format!("Range: {text}. ")).unwrap_or_default()
}

/// Returns the text of a default, without the quotes of TOML. An empty default is returned as `empty`.
pub(super) fn default_text(default: DefaultText) -> &'static str {
    let (DefaultText::Words(text) | DefaultText::Toml(text)) = default;
    match text.trim_matches('"') {
        "" => "empty",
        text => text,
    }
}

/// Wraps a text between words, so that its lines have at most `width` characters. The first line begins with `start`,
/// and the others begin with `hang`.
pub(crate) fn wrap(text: &str, width: usize, start: &str, hang: &str) -> String {
    let (mut lines, mut column) = (start.to_owned(), start.chars().count());
    for (index, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width {
            lines.push('\n');
            lines.push_str(hang);
            column = hang.chars().count();
        } else if index > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}
