//! Outside text is cut to a bound before anything keeps it.

use std::borrow::Cow;

/// Bytes of Meta's words that are kept of an error.
pub(crate) const DETAIL_BYTES_MAX: usize = 512;

/// The longest start of `text` that has at most `bytes_max` bytes and ends between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// The text, cut; copies only what is kept.
pub(crate) fn cut_owned(text: Cow<'_, str>, bytes_max: usize) -> String {
    match text {
        Cow::Borrowed(text) => cut(text, bytes_max).to_owned(),
        Cow::Owned(mut text) => {
            text.truncate(text.floor_char_boundary(bytes_max));
            text
        }
    }
}

/// Meta's words about an error, fit for logs: one line, cut, and with `#` in place of what may be a phone number, that
/// is of seven or more digits in a row.
pub(crate) fn words(text: &str) -> String {
    const DIGITS_SHOWN_MAX: usize = 6;
    let text = cut(text, DETAIL_BYTES_MAX);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(&rest[..start]);
        if digits > DIGITS_SHOWN_MAX {
            out.push('#');
        } else {
            out.push_str(&rest[start..start + digits]);
        }
        rest = &rest[start + digits..];
    }
    out.push_str(rest);
    if out.contains(char::is_control) { out.replace(char::is_control, " ") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("äöü", 3), "ä");
        assert_eq!(cut("äöü", 6), "äöü");
        assert_eq!(cut_owned(Cow::Owned("äöü".into()), 5), "äö");
        assert_eq!(cut_owned(Cow::Borrowed("äöü"), 0), "");
    }

    #[test]
    fn words_hide_what_may_be_a_phone_number() {
        assert_eq!(words("to +16505551234 failed (131026)"), "to +# failed (131026)");
        assert_eq!(words("code 132000\nname"), "code 132000 name");
        assert_eq!(words("1234567"), "#");
        assert_eq!(words(""), "");
        assert!(words(&"x".repeat(9_000)).len() <= DETAIL_BYTES_MAX);
    }
}
