//! What comes back to the sender's loop, and what follows from it.

use std::collections::HashMap;
use std::time::Duration;

use questline_core::consent::Unwanted;
use questline_core::event::StatusError;
use questline_core::id::NumberId;
use questline_core::outbox::{Content, MessageClass, OutboxMessage, SendState};
use questline_core::port::Untold;
use questline_core::send::{ParkReason, SendOutcome, SendRecord, SendResult};
use questline_core::time::UnixMs;
use tokio::sync::mpsc;

use super::hold::Scopes;
use super::judge::{Judged, Then, judge, judge_untold};
use super::lane::Lanes;
use super::{Sender, record};

/// Sends of one message whose outcome nobody knows; then it is left to a person.
const UNKNOWN_ATTEMPTS_MAX: u32 = 5;
/// The code under which a message fails that has no place in a limit: Meta's for limits of a number.
const NO_PLACE: u32 = 131_048;
/// A message that is to be tried again later than this does not hold up its conversation any longer: it is parked.
const RETRY_WAIT_MAX_MS: u64 = 60_000;

/// What a send came to.
pub(super) struct Sent {
    pub(super) message: OutboxMessage,
    pub(super) outcome: Result<SendOutcome, Untold>,
    pub(super) took: Duration,
}

/// What comes back to the loop.
pub(super) enum Back {
    Sent(Box<Sent>),
    /// A repetition was noted: the message may go its way again.
    Noted(Box<OutboxMessage>),
    /// Nobody knows whether Meta has it, and time is up: `settled` tells whether a status came.
    Checked {
        message: Box<OutboxMessage>,
        settled: bool,
    },
    /// The player takes no marketing, or none now: it is not sent.
    Unwanted(Box<OutboxMessage>, Unwanted),
    /// It has to wait, and was not begun.
    Park(Box<OutboxMessage>, UnixMs, ParkReason),
    /// There is no place for it, and it goes on another way.
    Elsewhere(Box<OutboxMessage>, ParkReason),
    /// The store could not note the begin of these.
    NotBegun(Vec<OutboxMessage>),
}

impl Sender {
    pub(super) fn take_back(
        &self,
        event: Back,
        lanes: &mut Lanes,
        scopes: &HashMap<NumberId, Scopes>,
        in_flight: &mut usize,
        recorder: &mpsc::UnboundedSender<record::Entry>,
    ) {
        match event {
            Back::Sent(sent) => {
                *in_flight -= 1;
                self.sent(*sent, lanes, scopes, recorder);
            }
            Back::Noted(message) => lanes.back(*message),
            Back::Checked { message, settled } => {
                *in_flight -= 1;
                if settled {
                    self.places_used(&message);
                    self.metrics.unknown("settled-by-status");
                    lanes.finished(&message);
                } else if message.attempts + 1 >= UNKNOWN_ATTEMPTS_MAX {
                    lanes.finished(&message);
                    let detail = format!("sent {UNKNOWN_ATTEMPTS_MAX} times without an answer or a status");
                    let result = SendResult::Dead { reason: "unknown".to_owned(), detail, at: self.clock.now() };
                    let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
                } else {
                    tracing::warn!(outbox = %message.id, "a send of unknown outcome is repeated: no status came for it");
                    self.metrics.unknown("repeated");
                    let now = self.clock.now();
                    lanes.back(OutboxMessage { state: SendState::Queued, attempts: message.attempts + 1, due_at: now, ..*message });
                }
            }
            Back::Unwanted(message, unwanted) => {
                *in_flight -= 1;
                self.give_back(message.id);
                lanes.finished(&message);
                self.metrics.marketing_dropped(&message.message.game, unwanted.as_str());
                tracing::info!(outbox = %message.id, reason = unwanted.as_str(), "a marketing message is not sent");
                self.give_up(&message, unwanted.as_str(), unwanted.detail(), recorder);
            }
            Back::Park(message, until, reason) => {
                *in_flight -= 1;
                lanes.finished(&message);
                self.park(&message, until, reason, message.attempts, recorder);
            }
            Back::Elsewhere(message, reason) => {
                *in_flight -= 1;
                lanes.finished(&message);
                tracing::warn!(outbox = %message.id, reason = reason.as_str(), "a code does not wait for its permit");
                let error = StatusError { code: NO_PLACE, detail: format!("not sent: {}", reason.as_str()) };
                let result = SendResult::Failed { error, attempts: message.attempts, at: self.clock.now() };
                let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
            }
            Back::NotBegun(messages) => {
                *in_flight -= messages.len();
                messages.into_iter().for_each(|message| lanes.back(message));
            }
        }
    }

