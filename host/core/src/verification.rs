//! One-time codes: a player proves who they are by a code that only their WhatsApp shows. Pure: random bytes, keys and time
//! are given.
//!
//! [`code`] is the code itself and the forms in which it is kept: a digest to compare with, and a sealed copy to send from;
//! neither can be read without the operator's key. [`book`] is what a contact has open, and how it moves: an attempt is
//! counted before anything is compared, a resend kills the code before it, success ends all that the player has open.
//! [`guard`] says how many codes may be asked for: for a contact, an address, a device, a stretch of numbers and a country.
//! All of it belongs to one game: what happens in one neither helps nor hurts another.

pub mod book;
pub mod code;
pub mod country;
pub mod guard;
pub mod measure;
#[cfg(test)]
mod tests;
pub mod trail;
pub mod way;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contact::{Address, Contact};
use crate::id::{DeviceId, PlayerId};
use crate::template::{Category, Template};
use crate::time::{SECOND_MS, UnixMs};
use code::{CodeDigest, SealedCode};
use guard::GuardRules;

/// What a code proves the player for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Getting in.
    Login,
    /// A new account.
    Registration,
    /// A new device.
    DeviceAuthorisation,
    /// A payment, a trade, a refund.
    HighValue,
    /// An answer to an alert.
    SecurityAlert,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Login, Self::Registration, Self::DeviceAuthorisation, Self::HighValue, Self::SecurityAlert];

    /// The name in the API, in game.toml and to flows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Registration => "registration",
            Self::DeviceAuthorisation => "device-authorisation",
            Self::HighValue => "high-value",
            Self::SecurityAlert => "security-alert",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// A verification's name: 128 random bits, so that nobody guesses one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerificationId([u8; 16]);

/// The text names no verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a verification's id is 32 hexadecimal digits")]
pub struct InvalidVerificationId;

impl VerificationId {
    /// From random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From 32 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Result<Self, InvalidVerificationId> {
        code::from_hex(text).map(Self).ok_or(InvalidVerificationId)
    }
}

impl fmt::Display for VerificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whoever knows the whole id may try codes: logs get a part of it.
impl fmt::Debug for VerificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationId({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl TryFrom<String> for VerificationId {
    type Error = InvalidVerificationId;
    fn try_from(text: String) -> Result<Self, InvalidVerificationId> {
        Self::parse(&text)
    }
}

impl From<VerificationId> for String {
    fn from(id: VerificationId) -> String {
        id.to_string()
    }
}

/// Digits of a code, at the least and at most.
pub const DIGITS: std::ops::RangeInclusive<u8> = 4..=10;

/// What a code of one purpose is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRules {
    /// Within [`DIGITS`].
    pub digits: u8,
    /// How long it is good for; no longer than its template says.
    pub life_s: u32,
    /// Wrong tries that end it.
    pub attempts: u8,
}

impl Default for CodeRules {
    /// Six digits, ten minutes, three tries: more than 20 bits and within NIST SP 800-63B's ten minutes for codes out of band.
    fn default() -> Self {
        Self { digits: 6, life_s: 600, attempts: 3 }
    }
}

impl CodeRules {
    /// How long it is good for.
    pub fn life_ms(&self) -> u64 {
        u64::from(self.life_s) * SECOND_MS
    }
}

/// What a game says about codes: `[verification]` in game.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct VerificationRules {
    /// How they go to the player: by the first of these that reaches the contact, and on to the next one if they do not
    /// arrive. At least one, at most [`CHANNELS_MAX`].
    pub channels: Vec<CodeChannel>,
    /// Where a player who did not ask for a code finds help; for templates that name it.
    pub support_link: Option<String>,
    /// What flows of the game call a purpose, beside its own name.
    pub aliases: BTreeMap<String, Purpose>,
    /// Of each purpose; [`Self::of`] knows what is not here.
    pub purposes: BTreeMap<Purpose, CodeRules>,
    /// Of all others.
    pub otherwise: CodeRules,
    /// How many may be asked for.
    pub guards: GuardRules,
}

