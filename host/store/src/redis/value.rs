//! Reads what Redis answers.

use questline_core::id::{ConversationId, GameId};
use questline_core::port::StoreError;
use redis::{RedisError, Value};

/// What was answered instead of what was asked for. Never repeats the answer: it may be personal.
fn odd(value: &Value) -> StoreError {
    match value {
        Value::ServerError(error) => refused(error.code(), error.details().unwrap_or_default()),
        other => {
            let kind = match other {
                Value::Nil => "nothing",
                Value::Int(_) => "a number",
                Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a text",
                _ => "a list",
            };
            StoreError::Corrupt(format!("Redis answered {kind} where something else belongs"))
        }
    }
}

/// A server's refusal. Of an unknown command Redis repeats the arguments: those are personal.
pub(super) fn refused(code: &str, details: &str) -> StoreError {
    let details = details.split(", with args").next().unwrap_or_default();
    match code {
        "WRONGTYPE" => StoreError::Corrupt("a key of this store holds something of another type".to_owned()),
        // A script's own error: what it read makes no sense. The text names script and line, not the data.
        "ERR" if details.contains("user_script") => StoreError::Corrupt(format!("a script failed: {details}")),
        _ => StoreError::Unavailable(format!("Redis refuses: {code} {details}")),
    }
}

/// A call that came to nothing.
pub(super) fn failed(error: &RedisError) -> StoreError {
    match error.code() {
        Some(code) => refused(code, error.detail().unwrap_or_default()),
        None => StoreError::Unavailable(error.to_string()),
    }
}

/// Whether an answer is a refusal.
pub(super) fn check(value: &Value) -> Result<(), StoreError> {
    if matches!(value, Value::ServerError(_)) { Err(odd(value)) } else { Ok(()) }
}

/// The code of a refusal.
pub(super) fn code(value: &Value) -> Option<&str> {
    match value {
        Value::ServerError(error) => Some(error.code()),
        _ => None,
    }
}

pub(super) fn bytes(value: &Value) -> Result<&[u8], StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.as_bytes()),
        other => Err(odd(other)),
    }
}

pub(super) fn optional_bytes(value: &Value) -> Result<Option<&[u8]>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        other => bytes(other).map(Some),
    }
}

pub(super) fn text(value: &Value) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes(value)?).map_err(|_| StoreError::Corrupt("Redis holds a text that is not UTF-8".to_owned()))
}

/// A number, written as one or as a text.
pub(super) fn number(value: &Value) -> Result<u64, StoreError> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| odd(value)),
        other => parse_number(text(other)?),
    }
}

pub(super) fn parse_number(text: &str) -> Result<u64, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("Redis holds no number where one belongs".to_owned()))
}

/// A number, or none where the script wrote an empty text.
pub(super) fn optional_number(value: &Value) -> Result<Option<u64>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) if bytes.is_empty() => Ok(None),
        other => number(other).map(Some),
    }
}

pub(super) fn list(value: &Value) -> Result<&[Value], StoreError> {
    match value {
        Value::Array(values) | Value::Set(values) => Ok(values),
        other => Err(odd(other)),
    }
}

pub(super) fn conversation(value: &Value) -> Result<ConversationId, StoreError> {
    number(value).map(ConversationId)
}

pub(super) fn game(value: &Value) -> Result<GameId, StoreError> {
    GameId::parse(text(value)?).map_err(|_| StoreError::Corrupt("Redis holds no game's name where one belongs".to_owned()))
}

/// Exactly so many values.
pub(super) fn exactly<const N: usize>(values: &[Value]) -> Result<&[Value; N], StoreError> {
    values.try_into().map_err(|_| StoreError::Corrupt(format!("Redis answered {} values where {N} belong", values.len())))
}
