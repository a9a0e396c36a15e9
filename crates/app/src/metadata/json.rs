//! Reads the metadata of a track from a JSON object.

use serde_json::{Map, Value};

/// Returns the names and values of a JSON object, with numbers and booleans as text. Names whose value is `null` are
/// left out.
///
/// # Errors
/// Returns an error text if the input is not a JSON object, or if a value is not a string, number, boolean or `null`.
pub fn json_cells(text: &[u8]) -> Result<Vec<(String, String)>, String> {
    let object: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| format!("invalid JSON object: {error}"))?;
    object
        .into_iter()
        .filter_map(|(name, value)| plain(&name, value).map(|r| r.map(|v| (name, v))).transpose())
        .collect()
}

fn plain(name: &str, value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        // Spreadsheets export years and codes as numbers. The catalog stores them as text.
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(bool) => Ok(Some(bool.to_string())),
        Value::Array(_) | Value::Object(_) => Err(format!("{name} must be a string, number or boolean")),
    }
}
