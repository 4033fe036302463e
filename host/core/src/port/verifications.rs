//! The store's side of one-time codes. Every call is one atomic change, whoever else asks at the same time; the rules are
//! those of [`crate::verification`].

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{StoreError, Untold};
use crate::day::Day;
use crate::id::{GameId, PlayerId};
use crate::outbox::OutboxMessage;
use crate::secret::SecretTemplate;
use crate::time::UnixMs;
use crate::verification::book::{Checked, Issued, ResendRefusal};
use crate::verification::code::{Code, CodeKeys};
use crate::verification::guard::{GuardRules, Refused};
use crate::verification::measure::{DayMeasures, Measured};
use crate::verification::trail::CodeWatch;
use crate::verification::way::{Begun, CodeStanding, Way};
use crate::verification::{CodePromise, CodeRules, NewCode, NewVerification, Purpose, VerificationId};

/// A place in which something is counted or kept, under a name that tells nobody what it stands for: a keyed digest that the
/// caller makes. 1 to 64 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(pub Box<str>);

/// The places that a verification is about, all of them within its game.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The contact.
    pub contact: Place,
    /// The player, if one was named: success ends what is open for them with any contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<Place>,
    /// The network address, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Place>,
    /// The device, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Place>,
    /// The numbers around, if there is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Place>,
    /// The country calling code, if there is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dial: Option<Place>,
    /// Where it is counted how well it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// A start.
pub struct StartVerification {
    /// Of which game.
    pub game: GameId,
    /// Where it counts.
    pub places: Places,
    /// What.
    pub wish: NewVerification,
    /// What the code is like.
    pub rules: CodeRules,
    /// How many may be asked for.
    pub limits: GuardRules,
    /// When.
    pub now: UnixMs,
}

/// Makes the code of this number of a verification, and says what it is like; none if the system gives no random bytes.
pub type MakeCode = Arc<dyn Fn(u32, Purpose) -> Option<(NewCode, CodeRules)> + Send + Sync>;

/// A resend.
pub struct ResendVerification {
    /// Of which game.
    pub game: GameId,
    /// Which.
    pub id: VerificationId,
    /// Makes the new code.
    pub make: MakeCode,
    /// How many may be asked for.
    pub limits: GuardRules,
    /// When.
    pub now: UnixMs,
}

/// A check.
pub struct CheckVerification {
    /// Of which game.
    pub game: GameId,
    /// Which; none tries all that are open for the contact.
    pub id: Option<VerificationId>,
    /// The contact, where no verification is named.
    pub contact: Option<Place>,
    /// What was entered.
    pub code: Code,
    /// What entered it, where the same may ask again: it is answered alike.
    pub by: Option<String>,
    /// What compares.
    pub keys: Arc<dyn CodeKeys>,
    /// When.
    pub now: UnixMs,
}

/// An end of all that is open for a player.
pub struct EndVerifications {
    /// Of which game.
    pub game: GameId,
    /// The player, if one is known.
    pub player: Option<Place>,
    /// Contacts of theirs.
    pub contacts: Vec<Place>,
    /// When.
    pub now: UnixMs,
}

/// A player who is to be forgotten.
pub struct ForgetVerifications {
    /// Of which game.
    pub game: GameId,
    /// The player.
    pub player: PlayerId,
    /// Where verifications of the player count that reached nobody.
    pub nobody: Place,
    /// Contacts of theirs.
    pub contacts: Vec<Place>,
    /// When.
    pub now: UnixMs,
}

/// One-time codes, kept.
#[async_trait]
pub trait Verifications: Send + Sync {
    /// Asks the guards, ends the contact's open verification for the same purpose, and keeps the new one; or does nothing.
    async fn start_verification(&self, start: StartVerification) -> Result<Result<Issued, Refused>, StoreError>;

    /// Asks the guards, and makes a new code count in place of the one before. None when no such verification is known.
    async fn resend_verification(&self, resend: ResendVerification) -> Result<Option<Result<Issued, ResendRefusal>>, StoreError>;

    /// Counts a try, compares, and on success ends all that the player has open. None when there is nothing to try.
    async fn check_verification(&self, check: CheckVerification) -> Result<Option<Checked>, StoreError>;

    /// Ends all that is open for a player with any contact, and for these contacts for anybody: no code that was made up to
    /// now counts any more.
    async fn end_verifications(&self, end: EndVerifications) -> Result<(), StoreError>;

    /// How well codes of a game did on these days, both included: each day that has figures.
    async fn code_measures(&self, game: &GameId, first: Day, last: Day) -> Result<Vec<DayMeasures>, StoreError>;

    /// Forgets what was asked for in a player's name, with these contacts; says how much that was.
    async fn forget_verifications(&self, forget: ForgetVerifications) -> Result<u64, StoreError>;

    /// Begins to send a code by a channel, unless it counts no more or has gone on to a later channel.
    async fn begin_code(&self, game: &GameId, code: CodeWatch, way: Way, now: UnixMs) -> Result<Begun, StoreError>;

    /// Notes that a code came to the player by a channel. False when that is known.
    async fn code_delivered(&self, game: &GameId, code: CodeWatch, at: UnixMs) -> Result<bool, StoreError>;

    /// How a code stands, and how it went by a channel. None when no such verification is known.
    async fn code_standing(&self, game: &GameId, code: CodeWatch, now: UnixMs) -> Result<Option<CodeStanding>, StoreError>;
}

/// What sends a promised code, at the moment of sending.
#[async_trait]
pub trait Codes: Send + Sync {
    /// Opens the code and puts it into its template. Refuses when the code counts no more, or the contact cannot get one.
    async fn tell(&self, message: &OutboxMessage, promise: &CodePromise) -> Result<SecretTemplate, Untold>;

    /// Opens the code and has the studio's backend send it. Refuses when the code counts no more.
    async fn hand_over(&self, message: &OutboxMessage, promise: &CodePromise) -> Result<(), Untold>;
}
