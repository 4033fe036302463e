//! Linking: which contact belongs to which account, kept on both sides. A player shows a token that only their game could
//! have got; a contact that belongs to another account is let go by a proof for that account first; an account that has a
//! contact already takes another one only when that one approves.
//!
//! A store reads the pages that a change concerns, has them changed here, and writes them in one go. Which accounts those are
//! is partly found out on the way: what is missing is said, and the change is made again with it.

mod book;
pub mod token;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Account, ContactKey};
use crate::contact::Contact;
use crate::conversation::Session;
use crate::id::{DeviceId, NumberId, PlayerId};
use crate::port::AccountKeys;
use crate::time::{DAY_MS, UnixMs};
use crate::verification::VerificationId;
use crate::verification::guard::{Window, dial_code};
pub use book::{Book, change, owner, same};

/// Used and dead tokens are known for so long after their time: a player who comes late is told why.
const TOKEN_KEPT_MS: u64 = DAY_MS;

/// What a game says about links: `[links]` in game.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRules {
    /// How long a token is good for.
    pub valid_s: u32,
    /// How long a contact that is asked whether another may join has for its answer.
    pub approval_s: u32,
    /// Tokens for one player within any hour.
    pub per_player_per_hour: u32,
    /// Wrong tokens of one contact within any hour; beyond it none is looked at.
    pub wrong_per_contact_per_hour: u32,
    /// What the studio's backend is told of links by, if it is to be told.
    pub operation: Option<String>,
}

impl Default for LinkRules {
    fn default() -> Self {
        Self { valid_s: 600, approval_s: 900, per_player_per_hour: 10, wrong_per_contact_per_hour: 5, operation: None }
    }
}

/// Names a link, or a wish for one, to the outside: 64 random bits, and nothing of whom it is about.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkId(Box<str>);

/// The text names no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a link's id is 16 hexadecimal digits")]
pub struct InvalidLinkId;

impl LinkId {
    /// From random bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// From 16 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Result<Self, InvalidLinkId> {
        let fits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text.into())) } else { Err(InvalidLinkId) }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkId({}..)", &self.0[..4])
    }
}

impl TryFrom<String> for LinkId {
    type Error = InvalidLinkId;
    fn try_from(text: String) -> Result<Self, InvalidLinkId> {
        Self::parse(&text)
    }
}

impl From<LinkId> for String {
    fn from(id: LinkId) -> String {
        id.0.into()
    }
}

/// A device that the player asked for the link on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDevice {
    /// In the studio's words.
    pub id: DeviceId,
    /// What the player calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Whose account a contact is to be linked to, and what is known of whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The account.
    pub player: PlayerId,
    /// The device, if it was named: it is bound to the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<NewDevice>,
    /// BCP 47, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// A token as it is kept, under its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptToken {
    /// What it is for.
    pub wish: Wish,
    /// From then on it is worth nothing.
    pub expires_at: UnixMs,
    /// What used it up: the place of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
}

impl KeptToken {
    /// When it can be forgotten.
    pub fn forget_at(&self) -> UnixMs {
        self.expires_at.plus_ms(TOKEN_KEPT_MS)
    }
}

/// What an account keeps of links on their way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linking {
    /// Tokens made within the last hour.
    #[serde(default)]
    pub tokens: Window,
    /// The contact that wants to join, and how its wish stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingLink>,
}

impl Linking {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// When it can be forgotten.
    pub fn forget_at(&self) -> UnixMs {
        let pending = self.pending.as_ref().map_or(UnixMs(0), |pending| pending.expires_at.plus_ms(DAY_MS));
        self.tokens.forget_at(UnixMs(0)).max(pending)
    }
}

/// A contact that wants to join an account that has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLink {
    /// What the answer names.
    pub id: LinkId,
    /// Who wants to join.
    pub contact: Contact,
    /// On which of our numbers.
    pub number: NumberId,
    /// What for.
    pub wish: Wish,
    /// The account that the contact leaves, for which it has proven itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PlayerId>,
    /// What made it: the place of a message.
    pub by: String,
    /// No answer counts from then on.
    pub expires_at: UnixMs,
    /// How it stands.
    pub state: PendingState,
}

/// How a wish to join stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PendingState {
    /// Nobody has answered.
    Open,
    /// Approved by what came in this place.
    Approved(String),
    /// Denied by what came in this place.
    Denied(String),
    /// Nobody answered in time.
    Expired,
}

/// What came, from whom, and where.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// From whom.
    pub contact: Contact,
    /// On which of our numbers.
    pub number: NumberId,
    /// The message's place: what comes again from the same place is answered alike.
    pub by: String,
    /// The account that the contact belongs to as far as others know: the session, the studio.
    pub known: Option<PlayerId>,
    /// The account that whoever writes has just proven to own.
    pub proven: Option<PlayerId>,
    /// A new name, should one be needed.
    pub id: LinkId,
    /// Now.
    pub now: UnixMs,
}

