//! Tokens of studios: what one opens, for which games, and for how long. The token itself is nowhere: only its hash is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::GameId;
use crate::time::UnixMs;

/// One line for each scope: the enum, the list of all, names and descriptions come of it, so that none is ever missing.
macro_rules! scopes {
    ($(#[doc = $about:literal] $scope:ident $name:literal;)*) => {
        /// What a token opens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Scope {
            $(#[doc = $about] #[serde(rename = $name)] $scope,)*
        }

        impl Scope {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$scope),*];

            /// The name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$scope => $name,)*
                }
            }

            /// What it opens, for people.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$scope => $about.trim_ascii(),)*
                }
            }
        }
    };
}

scopes! {
    /// Upload, activate, list and roll back releases.
    Releases "releases";
    /// Send game events.
    Events "events";
    /// See and close tickets.
    Desk "desk";
    /// Start and check one-time codes.
    Verifications "verifications";
    /// Link contacts to players, list and end such links.
    Links "links";
    /// Record consent, and see the evidence of it.
    Consents "consents";
    /// Make, start and stop broadcasts, and tell of outages.
    Broadcasts "broadcasts";
    /// Fetch files that players sent.
    Media "media";
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SHA-256 of a token, as 64 hexadecimal digits. Shown to nobody, though nobody could do much with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(String);

impl TokenHash {
    /// From the hash's digits.
    pub fn new(digits: String) -> Self {
        Self(digits)
    }

    /// The digits, to compare with in constant time.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(hidden)")
    }
}

/// A studio's token as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudioToken {
    /// What people and the token itself call it; no secret.
    pub id: String,
    /// What it is for, in the operator's words; stands beside what was done with it.
    pub name: String,
    /// What proves it.
    pub hash: TokenHash,
    /// The only games that exist for its bearer.
    pub games: Vec<GameId>,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: UnixMs,
    /// From then on it opens nothing.
    pub expires_at: UnixMs,
    /// From then on neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<UnixMs>,
}

impl StudioToken {
    /// Whether it opens anything now.
    pub fn is_valid(&self, now: UnixMs) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Whether the game exists for its bearer.
    pub fn knows(&self, game: &GameId) -> bool {
        self.games.contains(game)
    }
}
