//! Temporary credentials for a player who cannot get in: who may have them, and the promise that a commit keeps in place
//! of them. The credentials themselves are made by the studio's backend when the message is sent, and kept by nobody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::lockout::{Locked, LockoutRules, NotIssued};
use crate::conversation::Conversation;
use crate::effect::IssueRecovery;
use crate::event::Extension;
use crate::id::PlayerId;
use crate::outcome::RefusalReason;
use crate::sensitive::{NotProven, Sensitivity};
use crate::time::{DAY_MS, MINUTE_MS, UnixMs};

/// Credentials that could not be sent for so long are not sent any more: nobody expects them then.
pub const DELIVERY_MS_MAX: u64 = 15 * MINUTE_MS;

/// What a game says about credentials: `[recovery]` in game.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryRules {
    /// The backend's operation that makes them.
    pub operation: String,
    /// The key of the text that tells them, with `$username`, `$password` and `$minutes`.
    pub text: String,
    /// Below it they are refused; 0.0 to 1.0.
    pub confidence_min: f64,
    /// How long they are good for.
    pub valid_s: u32,
    /// How often a player gets them within 24 hours, in all conversations together.
    pub per_day_max: u32,
    /// How many checks may fail.
    pub lockout: LockoutRules,
    /// Operations of the backend that are checks of whose account it is: the field of the answer that is `true` when one
    /// passed.
    pub checks: BTreeMap<String, String>,
    /// What the session has to have proven.
    pub sensitivity: Sensitivity,
}

/// Stands in the outbox for credentials that do not exist yet. The idempotency key makes the backend give the same ones
/// when the message is sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsPromise {
    /// Whose.
    pub player: PlayerId,
    /// Of the text.
    pub locale: String,
    /// Why the flow believes the player.
    pub reason: String,
    /// How much, in thousandths.
    pub confidence_permille: u16,
    /// How long they are good for.
    pub valid_s: u32,
    /// The same for every try.
    pub idempotency_key: String,
    /// Whom they are for, where Meta's identity check is on: they reach no other device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_key_hash: Option<Box<str>>,
}

/// Why no credentials are issued.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum RecoveryRefusal {
    /// The game has none.
    #[error("not-configured: game.toml has no [recovery]")]
    NotConfigured,
    /// Nobody knows whose they would be.
    #[error("player-unknown: nobody knows which player is behind this contact")]
    PlayerUnknown,
    /// Too many checks failed.
    #[error("{0}")]
    Locked(Locked),
    /// The player wrote BLOCK.
    #[error("secured: the account is secured until its ticket is closed")]
    Secured,
    /// They go by a reply.
    #[error("window-closed: credentials are told in the service window only")]
    WindowClosed,
    /// The flow is not sure enough.
    #[error("confidence-too-low: {found} is below confidence_min, {min}")]
    ConfidenceTooLow {
        /// The flow's.
        found: f64,
        /// The game's.
        min: f64,
    },
    /// They were issued often enough.
    #[error("too-many: {max} were issued within 24 hours; a human has to look")]
    TooMany {
        /// The game's.
        max: u32,
    },
    /// The game wants more than the flow's word.
    #[error(transparent)]
    NotProven(#[from] NotProven),
    /// An answer asks twice.
    #[error("repeated: one answer issues credentials once")]
    Repeated,
}

impl RecoveryRefusal {
    /// The name in the audit.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::PlayerUnknown => "player-unknown",
            Self::Locked(_) => "locked",
            Self::Secured => "secured",
            Self::WindowClosed => "window-closed",
            Self::ConfidenceTooLow { .. } => "confidence-too-low",
            Self::TooMany { .. } => "too-many",
            Self::NotProven(missing) => missing.kind(),
            Self::Repeated => "repeated",
        }
    }

    /// What the flow is told.
    pub fn reason(self) -> RefusalReason {
        match self {
            Self::NotConfigured => RefusalReason::NotGranted,
            Self::PlayerUnknown => RefusalReason::UnknownTarget,
            Self::WindowClosed => RefusalReason::WindowClosed,
            Self::Locked(_)
            | Self::NotProven(_)
            | Self::Secured
            | Self::ConfidenceTooLow { .. }
            | Self::TooMany { .. }
            | Self::Repeated => RefusalReason::Other,
        }
    }
}

impl RecoveryRules {
    /// Whether this conversation may have credentials now; then whose they are.
    pub fn check<'c>(
        rules: Option<&Self>,
        conversation: &'c Conversation,
        wish: &IssueRecovery,
        now: UnixMs,
    ) -> Result<&'c PlayerId, RecoveryRefusal> {
        let rules = rules.ok_or(RecoveryRefusal::NotConfigured)?;
        if conversation.secured.is_some() {
            return Err(RecoveryRefusal::Secured);
        }
        let player = conversation.session.player.as_ref().ok_or(RecoveryRefusal::PlayerUnknown)?;
        rules.sensitivity.check(&conversation.session, conversation.session.device.is_some(), now)?;
        // What is no number is no confidence.
        if wish.confidence.is_nan() || wish.confidence < rules.confidence_min {
            return Err(RecoveryRefusal::ConfidenceTooLow { found: wish.confidence, min: rules.confidence_min });
        }
        if conversation.window.closes_at(now).is_none() {
            return Err(RecoveryRefusal::WindowClosed);
        }
        let issued = conversation.recoveries.iter().filter(|at| now.since_ms(**at) < DAY_MS).count();
        if issued >= rules.per_day_max as usize {
            return Err(RecoveryRefusal::TooMany { max: rules.per_day_max });
        }
        Ok(player)
    }
}

impl Conversation {
    /// Notes that credentials are issued now; forgets what is older than a day.
    pub(crate) fn issued_credentials(&mut self, now: UnixMs) {
        self.recoveries.retain(|at| now.since_ms(*at) < DAY_MS);
        self.recoveries.push(now);
    }
}

impl CredentialsPromise {
    /// Whether the credentials may still be told in a conversation, as it is now.
    pub fn holds_in(&self, conversation: &Conversation) -> bool {
        conversation.secured.is_none() && conversation.session.player.as_ref() == Some(&self.player)
    }
}

impl RecoveryRules {
    /// Why the player's account gets no credentials.
    pub fn refusal(&self, not_issued: NotIssued) -> RecoveryRefusal {
        match not_issued {
            NotIssued::Frozen => RecoveryRefusal::Secured,
            NotIssued::Locked(locked) => RecoveryRefusal::Locked(locked),
            NotIssued::TooMany => RecoveryRefusal::TooMany { max: self.per_day_max },
        }
    }
}

/// A check that a flow made by itself and tells the host of, by the effect `extension` of the name
/// [`NAME`](Self::NAME).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryAttempt {
    /// What was checked, for instance `purchase`: 1 to 64 of a-z, 0-9 and `-`.
    pub check: String,
    /// Whether it was right.
    pub passed: bool,
}

impl RecoveryAttempt {
    /// The extension's name.
    pub const NAME: &str = "recovery-attempt";

    /// Whether an extension is one.
    pub fn is(extension: &Extension) -> bool {
        extension.name == Self::NAME
    }

    /// Reads one.
    pub fn read(extension: &Extension) -> Result<Self, String> {
        let wrong = || format!("invalid: {} takes {{\"check\": 1 to 64 of a-z, 0-9 and -, \"passed\": true or false}}", Self::NAME);
        let attempt: Self = serde_json::from_str(&extension.value).map_err(|_| wrong())?;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match (1..=64).contains(&attempt.check.len()) && attempt.check.bytes().all(is_name) {
            true => Ok(attempt),
            false => Err(wrong()),
        }
    }
}
