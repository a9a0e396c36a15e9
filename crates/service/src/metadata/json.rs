//! Values of one JSON object.

use serde_json::{Map, Value};

/// Names and values of a JSON object; what is null is left out.
///
/// # Errors
/// If it is none, or a value is no text, number or truth value.
pub fn json_cells(text: &[u8]) -> Result<Vec<(String, String)>, String> {
    let object: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| format!("no JSON object: {error}"))?;
    object
        .into_iter()
        .filter_map(|(name, value)| plain(&name, value).map(|r| r.map(|v| (name, v))).transpose())
        .collect()
}

fn plain(name: &str, value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(bool) => Ok(Some(bool.to_string())),
        Value::Array(_) | Value::Object(_) => Err(format!("{name} is no text, number or truth value")),
    }
}
