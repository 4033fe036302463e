//! Small checks on JSON with Meta's wording and codes.

use serde_json::Value;

use crate::graph::error::{MetaError, make};

/// The text under `key`; absent, empty or no text is an error.
pub(crate) fn text<'a>(object: &'a Value, key: &str, path: &str) -> Result<&'a str, MetaError> {
    match &object[key] {
        Value::String(text) if !text.is_empty() => Ok(text),
        Value::Null | Value::String(_) => Err(make::missing(&format!("{path}['{key}']"))),
        _ => Err(make::invalid(format!("Param {path}['{key}'] must be a string."))),
    }
}

/// The text under `key`, if there is one.
pub(crate) fn optional_text<'a>(object: &'a Value, key: &str, path: &str) -> Result<Option<&'a str>, MetaError> {
    match &object[key] {
        Value::String(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ => Err(make::invalid(format!("Param {path}['{key}'] must be a string."))),
    }
}

/// The list under `key`; absent or no list is an error.
pub(crate) fn list<'a>(object: &'a Value, key: &str, path: &str) -> Result<&'a [Value], MetaError> {
    match &object[key] {
        Value::Array(items) => Ok(items),
        Value::Null => Err(make::missing(&format!("{path}['{key}']"))),
        _ => Err(make::invalid(format!("Param {path}['{key}'] must be an array."))),
    }
}

/// The object under `key`; absent or no object is an error.
pub(crate) fn object<'a>(from: &'a Value, key: &str, path: &str) -> Result<&'a Value, MetaError> {
    match &from[key] {
        object @ Value::Object(_) => Ok(object),
        Value::Null => Err(make::missing(&format!("{path}['{key}']"))),
        _ => Err(make::invalid(format!("Param {path}['{key}'] must be a JSON object."))),
    }
}

/// No more characters than Meta allows in a part of an interactive message (131009).
pub(crate) fn length(what: &str, text: &str, chars_max: usize) -> Result<(), MetaError> {
    let is_long = text.len() > chars_max && text.chars().count() > chars_max;
    if text.is_empty() || is_long {
        return Err(make::bad_value(format!("{what} length invalid. Min length: 1, Max length: {chars_max}")));
    }
    Ok(())
}

/// No more characters than Meta allows in a plain parameter (100).
pub(crate) fn param_length(path: &str, text: &str, chars_max: usize) -> Result<(), MetaError> {
    if text.len() > chars_max && text.chars().count() > chars_max {
        return Err(make::invalid(format!("Param {path} must be at most {chars_max} characters long.")));
    }
    Ok(())
}

/// An address of the web.
pub(crate) fn web_url(path: &str, text: &str) -> Result<(), MetaError> {
    let is_web = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_web { Ok(()) } else { Err(make::invalid(format!("Param {path} is not a valid URI."))) }
}
