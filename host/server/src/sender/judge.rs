//! What follows from Meta's answer to one send: pure.

use questline_core::event::StatusError;
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::port::Untold;
use questline_core::retry::Backoff;
use questline_core::send::{Hold, PauseScope, Reaction, SendOutcome, SendResult};
use questline_core::time::UnixMs;

/// A request that never left is tried until the message is too old: the fault is the network's, not the message's.
const NOT_SENT: Backoff = Backoff { base_ms: 500, ceiling_ms: 30_000, attempts_max: u32::MAX };
/// While nothing gets through, the number is held rather than every message of it tried.
const NOT_SENT_HOLD: Hold = Hold::Growing { base_ms: 250, ceiling_ms: 15_000 };

/// A text that the studio's backend could not give is asked for again for one to two minutes; soon each time, for the
/// conversation's other messages wait behind it.
const UNTOLD: Backoff = Backoff { base_ms: 500, ceiling_ms: 5_000, attempts_max: 24 };

/// What follows.
pub(super) struct Judged {
    /// For metrics and logs.
    pub(super) name: &'static str,
    /// In words, without personal data.
    pub(super) detail: String,
    /// What becomes of the message.
    pub(super) then: Then,
    /// What is held.
    pub(super) hold: Option<(PauseScope, Hold)>,
    /// Operators should know.
    pub(super) alert: bool,
}

/// What becomes of the message.
#[derive(Debug, PartialEq)]
pub(super) enum Then {
    /// It leaves the outbox.
    Done(SendResult),
    /// It is tried again.
    Again {
        /// Not before.
        due_at: UnixMs,
        /// Tries so far.
        attempts: u32,
    },
    /// A status has to tell.
    Unknown,
}

/// Whether it is a code that goes on to another channel if it cannot be sent by this one.
pub(super) fn goes_on_elsewhere(message: &OutboxMessage) -> bool {
    matches!(&message.message.content, Content::Code(promise) if !promise.is_last)
}

pub(super) fn judge(message: &OutboxMessage, outcome: SendOutcome, now: UnixMs, random: u64) -> Judged {
    let attempts = message.attempts.saturating_add(1);
    let judged = |name, detail, then| Judged { name, detail, then, hold: None, alert: false };
    match outcome {
        SendOutcome::Accepted { wamid } => judged("accepted", String::new(), Then::Done(SendResult::Accepted { wamid, at: now })),
        SendOutcome::Unknown { reason } => judged("unknown", reason, Then::Unknown),
        SendOutcome::NotSent { reason } => {
            let wait_ms = NOT_SENT.wait_ms(attempts, random).unwrap_or(NOT_SENT.ceiling_ms);
            let then = Then::Again { due_at: now.plus_ms(wait_ms), attempts };
            Judged { hold: Some((PauseScope::Number, NOT_SENT_HOLD)), ..judged("not-sent", reason, then) }
        }
        SendOutcome::Refused(error) => {
            let detail = error.to_string();
            let status = StatusError { code: error.code, detail: error.detail };
            let failed = Then::Done(SendResult::Failed { error: status, attempts, at: now });
            let (name, then, hold) = match error.reaction {
                Reaction::Retry(backoff) => match backoff.wait_ms(attempts, random) {
                    Some(wait_ms) => ("refused-retry", Then::Again { due_at: now.plus_ms(wait_ms), attempts }, None),
                    None => ("refused", failed, None),
                },
                // A code has no time to wait for a template, where there is another way.
                Reaction::Pause { scope: PauseScope::Template, hold } if goes_on_elsewhere(message) => {
                    ("refused-hold", failed, Some((PauseScope::Template, hold)))
                }
                // The scope's hold decides when; the try does not count against the message.
                Reaction::Pause { scope, hold } => {
                    ("refused-hold", Then::Again { due_at: now, attempts: message.attempts }, Some((scope, hold)))
                }
                Reaction::DeadLetter | Reaction::UseTemplate | Reaction::SuppressMarketing { .. } | Reaction::RevokeTrust => {
                    ("refused", failed, None)
                }
            };
            Judged { name, detail, then, hold, alert: error.alert }
        }
    }
}

/// What follows when there was nothing to send: no request went to Meta.
pub(super) fn judge_untold(message: &OutboxMessage, untold: Untold, now: UnixMs, random: u64) -> Judged {
    let attempts = message.attempts.saturating_add(1);
    let (name, detail, then) = match untold {
        Untold::Later { detail } => match UNTOLD.wait_ms(attempts, random) {
            Some(wait_ms) => ("untold-retry", detail, Then::Again { due_at: now.plus_ms(wait_ms), attempts }),
            None => {
                let result = SendResult::Dead { reason: "untold".to_owned(), detail: detail.clone(), at: now };
                ("untold", detail, Then::Done(result))
            }
        },
        Untold::Moot { reason } => ("moot", reason.to_owned(), Then::Done(SendResult::Done)),
        Untold::Never { reason, detail } => {
            ("untold", detail.clone(), Then::Done(SendResult::Dead { reason: reason.to_owned(), detail, at: now }))
        }
    };
    Judged { name, detail, then, hold: None, alert: false }
}
