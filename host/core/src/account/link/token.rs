//! The token that a player's first message carries: 128 random bits that say whose account the contact belongs to. It has so
//! much of chance in it that a plain SHA-256 of it cannot be turned back: that is all that is kept.

use std::fmt;

use ring::digest::{SHA256, digest};
use zeroize::Zeroize;

/// In front of every token: people know what they have found, and texts without it cost nothing.
const PREFIX: &[u8] = b"LINK-";
/// Symbols of a token: 26 of 5 bits carry its 128.
const SYMBOLS: usize = 26;
/// Crockford's base 32: no letter looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Texts longer than that are not looked at.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// So many symbols, and so many digits among them, are a token that somebody cut or mistyped.
const BROKEN_SYMBOLS_MIN: usize = 20;
const BROKEN_DIGITS_MIN: usize = 3;

/// A token. Cannot be printed, logged or written as JSON, and leaves no trace in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken([u8; 16]);

/// What a text has of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InText {
    /// Nothing.
    Nothing,
    /// One that somebody cut or mistyped.
    Broken,
    /// One.
    Token(LinkToken),
}

impl LinkToken {
    /// From random bytes of a generator fit for secrets.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As people see it, for instance `LINK-3ZQ8W-....`.
    pub fn reveal(&self) -> String {
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(PREFIX.len() + SYMBOLS + 4);
        text.push_str("LINK");
        for place in 0..SYMBOLS {
            if place % 5 == 0 && place < SYMBOLS - 1 {
                text.push('-');
            }
            let symbol = (bits >> (5 * (SYMBOLS - 1 - place))) & 31;
            text.push(ALPHABET[symbol as usize] as char);
        }
        text
    }

    /// What is kept of it.
    pub fn hash(&self) -> LinkHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &self.0).as_ref());
        LinkHash(hash)
    }

    /// Looks for one anywhere in a text of at most [`TEXT_BYTES_MAX`].
    pub fn find(text: &str) -> InText {
        let bytes = text.as_bytes();
        if bytes.len() > TEXT_BYTES_MAX {
            return InText::Nothing;
        }
        let mut found = InText::Nothing;
        for (place, window) in bytes.windows(PREFIX.len()).enumerate() {
            let begins = place == 0 || !bytes[place - 1].is_ascii_alphanumeric();
            if window[4] != b'-' || !begins || !window.eq_ignore_ascii_case(PREFIX) {
                continue;
            }
            match read(&bytes[place + PREFIX.len()..]) {
                InText::Nothing => {}
                InText::Broken => found = InText::Broken,
                token => return token,
            }
        }
        found
    }
}

/// Reads symbols and the dashes between them, up to anything else.
fn read(bytes: &[u8]) -> InText {
    let (mut bits, mut symbols, mut digits, mut fits) = (0u128, 0usize, 0usize, true);
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').filter(|byte| **byte != b'-') {
        digits += usize::from(byte.is_ascii_digit());
        // As Crockford reads what people write.
        let byte = match byte.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            byte => byte,
        };
        let value = ALPHABET.iter().position(|known| *known == byte);
        // The first symbol has three bits only.
        fits &= value.is_some_and(|value| symbols > 0 || value < 8);
        bits = bits << 5 | value.unwrap_or_default() as u128;
        symbols += 1;
    }
    match symbols {
        SYMBOLS if fits => InText::Token(LinkToken(bits.to_be_bytes())),
        BROKEN_SYMBOLS_MIN.. if digits >= BROKEN_DIGITS_MIN => InText::Broken,
        _ => InText::Nothing,
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(hidden)")
    }
}

impl Drop for LinkToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// SHA-256 of a token: the name under which it is found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkHash([u8; 32]);

impl fmt::Display for LinkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LinkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkHash({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_is_found_as_people_send_it(bytes in any::<[u8; 16]>(), before in "[ a-zäß:\n]{0,30}", after in "[ .!\n][ a-z0-9]{0,30}", lower in any::<bool>()) {
            let token = LinkToken::from_bytes(bytes);
            let shown = token.reveal();
            prop_assert_eq!(shown.len(), 4 + 5 + SYMBOLS);
            let sent = if lower { shown.to_lowercase() } else { shown.clone() };
            let space = if before.ends_with(|c: char| c.is_ascii_alphanumeric()) { " " } else { "" };
            prop_assert_eq!(LinkToken::find(&format!("{before}{space}{sent}{after}")), InText::Token(token.clone()));
            prop_assert_eq!(LinkToken::find(&shown.replace('0', "o").replace('1', "l")), InText::Token(token));
        }

        #[test]
        fn any_text_is_read_without_harm(text in ".{0,200}", tail in "LINK-[0-9A-Za-z-]{0,60}") {
            let _ = LinkToken::find(&text);
            let _ = LinkToken::find(&format!("{text} {tail}"));
        }

        #[test]
        fn two_tokens_have_two_hashes(one in any::<[u8; 16]>(), other in any::<[u8; 16]>()) {
            prop_assert_eq!(LinkToken(one).hash() == LinkToken(other).hash(), one == other);
        }
    }

    #[test]
    fn what_is_cut_or_mistyped_is_no_ordinary_text() {
        let shown = LinkToken::from_bytes([0x5a; 16]).reveal();
        assert_eq!(LinkToken::find(&shown[..shown.len() - 1]), InText::Broken);
        assert_eq!(LinkToken::find(&format!("{shown}7")), InText::Broken);
        assert_eq!(LinkToken::find(&shown.replace('M', "U")), InText::Broken);
        let two = format!("{} {shown}", &shown[..shown.len() - 1]);
        assert!(matches!(LinkToken::find(&two), InText::Token(_)));
    }

    #[test]
    fn ordinary_texts_have_none() {
        let long = format!("{}{}", " ".repeat(TEXT_BYTES_MAX), LinkToken::from_bytes([1; 16]).reveal());
        for text in
            ["", "LINK", "link-", "hello", "a link-building-strategy-for-everybody", "blink-182 and the rest", "LINK-1234", "UNLINK", &long]
        {
            assert_eq!(LinkToken::find(text), InText::Nothing, "{text}");
        }
    }

    #[test]
    fn nothing_of_it_in_debug() {
        let token = LinkToken::from_bytes([0x5a; 16]);
        assert_eq!(format!("{token:?}"), "LinkToken(hidden)");
    }
}