    fn sent(&self, sent: Sent, lanes: &mut Lanes, scopes: &HashMap<NumberId, Scopes>, recorder: &mpsc::UnboundedSender<record::Entry>) {
        let Sent { message, outcome, took } = sent;
        let now = self.clock.now();
        let attempts = message.attempts + 1;
        let judged = match outcome {
            Ok(outcome) => {
                let mut judged = judge(&message, outcome, now, crate::clock::random());
                // A login code's retry is taken from the budget, and never put off by it.
                let may_retry = !judged.is_retry() || lanes.may_retry(&message.message.number, now);
                if !may_retry && message.message.class != MessageClass::Critical {
                    judged.put_off(now, crate::clock::random());
                }
                self.metrics.send(judged.name, took.as_secs_f64());
                if let (Content::Code(promise), "accepted") = (&message.message.content, judged.name) {
                    self.metrics.code_send(&message.message.game, Some(&message.message.contact), promise.by.name(), "sent");
                }
                if let Content::Template(template) = &message.message.content {
                    self.count_template(&message, &template.name, &judged);
                }
                if judged.name == "accepted" {
                    self.metrics.reply(now.since_ms(message.message.committed_at) as f64 / 1e3);
                } else {
                    tracing::warn!(outbox = %message.id, outcome = judged.name, detail = judged.detail, attempts, "Meta did not take a message");
                }
                judged
            }
            Err(untold) => {
                let judged = judge_untold(&message, untold, now, crate::clock::random());
                self.metrics.unsent(judged.name);
                tracing::warn!(outbox = %message.id, outcome = judged.name, detail = judged.detail, attempts, "what was promised could not be sent");
                judged
            }
        };
        self.doubt_template(&message, &judged);
        if judged.alert {
            let scope = judged.hold.map_or("template", |(scope, _)| scope.as_str());
            self.alert_of(&message, scope, judged.code, &judged.detail);
        }
        if let Some(code) = judged.code {
            self.learn_of(&message.message.number, code, now);
        }
        if let Some(scopes) = scopes.get(&message.message.number) {
            if !judged.name.starts_with("untold") && judged.name != "moot" {
                lanes.answered(scopes, !judged.fault, now);
            }
            match judged.hold {
                Some((scope, hold)) => {
                    let until = lanes.hold(scopes.key(scope, &message), hold, now);
                    self.metrics.held(scope.as_str());
                    tracing::warn!(scope = scope.as_str(), until_ms = until.0, "sending is held");
                }
                None if judged.name == "accepted" => lanes.accepted(scopes, &message),
                None => {}
            }
        }
        match judged.then {
            Then::Done(result) => {
                lanes.finished(&message);
                match &result {
                    SendResult::Accepted { .. } => self.places_used(&message),
                    _ => self.give_back(message.id),
                }
                let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
            }
            Then::Again { due_at, attempts } if due_at.since_ms(now) > RETRY_WAIT_MAX_MS => {
                lanes.finished(&message);
                self.park(&message, due_at, ParkReason::Retry, attempts, recorder);
            }
            Then::Again { due_at, attempts } => {
                let again = OutboxMessage { due_at, attempts, state: SendState::Queued, ..message };
                let _ = recorder.send(record::Entry::again(again));
            }
            Then::Unknown => lanes.back(OutboxMessage { state: SendState::InFlight { since: now }, ..message }),
        }
    }

    /// Meta took a template's message, or refused it for good.
    fn count_template(&self, message: &OutboxMessage, template: &str, judged: &Judged) {
        let outcome = match &judged.then {
            Then::Done(SendResult::Accepted { .. }) => "accepted",
            Then::Done(SendResult::Failed { .. }) => "failed",
            _ => return,
        };
        self.metrics.templates.message(&message.message.game, template, outcome);
    }

    /// Has the outbox keep a message until a time, out of everybody's way.
    pub(super) fn park(
        &self,
        message: &OutboxMessage,
        until: UnixMs,
        reason: ParkReason,
        attempts: u32,
        recorder: &mpsc::UnboundedSender<record::Entry>,
    ) {
        self.metrics.lanes.parked(reason);
        self.metrics.sending.permit(message.message.class.as_str(), reason.as_str());
        tracing::debug!(outbox = %message.id, reason = reason.as_str(), until_ms = until.0, "a message is parked");
        let result = SendResult::Parked { until, reason, attempts };
        let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
    }

    /// A message is not sent, ever: a person may look at it among the dead letters, or it is counted as one of many.
    pub(super) fn give_up(
        &self,
        message: &OutboxMessage,
        reason: &'static str,
        detail: &str,
        recorder: &mpsc::UnboundedSender<record::Entry>,
    ) {
        self.metrics.lanes.dropped(message.message.class, reason);
        let result = SendResult::Dead { reason: reason.to_owned(), detail: detail.to_owned(), at: self.clock.now() };
        let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
    }
}