/// Why a token is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongToken {
    /// There is none like it in this game.
    Unknown,
    /// It was used.
    Used,
    /// It came too late.
    Expired,
}

impl WrongToken {
    /// The name in the audit and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown-token",
            Self::Used => "used-token",
            Self::Expired => "expired-token",
        }
    }
}

/// What a token came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// It is worth nothing.
    Wrong(WrongToken),
    /// This contact sent too many wrong ones: it was not looked at.
    TooMany,
    /// It was good, and is used up, unless an account is frozen.
    Good(Wish, Attempt),
}

/// What a wish for a link came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The contact is the account's.
    Linked(Linked),
    /// The contact belongs to another account, which has to be proven first.
    ProveFirst(PlayerId),
    /// The account has contacts, and these are asked.
    Asked {
        /// The wish.
        pending: Box<PendingLink>,
        /// Who is asked; the newest link last.
        of: Vec<LinkedContact>,
    },
    /// The account has as many contacts as it may have.
    Full,
    /// One of the accounts is frozen by its player.
    Frozen,
}

/// A link that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The link.
    pub id: LinkId,
    /// It was there before.
    pub again: bool,
    /// The account that the contact left for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<PlayerId>,
}

/// What a conversation's session waits for a proof for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// What is done then.
    pub deed: Deed,
    /// The verification whose code is waited for: no other proof will do, for it was given for something else.
    pub by: VerificationId,
    /// A proof that comes later does nothing.
    pub until: UnixMs,
    /// Its code came in this step.
    #[serde(skip)]
    pub proven: bool,
}

impl Session {
    /// Notes that the code of a verification came.
    pub fn note_proof(&mut self, by: &VerificationId) {
        if let Some(awaited) = &mut self.awaited {
            awaited.proven = awaited.by == *by;
        }
    }

    /// What is to be done now that its code came, if that is so and not too late.
    pub fn take_proven(&mut self, now: UnixMs) -> Option<Deed> {
        let awaited = self.awaited.take_if(|awaited| awaited.proven)?;
        (now < awaited.until).then_some(awaited.deed)
    }
}

/// What is done once whoever writes has proven themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// The contact leaves one account for another.
    Move {
        /// The account that it leaves: the proof is for it.
        first: PlayerId,
        /// Where it goes.
        wish: Wish,
    },
    /// Another contact may be let into the account.
    Ask(crate::event::AskedLink),
    /// The contact leaves its account.
    Unlink(PlayerId),
}

/// What a contact that was asked says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may join.
    Approve,
    /// It may not.
    Deny,
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It joined.
    Joined(Box<PendingLink>, Linked),
    /// It did not.
    Denied(Box<PendingLink>),
    /// There is no such wish any more.
    Gone,
    /// Whoever answers has to prove themselves first.
    Unproven,
}

/// A contact that is linked to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedContact {
    /// What the outside calls it.
    pub id: LinkId,
    /// Which.
    pub contact: Contact,
    /// The number of ours that it was linked on.
    pub number: NumberId,
    /// Since when.
    pub at: UnixMs,
    /// Its number, id or device changed since: it decides about nothing before it has proven itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
}

/// A page that a change turned out to need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// An account.
    Player(PlayerId),
    /// A contact's record.
    Contact(ContactKey),
}

impl AccountKeys {
    /// These, and one that was missing.
    pub fn with(mut self, missing: Missing) -> Self {
        match missing {
            Missing::Player(player) => self.players.push(player),
            Missing::Contact(key) => self.contacts.push(key),
        }
        self
    }
}

/// A contact as it may be shown to whoever has the account: `+1******100`.
pub fn shown(contact: &Contact) -> String {
    let (Some(phone), _) = (contact.phone(), contact.bsuid()) else {
        return contact.bsuid().map_or_else(String::new, |bsuid| format!("{}.******", bsuid.country()));
    };
    let (digits, dial) = (phone.digits(), dial_code(phone));
    // Of a short number, less is shown: most of it stays hidden.
    let tail = digits.len().saturating_sub(dial.len() + 4).min(3);
    format!("+{dial}******{}", &digits[digits.len() - tail..])
}

impl Account {
    /// Counts a token that is made for it; else when the next one may be.
    pub fn take_token(&mut self, rules: &LinkRules, now: UnixMs) -> Result<(), UnixMs> {
        self.linking.tokens.allows(rules.per_player_per_hour, now)?;
        self.linking.tokens.take(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
