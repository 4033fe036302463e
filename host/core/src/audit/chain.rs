//! The chain: each entry's hash covers the hash before it, so that the last one stands for all.
//!
//! What is hashed is laid out so that two different entries never have the same bytes: numbers are 8 bytes, the highest
//! first; texts stand behind their length; what may be missing stands behind a count of 0 or 1.

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{Details, Entry, Noted, Salt};
use crate::id::{GameId, InvalidName};

/// What the first hash of a chain begins with.
const START: &[u8] = b"questline audit chain 1";
/// What an entry's hash begins with.
const ENTRY: &[u8] = b"questline audit entry 1";
/// What the hash of details begins with.
const DETAILS: &[u8] = b"questline audit details 1";

/// 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuditHash(pub [u8; 32]);

impl AuditHash {
    /// From 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let wrong = InvalidName { kind: "a hash", chars_max: 64, alphabet: "hexadecimal digits, 64 of them" };
        crate::hex::bytes(text).map(Self).ok_or(wrong)
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditHash({self})")
    }
}

impl TryFrom<String> for AuditHash {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<AuditHash> for String {
    fn from(hash: AuditHash) -> String {
        hash.to_string()
    }
}

struct Hasher(Context);

impl Hasher {
    fn new(what: &[u8]) -> Self {
        let mut hasher = Self(Context::new(&SHA256));
        hasher.text(what);
        hasher
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.0.update(text);
    }

    fn maybe(&mut self, text: Option<&[u8]>) {
        self.number(text.is_some().into());
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn end(self) -> AuditHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        AuditHash(hash)
    }
}

impl Details {
    /// What stands in the chain for them.
    pub fn hash(&self) -> AuditHash {
        let mut hasher = Hasher::new(DETAILS);
        hasher.text(&self.salt.0);
        hasher.maybe(self.conversation.map(|id| id.0.to_be_bytes()).as_ref().map(|bytes| bytes.as_slice()));
        hasher.maybe(self.player.as_ref().map(|player| player.as_str().as_bytes()));
        hasher.maybe(self.contact.as_ref().map(|contact| contact.as_str().as_bytes()));
        hasher.text(self.text.as_bytes());
        hasher.end()
    }
}

impl Entry {
    /// What its hash has to be behind this one.
    pub fn hash_after(&self, before: &AuditHash) -> AuditHash {
        let mut hasher = Hasher::new(ENTRY);
        hasher.text(&before.0);
        hasher.number(self.seq);
        hasher.number(self.at.0);
        hasher.text(self.game.as_str().as_bytes());
        let (kind, name) = self.actor.parts();
        hasher.text(kind.as_bytes());
        hasher.text(name.as_bytes());
        hasher.text(self.action.as_str().as_bytes());
        hasher.number(self.erases.len() as u64);
        self.erases.iter().for_each(|seq| hasher.number(*seq));
        hasher.text(&self.details_hash.0);
        hasher.end()
    }
}

/// How far a chain has come: together with it, what is cut off at the end is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Entries.
    pub count: u64,
    /// The last one's hash; of an empty chain, that of its game's name.
    pub hash: AuditHash,
}

impl Head {
    /// The head of a game's chain before its first entry.
    pub fn start(game: &GameId) -> Self {
        let mut hasher = Hasher::new(START);
        hasher.text(game.as_str().as_bytes());
        Self { count: 0, hash: hasher.end() }
    }

    /// Makes a record the next entry. The game has to be the chain's.
    pub fn link(&mut self, noted: Noted, salt: Salt) -> Entry {
        let Noted { at, game, conversation, player, contact, actor, action, erases, detail } = noted;
        let details = Details { salt: AuditHash(salt), conversation, player, contact, text: detail };
        let mut entry = Entry {
            seq: self.count + 1,
            at,
            game,
            actor,
            action,
            erases,
            details_hash: details.hash(),
            hash: self.hash,
            details: Some(details),
        };
        entry.hash = entry.hash_after(&self.hash);
        *self = Self { count: entry.seq, hash: entry.hash };
        entry
    }
}
