//! Rows of a JSON-lines file.

use serde_json::{Map, Value};

use super::rows::MetadataFile;

/// Reads all lines; blank ones are no rows.
pub(super) fn read(bytes: &[u8], file: &mut MetadataFile) {
    for (k, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = k as u64 + 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match cells(line) {
            Ok(cells) => file.take(number, cells.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
            Err(reason) => file.reject(number, reason),
        }
    }
}

fn cells(line: &[u8]) -> Result<Vec<(String, String)>, String> {
    let object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
    object
        .into_iter()
        .filter_map(|(name, value)| text(&name, value).map(|r| r.map(|v| (name, v))).transpose())
        .collect()
}

fn text(name: &str, value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(bool) => Ok(Some(bool.to_string())),
        Value::Array(_) | Value::Object(_) => Err(format!("{name} is no text, number or truth value")),
    }
}
