//! Generates the documents about settings from the declared settings.

use super::declare::{Declared, DefaultText, Key, Table};
use super::keys::{default_text, paragraphs, range, table, variable, wrap};
use super::layer::Layer;

/// Maximum length of a line in `docs/service.toml`, as in the other documents.
const WIDTH: usize = 120;

/// Returns the complete text of `docs/service.toml`.
pub(super) fn service_document() -> String {
    let tables: String = Layer::TABLES.iter().copied().map(table_text).collect();
    format!("{}{tables}{}", include_str!("document/head.toml"), include_str!("document/lists.toml"))
}

/// Returns the text of a table for `docs/service.toml`, with a blank line before each key.
fn table_text(table: &Table) -> String {
    let keys: Vec<String> = table.keys.iter().map(|key| key_text(table, key)).collect();
    if table.name.is_empty() {
        return keys.iter().map(|key| format!("\n{key}")).collect();
    }
    let help: Vec<_> = paragraphs(table.help).iter().map(|paragraph| comment(paragraph)).collect();
    format!("\n\n{}[{}]\n{}", help.join("#\n"), table.name, keys.join("\n"))
}

/// Returns the text of a key for `docs/service.toml`: its help as a comment, and the key with its default or an
/// example.
fn key_text(table: &Table, key: &Key) -> String {
    let help: String = help_lines(key.help).iter().map(|line| comment(line)).collect();
    let variable = variable(table, key);
    let (value, default) = match (key.default, key.example) {
        _ if key.is_secret => return format!("{help}{}", comment(&format!("Variable: {variable}"))),
        (DefaultText::Toml(value), None) => (value, String::new()),
        (DefaultText::Words(words), Some(example)) => (example, format!("Default: {words}. ")),
        _ => panic!("{} needs either a default or an example", key.name),
    };
    let facts = comment(&format!("{}{default}Variable: {variable}", range(key)));
    format!("{help}{facts}{} = {value}\n", key.name)
}

/// Returns the help of a key as lines: one line for each list item, and one for the paragraphs between them.
fn help_lines(help: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in paragraphs(help) {
        match lines.last_mut() {
            Some(last) if !paragraph.starts_with("- ") => *last = format!("{last} {paragraph}"),
            _ => lines.push(paragraph),
        }
    }
    lines
}

/// Formats a text as a comment with wrapped lines. The lines of list items are indented.
fn comment(text: &str) -> String {
    let (start, hang) = if text.starts_with("- ") { ("#   ", "#     ") } else { ("# ", "# ") };
    wrap(text, WIDTH, start, hang) + "\n"
}

/// Returns the table of settings for `docs/guide.md`. It contains the keys outside of tables, the keys of `[database]`,
/// and the path of the settings file.
pub(super) fn guide_table() -> String {
    let mut rows = vec![
        "| Flag | Environment | Key in the file | Default (range) |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    rows.extend(Layer::TABLE.keys.iter().map(|key| row(&Layer::TABLE, key)));
    let database = table("database").unwrap();
    rows.extend(database.keys.iter().map(|key| row(database, key)));
    rows.push(
        "| `--config` | `REFRAIN_CONFIG` | – | `refrain/config.toml` in `$XDG_CONFIG_HOME`, else in `~/.config`, if it exists |"
            .to_owned(),
    );
    rows.join("\n") + "\n"
}

fn row(table: &Table, key: &Key) -> String {
    let flag = key.flag.map_or_else(|| "–".to_owned(), |flag| format!("`{flag}`"));
    let place = if table.name.is_empty() { String::new() } else { format!(" in `[{}]`", table.name) };
    let range = key.limit.text().map(|text| format!(" ({text})")).unwrap_or_default();
    let default = with_code(default_text(key.default));
    format!("| {flag} | `{}` | `{}`{place} | {default}{range} |", variable(table, key), key.name)
}

/// Puts each environment variable and file path in a text into backticks, so that Markdown shows it as code.
fn with_code(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let name = word.trim_matches(['(', ')', ',', ';']);
        let is_path = name.contains('/') && !name.ends_with('/');
        if is_path || name.starts_with('$') {
            word.replacen(name, &format!("`{name}`"), 1)
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
