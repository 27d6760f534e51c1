//! Reading the bodies of the control port: a misspelt field must be an error, not a silent default.

use serde_json::{Map, Value};

/// The fields of an object that may have these and no others.
pub(crate) fn object<'a>(value: &'a Value, what: &str, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let fields = value
        .as_object()
        .ok_or_else(|| format!("{what} must be an object with {}", known.join(", ")))?;
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(fields),
        Some(key) => Err(format!("{what} has no field {key:?}; it has {}", known.join(", "))),
    }
}

/// A field that must be a string.
pub(crate) fn string(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    optional_string(fields, name)?.ok_or_else(|| format!("{name:?} is missing"))
}

/// A field that may be absent or a string.
pub(crate) fn optional_string(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name:?} must be a string")),
    }
}

/// A field that may be absent or a whole number of at least 0.
pub(crate) fn optional_number(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| format!("{name:?} must be a whole number")),
    }
}

/// A field that may be absent (empty) or a list.
pub(crate) fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("{name:?} must be a list")),
    }
}

/// A field that may be absent (empty) or a list of strings.
pub(crate) fn strings(fields: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    list(fields, name)?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{name:?} must be a list of strings"))
}
