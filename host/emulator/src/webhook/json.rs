//! JSON as Meta writes it: ASCII only, with `\uXXXX` for all else and `\/` for slashes. Signatures are made over this form.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Serialises in Meta's form.
///
/// A value that cannot be JSON (a map with keys that are no strings) becomes `null`.
pub fn to_vec(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    match value.serialize(&mut Serializer::with_formatter(&mut out, MetaFormatter)) {
        Ok(()) => out,
        Err(_) => b"null".to_vec(),
    }
}

struct MetaFormatter;

impl Formatter for MetaFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.bytes().position(|byte| byte == b'/' || !byte.is_ascii()) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut chars = rest[at..].chars();
            match chars.next() {
                Some('/') => writer.write_all(b"\\/")?,
                Some(other) => {
                    for unit in other.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
                None => {}
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn non_ascii_and_slashes_are_escaped_and_read_back_the_same() {
        let value = json!({"body": "äöå https://x \"q\" \\ \n 🎮"});
        let bytes = to_vec(&value);
        let text = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(text, r#"{"body":"\u00e4\u00f6\u00e5 https:\/\/x \"q\" \\ \n \ud83c\udfae"}"#);
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
    }
}
