//! How typed values lie in a store: JSON, the same in both engines.

use questline_core::port::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The JSON of a value that the store is given.
pub fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    // Our types have no maps with odd keys and no failing `Serialize`: this is for floats that are no numbers and such.
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(format!("{what} has no JSON form: {error}")))
}

/// The value that a store holds as JSON. The error says what and where, and never repeats the text: it is personal.
pub fn decode<T: DeserializeOwned>(what: &'static str, json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        StoreError::Corrupt(format!("{what} cannot be read: {:?} error at line {line}, column {column}", error.classify()))
    })
}
