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

/// What a parked message waits for. The names are stable: stores keep them, and they stand in metrics and answers of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkReason {
    /// The portfolio's limit of players written to outside the service window is used up.
    PortfolioLimit,
    /// The player has had as much marketing as one is sent.
    MarketingCap,
    /// Meta takes no marketing for this player now.
    MarketingHeld,
    /// The player is in the game.
    InGame,
    /// It is night where the player is.
    LocalHours,
    /// The template's category is paused.
    CategoryPaused,
    /// The template is paused or disabled, at Meta or by the operator.
    TemplatePaused,
    /// Meta has refused the template for now.
    TemplateHeld,
    /// The number is paused.
    NumberPaused,
    /// The game is paused.
    GamePaused,
    /// The broadcast is paused.
    CampaignPaused,
    /// The number or the app fails, and is left alone for a while.
    BreakerOpen,
    /// This player has just been written to more often than Meta takes.
    PairLimit,
    /// It failed, and is tried again later.
    Retry,
    /// It was queued for a later time.
    Scheduled,
}

impl ParkReason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::PortfolioLimit,
        Self::MarketingCap,
        Self::MarketingHeld,
        Self::InGame,
        Self::LocalHours,
        Self::CategoryPaused,
        Self::TemplatePaused,
        Self::TemplateHeld,
        Self::NumberPaused,
        Self::GamePaused,
        Self::CampaignPaused,
        Self::BreakerOpen,
        Self::PairLimit,
        Self::Retry,
        Self::Scheduled,
    ];

    /// The name in the store, in metrics and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PortfolioLimit => "portfolio-limit",
            Self::MarketingCap => "marketing-cap",
            Self::MarketingHeld => "marketing-held",
            Self::InGame => "in-game",
            Self::LocalHours => "local-hours",
            Self::CategoryPaused => "category-paused",
            Self::TemplatePaused => "template-paused",
            Self::TemplateHeld => "template-held",
            Self::NumberPaused => "number-paused",
            Self::GamePaused => "game-paused",
            Self::CampaignPaused => "campaign-paused",
            Self::BreakerOpen => "breaker-open",
            Self::PairLimit => "pair-limit",
            Self::Retry => "retry",
            Self::Scheduled => "scheduled",
        }
    }

    /// Whether it concerns one player alone; else whatever comes behind would have to wait for the same.
    pub fn is_of_one_player(self) -> bool {
        match self {
            Self::MarketingCap
            | Self::MarketingHeld
            | Self::InGame
            | Self::LocalHours
            | Self::PairLimit
            | Self::Retry
            | Self::Scheduled => true,
            Self::PortfolioLimit
            | Self::CategoryPaused
            | Self::TemplatePaused
            | Self::TemplateHeld
            | Self::NumberPaused
            | Self::GamePaused
            | Self::CampaignPaused
            | Self::BreakerOpen => false,
        }
    }

    /// The reason of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
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
    /// It has to wait for something that is not the number's pace. It leaves its lane and holds up nobody, neither those
    /// behind it nor its conversation; when it is due it is queued again, behind all that is queued then.
    Parked {
        /// Not before.
        until: UnixMs,
        /// What it waits for.
        reason: ParkReason,
        /// Tries so far.
        attempts: u32,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reason_is_found_by_its_name() {
        for reason in ParkReason::ALL {
            assert_eq!(ParkReason::parse(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.as_str()), "one name everywhere");
        }
        assert_eq!(ParkReason::parse("lunch"), None);
    }
}
