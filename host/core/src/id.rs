//! Names of things, each its own type so that one cannot be taken for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be 1 to {chars_max} characters of {alphabet}")]
pub struct InvalidName {
    pub(crate) kind: &'static str,
    pub(crate) chars_max: usize,
    pub(crate) alphabet: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $chars_max:literal, $alphabet:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Takes the text if it is a name of this kind.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || text.len() > $chars_max || !text.bytes().all(allowed) {
                    return Err(InvalidName { kind: $kind, chars_max: $chars_max, alphabet: $alphabet });
                }
                Ok(Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.0)
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn slug(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

name!(
    /// A game: its folder's name under `flows/`.
    GameId, "a game's name", 64, "a-z, 0-9 and -", slug
);
name!(
    /// A flow within a game.
    FlowName, "a flow's name", 64, "a-z, 0-9 and -", slug
);
impl FlowName {
    /// The host's own among the names of flows: its timers bear it, and no game has a flow of that name.
    pub fn host() -> Self {
        Self(crate::game::HOST_FLOW.into())
    }

    /// Whether it is that one.
    pub fn is_host(&self) -> bool {
        self.as_str() == crate::game::HOST_FLOW
    }
}
name!(
    /// A WhatsApp business phone number, by Meta's `phone_number_id` (not the number itself).
    NumberId, "a phone_number_id", 32, "0-9", |byte| byte.is_ascii_digit()
);
name!(
    /// A player's id in the studio's database; opaque.
    PlayerId, "a player's id", 128, "printable ASCII", |byte| byte.is_ascii_graphic()
);
name!(
    /// A device of a player's, in the studio's words: a fingerprint, or the id that the game gave it.
    DeviceId, "a device's id", 128, "printable ASCII", |byte| matches!(byte, b' '..=b'~')
);
name!(
    /// A broadcast, or what else is many messages at once; unique within a game.
    CampaignId, "a campaign's id", 64, "a-z, 0-9 and -", slug
);
name!(
    /// What a player and an agent call a ticket, for instance `SF-1042`.
    TicketNumber, "a ticket's number", 48, "A-Z, a-z, 0-9 and -", |byte| byte.is_ascii_alphanumeric() || byte == b'-'
);

macro_rules! number {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub u64);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// A conversation: all between one contact and one number. Given by the store; below 2^53, so that scripts of a
    /// store can carry it as a double.
    ConversationId
);
number!(
    /// An event's place in its conversation's inbox: rising, unique within the conversation.
    InboxSeq
);
number!(
    /// An outgoing message's place: rising, unique within the conversation.
    OutboxSeq
);
number!(
    /// A dead letter; given by the store, unique within it.
    DeadLetterId
);

/// Names an outgoing message everywhere: also to Meta, as `biz_opaque_callback_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutboxRef {
    /// Whose message.
    pub conversation: ConversationId,
    /// Which one.
    pub seq: OutboxSeq,
}

impl OutboxRef {
    const TAG: &'static str = "q1";

    /// The text that goes to Meta and comes back with every status.
    pub fn to_callback_data(self) -> String {
        format!("{}.{}.{}", Self::TAG, self.conversation, self.seq)
    }

    /// Reads what came back; `None` when it was not ours.
    pub fn from_callback_data(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        if parts.next()? != Self::TAG {
            return None;
        }
        let conversation = ConversationId(parts.next()?.parse().ok()?);
        let seq = OutboxSeq(parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { conversation, seq })
    }
}

impl fmt::Display for OutboxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.conversation, self.seq)
    }
}

/// Names a release: SHA-256 over all its files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseDigest([u8; 32]);

impl ReleaseDigest {
    /// From the hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let wrong = InvalidName { kind: "a release's digest", chars_max: 64, alphabet: "hexadecimal digits, 64 of them" };
        crate::hex::bytes(text).map(Self).ok_or(wrong)
    }

    /// The first 12 digits: enough for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for ReleaseDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ReleaseDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReleaseDigest({})", self.short())
    }
}

impl TryFrom<String> for ReleaseDigest {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<ReleaseDigest> for String {
    fn from(digest: ReleaseDigest) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn callback_data_comes_back() {
        let message = OutboxRef { conversation: ConversationId(7), seq: OutboxSeq(41) };
        assert_eq!(message.to_callback_data(), "q1.7.41");
        assert_eq!(OutboxRef::from_callback_data("q1.7.41"), Some(message));
        for foreign in ["", "q1", "q1.7", "q2.7.41", "q1.7.41.0", "q1.a.b", "campaign-9"] {
            assert_eq!(OutboxRef::from_callback_data(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_digest_is_digits_alone() {
        let digits = "0f".repeat(32);
        assert_eq!(ReleaseDigest::parse(&digits).unwrap().to_string(), digits);
        assert!(ReleaseDigest::parse(&digits.replacen("0f", "+f", 1)).is_err());
    }

    #[test]
    fn names_are_bounded() {
        assert!(GameId::parse("starfall").is_ok());
        for bad in ["", "Starfall", "star fall", &"a".repeat(65)] {
            assert!(GameId::parse(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<NumberId>("\"12a\"").is_err());
    }
}
