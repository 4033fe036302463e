//! Texts with wildcards: `*` stands for anything, `\*` for an asterisk, all else for itself.

use std::fmt;

use serde_json::Value;

/// A text to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// As it was written.
    written: String,
    /// What stands between the wildcards; one piece where there is none.
    pieces: Vec<String>,
}

impl Pattern {
    /// From the text of a transcript.
    pub(super) fn new(written: &str) -> Self {
        let mut pieces = vec![String::new()];
        let mut characters = written.chars().peekable();
        while let Some(character) = characters.next() {
            let escaped = characters.peek().copied().filter(|next| character == '\\' && matches!(next, '*' | '\\' | '|'));
            match (character, escaped, pieces.last_mut()) {
                (_, Some(escaped), Some(piece)) => {
                    piece.push(escaped);
                    characters.next();
                }
                ('*', None, _) => pieces.push(String::new()),
                (_, None, Some(piece)) => piece.push(character),
                (_, _, None) => {}
            }
        }
        if let [only] = &mut pieces[..] {
            *only = tidy(only);
        }
        Self { written: written.to_owned(), pieces }
    }

    /// Whether the text fits. Spaces at the ends of lines do not count.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text = tidy(text);
        let [first, middle @ .., last] = &self.pieces[..] else {
            return self.pieces.first().is_some_and(|only| *only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Without spaces at the ends of lines, and empty lines around the text.
fn tidy(text: &str) -> String {
    text.trim_matches('\n').lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// Whether a JSON document has all that is expected: objects may have more keys, texts may have wildcards.
pub(super) fn json_has(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| json_has(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| json_has(expected, found))
        }
        (Value::String(expected), Value::String(found)) => Pattern::new(expected).matches(found),
        (Value::Number(expected), Value::Number(found)) => expected.as_f64() == found.as_f64(),
        (expected, found) => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wildcards_stand_for_anything_and_all_else_for_itself() {
        for (pattern, text, fits) in [
            ("Hello", "Hello", true),
            ("Hello", "Hello Nova", false),
            ("*12,500*", "Your balance:\n12,500 Star Crystals", true),
            ("SF-*", "SF-10001", true),
            ("SF-*", "Your SF-10001", false),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("\\*bold\\*", "*bold*", true),
            ("\\*bold\\*", "xboldx", false),
            ("two\nlines", "two  \nlines\n", true),
            ("a\\|b", "a|b", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), fits, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn json_may_have_more_than_is_expected() {
        let found = json!({ "match": "m-1", "players": [1, 2], "more": { "deep": "yes indeed" } });
        assert!(json_has(&json!({ "match": "m-*", "more": { "deep": "yes*" } }), &found));
        assert!(json_has(&json!({ "players": [1.0, 2] }), &found));
        assert!(!json_has(&json!({ "players": [1] }), &found));
        assert!(!json_has(&json!({ "other": null }), &found));
    }
}
