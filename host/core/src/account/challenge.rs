//! A challenge: the game asks whether it is the player who does something, and the player's chat answers. The game shows a
//! number and the chat offers three: whoever did not see the game's screen does not know which to tap.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::time::{HOUR_MS, UnixMs};
use crate::verification::code::from_hex;
use crate::verification::{Purpose, VerificationId};

/// Characters of what a challenge tells the player it is about.
pub const DETAIL_CHARS_MAX: usize = 80;
/// What ended is still answered for so long after its time.
const KEPT_MS: u64 = HOUR_MS;

/// A challenge's name: 128 random bits, so that nobody guesses one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChallengeId([u8; 16]);

/// The text names no challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a challenge's id is 32 hexadecimal digits")]
pub struct InvalidChallengeId;

impl ChallengeId {
    /// From random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// From 32 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Result<Self, InvalidChallengeId> {
        from_hex(text).map(Self).ok_or(InvalidChallengeId)
    }
}

impl fmt::Display for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whoever knows the whole id may try codes: logs get a part of it.
impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChallengeId({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl TryFrom<String> for ChallengeId {
    type Error = InvalidChallengeId;
    fn try_from(text: String) -> Result<Self, InvalidChallengeId> {
        Self::parse(&text)
    }
}

impl From<ChallengeId> for String {
    fn from(id: ChallengeId) -> String {
        id.to_string()
    }
}

/// Three different numbers of two digits, one of which is right. `Debug` does not tell which.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    offered: [u8; 3],
    right: u8,
}

impl Numbers {
    /// Draws them, all equally likely, from random bytes of a generator fit for secrets.
    pub fn draw<E>(mut random: impl FnMut() -> Result<u8, E>) -> Result<Self, E> {
        // 10 to 99: of a byte's values the first 180 give each of the 90 numbers twice, the others are drawn again.
        let mut number = |taken: &[u8]| loop {
            let drawn = random()?;
            let number = 10 + drawn % 90;
            if drawn < 180 && !taken.contains(&number) {
                return Ok(number);
            }
        };
        let first = number(&[])?;
        let second = number(&[first])?;
        let third = number(&[first, second])?;
        let offered = [first, second, third];
        let mut drawn = random()?;
        while drawn == u8::MAX {
            drawn = random()?;
        }
        Ok(Self { offered, right: offered[usize::from(drawn % 3)] })
    }

    /// What the chat offers.
    pub fn offered(&self) -> [u8; 3] {
        self.offered
    }

    /// What the game shows.
    pub fn right(&self) -> u8 {
        self.right
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Numbers({:?})", self.offered)
    }
}

/// A device as the game names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDevice {
    /// In the studio's words.
    pub id: DeviceId,
    /// What the player calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A challenge that is to begin.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// Its name.
    pub id: ChallengeId,
    /// What for.
    pub purpose: Purpose,
    /// On which device the player does it: an approval binds it.
    pub device: NamedDevice,
    /// What is shown.
    pub numbers: Numbers,
}

/// How a challenge was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The right number was tapped in the chat.
    Number,
    /// The one-time code was entered in the game.
    Code,
    /// A recovery code was.
    RecoveryCode,
}

impl Way {
    /// The name in the API and in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Code => "code",
            Self::RecoveryCode => "recovery-code",
        }
    }
}

/// Why a challenge was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// The player tapped a wrong number.
    WrongNumber,
    /// The player said that it was not them.
    NotMe,
    /// Too many wrong codes were entered in the game.
    WrongCodes,
}

impl Denial {
    /// The name in the API and in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongNumber => "wrong-number",
            Self::NotMe => "not-me",
            Self::WrongCodes => "wrong-codes",
        }
    }
}

/// How a challenge is kept to stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Until its time.
    Open,
    Approved {
        way: Way,
        at: UnixMs,
        /// It has proven something else since: it proves nothing more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        spent: bool,
    },
    Denied {
        why: Denial,
    },
    /// A newer one for the same purpose and device took its place.
    Replaced,
}

/// How a challenge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeStatus {
    /// Not answered yet.
    Pending,
    /// It is the player.
    Approved(Way),
    /// It is not, or nobody knows.
    Denied(Denial),
    /// Too late.
    Expired,
    /// A newer one for the same purpose and device took its place.
    Replaced,
}

impl ChallengeStatus {
    /// The name in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) => "approved",
            Self::Denied(_) => "denied",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
        }
    }

    /// How it came to that.
    pub fn how(self) -> Option<&'static str> {
        match self {
            Self::Approved(way) => Some(way.as_str()),
            Self::Denied(why) => Some(why.as_str()),
            _ => None,
        }
    }
}

/// A challenge as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Its name.
    pub id: ChallengeId,
    /// What for.
    pub purpose: Purpose,
    /// On which device.
    pub device: NamedDevice,
    /// What is shown.
    pub numbers: Numbers,
    /// Until when it can be answered.
    pub expires_at: UnixMs,
    /// Wrong codes that are left.
    pub(super) attempts_left: u8,
    /// Whose one-time code approves it too, if one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verification: Option<VerificationId>,
    pub(super) state: State,
    /// What answered it in the chat: the same may ask again, and is answered alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
}

impl Challenge {
    /// How it stands.
    pub fn status(&self, now: UnixMs) -> ChallengeStatus {
        match self.state {
            State::Approved { way, .. } => ChallengeStatus::Approved(way),
            State::Denied { why } => ChallengeStatus::Denied(why),
            State::Replaced => ChallengeStatus::Replaced,
            State::Open if self.attempts_left == 0 => ChallengeStatus::Denied(Denial::WrongCodes),
            State::Open if now >= self.expires_at => ChallengeStatus::Expired,
            State::Open => ChallengeStatus::Pending,
        }
    }

    /// When it can be forgotten.
    pub(super) fn forget_at(&self) -> UnixMs {
        self.expires_at.plus_ms(KEPT_MS)
    }
}
