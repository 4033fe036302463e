//! Recovery codes: what a player keeps for the day on which their chat is gone. Each works once. They are shown once, and
//! kept as digests under the operator's keys: whoever reads the store can use none.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::strikes::Strikes;
use crate::time::UnixMs;
use crate::verification::code::CodeDigest;

/// Recovery codes of one account.
pub const RECOVERY_CODES: usize = 10;
/// Symbols of a code, of 5 bits each: 60 random bits.
const SYMBOLS: usize = 12;
/// Symbols shown together, with dashes between.
const GROUP: usize = 4;
/// Crockford's: of symbols that look alike (0 and O, 1, I and L, V and U) one is in it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code that nobody may see but the player: cannot be printed, logged or written as JSON.
#[derive(Clone)]
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// From random bytes of a generator fit for secrets; every code is equally likely.
    pub fn from_bytes(random: [u8; 8]) -> Self {
        let bits = u64::from_le_bytes(random);
        let symbol = |place: usize| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize]);
        Self(Zeroizing::new((0..SYMBOLS).map(symbol).collect()))
    }

    /// Reads what somebody typed, in any case, with spaces and dashes between, and with letters for the digits that look
    /// like them. None where it is anything else.
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 4 * SYMBOLS {
            return None;
        }
        let mut symbols = Zeroizing::new(String::with_capacity(SYMBOLS));
        for c in typed.chars() {
            let symbol = match c.to_ascii_uppercase() {
                ' ' | '-' | '\t' | '\u{a0}' | '\u{2010}'..='\u{2013}' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                symbol => symbol,
            };
            if !symbol.is_ascii() || !ALPHABET.contains(&(symbol as u8)) || symbols.len() == SYMBOLS {
                return None;
            }
            symbols.push(symbol);
        }
        (symbols.len() == SYMBOLS).then_some(Self(symbols))
    }

    /// The symbols, for the one place that makes the digest.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As the player is shown it, once: `8F3K-Q2ZT-0XYA`.
    pub fn shown(&self) -> Zeroizing<String> {
        let mut shown = Zeroizing::new(String::with_capacity(SYMBOLS + SYMBOLS / GROUP));
        for (place, symbol) in self.0.chars().enumerate() {
            if place > 0 && place.is_multiple_of(GROUP) {
                shown.push('-');
            }
            shown.push(symbol);
        }
        shown
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(hidden)")
    }
}

/// What is kept of an account's recovery codes, and of tries to guess one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// Of those that were not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    digests: Vec<CodeDigest>,
    /// Wrong ones.
    #[serde(default, skip_serializing_if = "Strikes::is_none")]
    wrong: Strikes,
}

/// What a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryTry {
    /// It was one; it is none any more. So many are left.
    Right {
        /// How many.
        codes_left: usize,
    },
    /// It was none.
    Wrong,
    /// There were too many wrong ones: none counts before then.
    Locked(UnixMs),
}

impl RecoveryCodes {
    /// Whether nothing is kept.
    pub(super) fn is_none(&self) -> bool {
        self.digests.is_empty() && self.wrong.is_none()
    }

    /// Codes that were not used.
    pub fn left(&self) -> usize {
        self.digests.len()
    }

    /// These count from now on, and no others. Wrong tries stay counted.
    pub(super) fn replace(&mut self, digests: Vec<CodeDigest>) {
        self.digests = digests;
    }

    /// Tries a code; a right one is used up. All are compared, also after one was right. `tries` wrong ones within an hour
    /// lock all codes for `lock_ms`.
    pub(super) fn take(&mut self, is_right: impl Fn(&CodeDigest) -> bool, tries: u32, lock_ms: u64, now: UnixMs) -> RecoveryTry {
        if let Some(until) = self.wrong.holds_until(now) {
            return RecoveryTry::Locked(until);
        }
        let right = self.digests.iter().enumerate().fold(None, |found, (place, digest)| if is_right(digest) { Some(place) } else { found });
        match right {
            Some(place) => {
                self.digests.remove(place);
                self.wrong = Strikes::default();
                RecoveryTry::Right { codes_left: self.digests.len() }
            }
            None => {
                self.wrong.count(tries, lock_ms, now);
                RecoveryTry::Wrong
            }
        }
    }

    /// When wrong tries can be forgotten.
    pub(super) fn forget_at(&self, now: UnixMs) -> UnixMs {
        self.wrong.forget_at(now)
    }
}
