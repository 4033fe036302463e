//! How typed values lie in a store: JSON, the same in both engines.

use questline_core::port::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What most values fit into: they are written without growing the text on the way.
const USUAL_BYTES: usize = 512;

/// The JSON of a value that the store is given.
pub fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    // Our types have no maps with odd keys and no failing `Serialize`: this is for floats that are no numbers and such.
    let mut json = Vec::with_capacity(USUAL_BYTES);
    let written = serde_json::to_writer(&mut json, value).map_err(|error| error.to_string());
    let text = written.and_then(|()| String::from_utf8(json).map_err(|error| error.to_string()));
    text.map_err(|error| StoreError::Corrupt(format!("{what} has no JSON form: {error}")))
}

/// The value that a store holds as JSON. The error says what and where, and never repeats the text: it is personal.
pub fn decode<T: DeserializeOwned>(what: &'static str, json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        StoreError::Corrupt(format!("{what} cannot be read: {:?} error at line {line}, column {column}", error.classify()))
    })
}