impl VerificationRules {
    /// What a code for this purpose is like.
    pub fn of(&self, purpose: Purpose) -> CodeRules {
        self.purposes.get(&purpose).copied().unwrap_or(self.otherwise)
    }

    /// The first channel from a place on that reaches this contact, with its place.
    pub fn next_channel(&self, templates: &BTreeMap<String, Template>, contact: &Contact, from: usize) -> Option<(u8, &CodeChannel)> {
        let reaches = |channel: &&CodeChannel| match &channel.by {
            CodeSender::Operation(_) => true,
            CodeSender::Template(name) => templates.get(name).is_some_and(|one| contact.phone().is_some() || !needs_number(one)),
        };
        let mut channels = (0..).zip(&self.channels).skip(from);
        channels.find(|(_, channel)| reaches(channel))
    }

    /// Whether a channel of theirs reaches phone numbers only.
    pub fn wants_number(&self, templates: &BTreeMap<String, Template>) -> bool {
        self.channels.iter().any(|channel| match &channel.by {
            CodeSender::Operation(_) => false,
            CodeSender::Template(name) => templates.get(name).is_some_and(needs_number),
        })
    }
}

/// Meta sends authentication templates to phone numbers only (error 131062).
fn needs_number(template: &Template) -> bool {
    template.category == Category::Authentication
}

/// Channels of one game.
pub const CHANNELS_MAX: usize = 5;

/// One way for codes to the player: one of game.toml's `[[verification.channels]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChannel {
    /// What sends them.
    pub by: CodeSender,
    /// A code that has not arrived after this time goes on to the next channel.
    pub delivered_within_ms: u64,
}

/// What sends a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeSender {
    /// A template of WhatsApp.
    Template(String),
    /// An operation of the studio's backend, which has its own ways: an SMS, an e-mail.
    Operation(String),
}

impl CodeSender {
    /// The template's or operation's name, for logs, metrics and the audit.
    pub fn name(&self) -> &str {
        match self {
            Self::Template(name) | Self::Operation(name) => name,
        }
    }

    /// The template's name, if it is one.
    pub fn template(&self) -> Option<&str> {
        match self {
            Self::Template(name) => Some(name),
            Self::Operation(_) => None,
        }
    }
}

/// Stands in the outbox for a code: what is needed to send it, unless it is dead by then. The code is sealed: whoever reads
/// the store cannot read it, and what sends it holds the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodePromise {
    /// Of which verification.
    pub id: VerificationId,
    /// The how manieth code of it.
    pub send: u32,
    /// What it proves.
    pub purpose: Purpose,
    /// What sends it.
    pub by: CodeSender,
    /// The channel's place in the game's list.
    pub place: u8,
    /// There is no further channel.
    pub is_last: bool,
    /// Of the words.
    pub locale: String,
    /// How long it is good for, from its making on.
    pub life_s: u32,
    /// When it dies.
    pub expires_at: UnixMs,
    /// The code.
    pub sealed: SealedCode,
    /// Whom it is for, where Meta's identity check is on: it reaches no other device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_key_hash: Option<Box<str>>,
}

/// A code that is made and not yet asked for: what a start or a resend hands to the store.
#[derive(Debug, Clone)]
pub struct NewCode {
    /// To compare with.
    pub digest: CodeDigest,
    /// To send from.
    pub sealed: SealedCode,
}

/// A wish for a verification, for [`crate::port::Verifications::start`].
#[derive(Debug, Clone)]
pub struct NewVerification {
    /// Its name.
    pub id: VerificationId,
    /// What for.
    pub purpose: Purpose,
    /// Whose account it is for, if it was named.
    pub player: Option<PlayerId>,
    /// Where its codes go; none where nobody can be reached: then no code is ever right.
    pub to: Option<Address>,
    /// The device that it is asked for on, if it was named: the proof binds the session to it.
    pub device: Option<DeviceId>,
    /// BCP 47, if it is known.
    pub locale: Option<String>,
    /// The code, under this id and as the first of it.
    pub code: NewCode,
    /// A repetition with the same key gives what the first gave; none where there are no repetitions.
    pub key: Option<String>,
}
