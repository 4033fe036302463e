//! Many messages at once, in one transaction: their conversations are found or begun, and what came before is told apart.

use questline_core::broadcast::{Tally, counted_as};
use questline_core::contact::Address;
use questline_core::id::{OutboxRef, OutboxSeq};
use questline_core::outbox::NewMessage;
use questline_core::port::{DedupKey, Enqueue, Enqueued, StoreError};
use questline_core::send::ParkReason;
use questline_core::time::UnixMs;

use super::op::Answer;
use super::sealing::broken;
use super::send::{QUEUED, parked};
use super::writer::{Failure, Writer};
use crate::seal::{Draft, Kind, Owner};

/// Messages with their JSON, which is sealed when it is known which conversation they go to.
pub(super) struct EnqueueOp {
    pub(super) messages: Vec<ToQueue>,
    now: UnixMs,
}

pub(super) struct ToQueue {
    dedup: DedupKey,
    not_before: Option<UnixMs>,
    message: NewMessage,
    draft: Draft,
}

impl EnqueueOp {
    pub(super) fn new(messages: Vec<Enqueue>, now: UnixMs) -> Result<Self, StoreError> {
        let to_queue = |enqueue: Enqueue| {
            let (dedup, not_before) = (enqueue.dedup, enqueue.not_before);
            let message = enqueue.into_message();
            let draft = Draft::json(Kind::Message, &message)?;
            Ok(ToQueue { dedup, not_before, message, draft })
        };
        Ok(Self { messages: messages.into_iter().map(to_queue).collect::<Result<_, StoreError>>()?, now })
    }
}

impl Writer {
    pub(super) fn enqueue(&mut self, op: &mut EnqueueOp) -> Result<Answer, Failure> {
        let mut answers = Vec::with_capacity(op.messages.len());
        for ToQueue { dedup, not_before, message, draft } in op.messages.drain(..) {
            if !self.is_first(dedup, op.now)? {
                answers.push(Enqueued::Known);
                continue;
            }
            let address = Address { game: message.game.clone(), number: message.number.clone(), contact: message.contact.clone() };
            let conversation = self.conversation_of(&address, false)?;
            let content = self.shared.sealer.seal(Owner::number(Kind::Message, conversation.0), draft).map_err(broken)?;
            let id = match not_before.filter(|not_before| *not_before > op.now) {
                None => self.queue(conversation, message, &content)?,
                Some(until) => {
                    let place = self.next_message()?;
                    let (at, lane) = (message.committed_at, self.lane_of(&message)?);
                    let campaign = counted_as(&message).map(|campaign| self.campaign(&message.game, campaign, at)).transpose()?;
                    self.count(campaign, Tally::QUEUED, 1);
                    self.count(campaign, parked(ParkReason::Scheduled.as_str()), 1);
                    let sql = "INSERT INTO message(seq, conversation, place, state, at_ms, attempts, due_ms, content, park_ms, park_reason,
                        campaign, lane) VALUES (?1, ?2, ?1, ?3, ?4, 0, ?5, ?6, ?5, ?7, ?8, ?9)";
                    let reason = ParkReason::Scheduled.as_str();
                    self.execute(sql, (place, conversation.0, QUEUED, at.0, until.0, &content, reason, campaign, lane))?;
                    self.staged.outbox += 1;
                    self.staged.timer_due.set(until.0);
                    OutboxRef { conversation, seq: OutboxSeq(place) }
                }
            };
            answers.push(Enqueued::Queued(id));
        }
        Ok(Answer::Enqueued(answers))
    }
}
