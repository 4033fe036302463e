//! What follows from Meta's answer to one send: pure.

use questline_core::event::StatusError;
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::permit::learned::Lesson;
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

/// The wait of a message that Meta has failed with, where a number's retries are used up: so long that it holds up nobody.
const PUT_OFF: Backoff = Backoff { base_ms: 180_000, ceiling_ms: 180_000, attempts_max: u32::MAX };

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
    /// Meta's code, where Meta has refused.
    pub(super) code: Option<u32>,
    /// Meta was not reached, did not answer, or says that it is broken: for the breaker.
    pub(super) fault: bool,
}

/// Meta takes no bulk and marketing from a number (131048), or no utility (131064): what is of that kind waits by its permit,
/// and all else is tried again.
const HELD_KIND: Backoff = Backoff { base_ms: 30_000, ceiling_ms: 300_000, attempts_max: 6 };
/// Meta's code for the pair limit, and the longest wait.
const PAIR_LIMIT: u32 = 131_056;
const PAIR_WAIT_MAX_MS: u64 = 256_000;

/// Meta asks for 4^X seconds after the X-th failure, X from 0 on; a little more, so that what failed together does not come
/// back together.
fn pair_wait_ms(attempts: u32, random: u64) -> u64 {
    let wait_ms = 1_000u64.saturating_mul(4u64.saturating_pow(attempts.saturating_sub(1).min(16))).min(PAIR_WAIT_MAX_MS);
    wait_ms + random % (wait_ms / 4)
}

/// Whether an error says that Meta itself is broken.
fn is_fault(code: u32, http_status: u16) -> bool {
    matches!(code, 2 | 131_000 | 131_016 | 133_004) || (http_status >= 500 && questline_whatsapp::error_table::find(code).is_none())
}

impl Judged {
    /// Whether the message is sent again because Meta has failed with it.
    pub(super) fn is_retry(&self) -> bool {
        self.fault && self.code.is_some() && matches!(self.then, Then::Again { .. })
    }

    /// Has it wait for longer.
    pub(super) fn put_off(&mut self, now: UnixMs, random: u64) {
        if let Then::Again { due_at, .. } = &mut self.then {
            self.name = "refused-put-off";
            *due_at = now.plus_ms(PUT_OFF.wait_ms(1, random).unwrap_or(PUT_OFF.ceiling_ms)).max(*due_at);
        }
    }
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
    let judged = |name, detail, then| Judged { name, detail, then, hold: None, alert: false, code: None, fault: false };
    match outcome {
        SendOutcome::Accepted { wamid } => judged("accepted", String::new(), Then::Done(SendResult::Accepted { wamid, at: now })),
        SendOutcome::Unknown { reason } => Judged { fault: true, ..judged("unknown", reason, Then::Unknown) },
        SendOutcome::NotSent { reason } => {
            let wait_ms = NOT_SENT.wait_ms(attempts, random).unwrap_or(NOT_SENT.ceiling_ms);
            let then = Then::Again { due_at: now.plus_ms(wait_ms), attempts };
            Judged { hold: Some((PauseScope::Number, NOT_SENT_HOLD)), fault: true, ..judged("not-sent", reason, then) }
        }
        SendOutcome::Refused(error) => {
            let (code, fault, detail) = (error.code, is_fault(error.code, error.http_status), error.to_string());
            let status = StatusError { code: error.code, detail: error.detail };
            let failed = Then::Done(SendResult::Failed { error: status, attempts, at: now });
            let (name, then, hold) = match error.reaction {
                Reaction::Retry(backoff) if code == PAIR_LIMIT && attempts < backoff.attempts_max => {
                    ("refused-retry", Then::Again { due_at: now.plus_ms(pair_wait_ms(attempts, random)), attempts }, None)
                }
                // What is held is a kind of messages, and not all of the number.
                Reaction::Pause { .. } if Lesson::of_code(code).is_some_and(|lesson| lesson != Lesson::TooFast) => {
                    match (goes_on_elsewhere(message), HELD_KIND.wait_ms(attempts, random)) {
                        (false, Some(wait_ms)) => ("refused-retry", Then::Again { due_at: now.plus_ms(wait_ms), attempts }, None),
                        _ => ("refused", failed, None),
                    }
                }
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
            Judged { name, detail, then, hold, alert: error.alert, code: Some(code), fault }
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
    Judged { name, detail, then, hold: None, alert: false, code: None, fault: false }
}
