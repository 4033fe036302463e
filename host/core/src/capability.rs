//! What a flow may use: each capability is granted by game.toml and by the operator, or not at all.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! capabilities {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One thing that can be granted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Capability {
            $($(#[$doc])* $variant,)*
        }

        impl Capability {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in game.toml, in a flow's description and in errors.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

capabilities! {
    /// Import: the player's profile, balances, purchases and devices.
    Players = "players",
    /// Import: named operations of the studio's backend.
    Backend = "backend",
    /// Import: what a text is about.
    Intents = "intents",
    /// Import: the game's texts.
    Copy = "copy",
    /// Import: lines for the studio.
    Log = "log",
    /// Import: the time.
    Clock = "clock",
    /// Import: randomness.
    Random = "random",
    /// Snapshot: the phone number.
    ContactPhone = "contact-phone",
    /// Effects: reply and ask for location or number.
    Reply = "reply",
    /// Effect: send a template.
    SendTemplate = "send-template",
    /// Effect: react with an emoji.
    React = "react",
    /// Effects: set and cancel timers.
    Timers = "timers",
    /// Effect: ask the player to prove who they are.
    Authentication = "authentication",
    /// Effect: give the player temporary credentials.
    RecoveryCredentials = "recovery-credentials",
    /// Effect: open a ticket.
    Tickets = "tickets",
    /// Effect: change consent.
    Consent = "consent",
    /// Effect: hand the conversation to another flow.
    HandOver = "hand-over",
    /// Effect: track a measure.
    Measures = "measures",
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no capability {0:?}; there are: {list}", list = Capability::ALL.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownCapability(pub String);

impl std::str::FromStr for Capability {
    type Err = UnknownCapability;
    fn from_str(name: &str) -> Result<Self, UnknownCapability> {
        Self::ALL.iter().copied().find(|capability| capability.as_str() == name).ok_or_else(|| UnknownCapability(name.to_owned()))
    }
}

impl Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Grants(u32);

impl Grants {
    /// Everything.
    pub fn all() -> Self {
        Capability::ALL.iter().copied().collect()
    }

    /// Whether it is among them.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }

    /// What both grant.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |capability| self.has(*capability))
    }
}

impl FromIterator<Capability> for Grants {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().fold(0, |set, capability| set | 1 << capability as u8))
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Capability::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_come_back_and_sets_hold_what_they_were_given() {
        for capability in Capability::ALL {
            assert_eq!(capability.as_str().parse::<Capability>().unwrap(), *capability);
            let only: Grants = [*capability].into_iter().collect();
            assert_eq!(only.iter().collect::<Vec<_>>(), [*capability]);
        }
        assert!("free-http".parse::<Capability>().is_err());
        assert!(Capability::ALL.len() <= 32);
    }
}
