//! What came of a send, and what to do about it.

use serde::{Deserialize, Serialize};

use crate::event::Wamid;
use crate::id::OutboxRef;
use crate::retry::Backoff;
use crate::time::UnixMs;

/// What came of one request to Meta.
#[derive(Debug, Clone, PartialEq)]
pub enum SendOutcome {
    /// Meta took it. That is not delivery.
    Accepted {
        /// Meta's name for it.
        wamid: Wamid,
    },
    /// Meta refused it, and says why.
    Refused(SendError),
    /// The request never left: no connection. Safe to try again.
    NotSent {
        /// In words, without personal data.
        reason: String,
    },
    /// The request left and no answer came. Meta has no idempotency key, so nobody can know; the status webhook tells.
    Unknown {
        /// In words, without personal data.
        reason: String,
    },
}

/// Meta's refusal, from the answer to a send or from a later `failed` status: both end here.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Meta answered {code} (HTTP {http_status}): {detail}")]
pub struct SendError {
    /// Meta's code.
    pub code: u32,
    /// 0 when it came by webhook.
    pub http_status: u16,
    /// Meta's words, bounded.
    pub detail: String,
    /// What to do, from the error table.
    pub reaction: Reaction,
    /// Operators should know.
    pub alert: bool,
}

/// What to do with the message, and with what stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Try this message again; others go on.
    Retry(Backoff),
    /// Hold the whole scope for a while, then try this message again.
    Pause {
        /// What is held.
        scope: PauseScope,
        /// How long.
        hold: Hold,
    },
    /// This message never arrives; others go on.
    DeadLetter,
    /// The window is closed: it may go as a template instead.
    UseTemplate,
    /// The player takes no marketing (131050) or not now (131049): this message is dropped, and marketing held.
    SuppressMarketing {
        /// None: until the player says otherwise.
        hold_ms: Option<u64>,
    },
    /// The user behind the number changed: trust is revoked, and the message dropped.
    RevokeTrust,
}

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseScope {
    /// All numbers of the access token's app.
    App,
    /// All numbers of the business account.
    Account,
    /// One number.
    Number,
    /// One template.
    Template,
}

impl PauseScope {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Account => "account",
            Self::Number => "number",
            Self::Template => "template",
        }
    }
}

/// How long something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// At first this long, doubling while Meta goes on refusing.
    Growing {
        /// First.
        base_ms: u64,
        /// Longest.
        ceiling_ms: u64,
    },
    /// Waiting does not mend it, an operator does; it is tried again at this interval to see whether they did.
    UntilMended {
        /// Between tries.
        probe_ms: u64,
    },
}

/// What the store notes of a send.
#[derive(Debug, Clone, PartialEq)]
pub struct SendRecord {
    /// Which message.
    pub id: OutboxRef,
    /// What came of it.
    pub result: SendResult,
}

/// What becomes of an outbox message.
#[derive(Debug, Clone, PartialEq)]
pub enum SendResult {
    /// Meta has it: it leaves the outbox and becomes a receipt.
    Accepted {
        /// Meta's name for it.
        wamid: Wamid,
        /// When.
        at: UnixMs,
    },
    /// The studio's backend has done it: it leaves the outbox, and there is nothing to wait for.
    Done,
    /// It is tried again.
    Again {
        /// Tries so far.
        attempts: u32,
        /// Not before.
        due_at: UnixMs,
    },
    /// Meta refused it: it leaves the outbox, its receipt says failed, and the conversation gets an
    /// [`Event::Status`](crate::event::Event::Status). A refusal by webhook ends in the same way: what to do about
    /// either is decided in one place, by that event's step.
    Failed {
        /// Meta's reason.
        error: crate::event::StatusError,
        /// Tries so far.
        attempts: u32,
        /// When.
        at: UnixMs,
    },
    /// It leaves the outbox for the dead letters: too late, or tried too often.
    Dead {
        /// Short name, for instance `meta-131026`.
        reason: String,
        /// In words, without personal data.
        detail: String,
        /// When.
        at: UnixMs,
    },
}
