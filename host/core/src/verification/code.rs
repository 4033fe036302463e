//! A code, and the forms in which it is kept.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{DIGITS, VerificationId};

/// Digits that nobody may see but the player: cannot be printed, logged or written as JSON, and leave no trace in memory.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// Draws a code, every one of its length equally likely, from random bytes of a generator fit for secrets. `digits` is
    /// brought into [`DIGITS`].
    pub fn draw<E>(digits: u8, mut random: impl FnMut() -> Result<u64, E>) -> Result<Self, E> {
        let digits = digits.clamp(*DIGITS.start(), *DIGITS.end());
        let range = 10u64.pow(u32::from(digits));
        // What is over the last whole multiple of the range is drawn again: the rest would favour small codes.
        let fair = u64::MAX - u64::MAX % range;
        let mut drawn = random()?;
        while drawn >= fair {
            drawn = random()?;
        }
        let number = drawn % range;
        Ok(Self(Zeroizing::new(format!("{number:0width$}", width = usize::from(digits)))))
    }

    /// Reads what somebody typed: digits, with spaces and dashes between them. None where it is anything else, or too short
    /// or long for any code.
    pub fn parse(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        // A code and as many separators: anything longer is no code, whatever is in it.
        if typed.len() > 4 * usize::from(*DIGITS.end()) || !typed.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let mut digits = Zeroizing::new(String::with_capacity(usize::from(*DIGITS.end())));
        for c in typed.chars() {
            match c {
                '0'..='9' if digits.len() < usize::from(*DIGITS.end()) => digits.push(c),
                ' ' | '-' | '\u{a0}' | '\u{2010}'..='\u{2013}' => {}
                _ => return None,
            }
        }
        (digits.len() >= usize::from(*DIGITS.start())).then_some(Self(digits))
    }

    /// The digits, for the one place that sends them and the one that makes the digest.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(hidden)")
    }
}

/// Names one of the operator's keys; says nothing about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub Box<str>);

/// HMAC-SHA256 over a code, its verification and its place among the codes of it: useless for any other.
#[derive(Clone, Serialize, Deserialize)]
pub struct CodeDigest {
    /// Under which key.
    pub key: KeyId,
    #[serde(with = "hex_tag")]
    tag: [u8; 32],
}

impl CodeDigest {
    /// From the HMAC's bytes.
    pub fn new(key: KeyId, tag: [u8; 32]) -> Self {
        Self { key, tag }
    }

    /// Whether these bytes are the digest's; takes the same time whatever they are.
    pub fn is(&self, tag: &[u8; 32]) -> bool {
        let differing = self.tag.iter().zip(tag).fold(0u8, |differing, (own, other)| differing | (own ^ other));
        std::hint::black_box(differing) == 0
    }
}

impl PartialEq for CodeDigest {
    /// Takes the same time whatever the tags are.
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.is(&other.tag)
    }
}

impl Eq for CodeDigest {}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeDigest(key {})", self.key.0)
    }
}

/// A code under an authenticated cipher, to be sent from: random nonce and ciphertext.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCode {
    /// Under which key.
    pub key: KeyId,
    /// Nonce and ciphertext, hexadecimal.
    pub text: Box<str>,
}

impl fmt::Debug for SealedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCode(key {})", self.key.0)
    }
}

/// The operator's keys for codes: the first makes, all compare and open.
pub trait CodeKeys: Send + Sync {
    /// A digest of the `send`-th code of a verification.
    fn digest(&self, id: &VerificationId, send: u32, code: &Code) -> CodeDigest;

    /// Whether the code is the digest's, in constant time. False where the digest's key is there no more.
    fn matches(&self, id: &VerificationId, send: u32, code: &Code, digest: &CodeDigest) -> bool;

    /// Seals a code for sending. None if the system gives no random bytes.
    fn seal(&self, id: &VerificationId, send: u32, code: &Code) -> Option<SealedCode>;

    /// Opens one. None where its key is there no more, or it is not of this verification.
    fn open(&self, id: &VerificationId, send: u32, sealed: &SealedCode) -> Option<Code>;
}

/// So many bytes of hexadecimal digits in lower case: one name has one way of writing.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    crate::hex::bytes(text).filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()))
}

mod hex_tag {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(tag: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(64);
        for byte in tag {
            text.push_str(&format!("{byte:02x}"));
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        super::from_hex(&text).ok_or_else(|| D::Error::custom("a digest is 64 hexadecimal digits"))
    }
}

impl Drop for CodeDigest {
    fn drop(&mut self) {
        self.tag.zeroize();
    }
}
