//! JSON documents that flows hand over: whole, bounded by their callers, and no deeper than parsers further on take.

use serde::de::IgnoredAny;

/// Levels of arrays and objects: what serde_json takes by default, in the host as in flows.
const DEPTH_MAX: usize = 127;

/// Says what is wrong with a text that is to be a JSON document.
pub(crate) fn check(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    if depth(text) > DEPTH_MAX {
        return Err(format!("it is nested deeper than {DEPTH_MAX} levels"));
    }
    Ok(())
}

/// How deep a whole document is nested. Without recursion: the depth is what is not trusted.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => _ = bytes.next(),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn takes_what_any_parser_takes_and_no_more() {
        for levels in [1, 2, 126, 127, 128, 129, 8000] {
            let text = nested(levels);
            assert_eq!(check(&text).is_ok(), serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{levels} levels");
        }
        for text in ["", "{", "{oops}", "nul", "1 2", "\u{1}", "[1,]"] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brackets_in_texts_do_not_count() {
        let text = format!(r#"{{"a\\\"{}":"{}"}}"#, "[".repeat(200), "{".repeat(200));
        assert_eq!(check(&text), Ok(()));
        assert_eq!(depth(&text), 1);
    }
}
