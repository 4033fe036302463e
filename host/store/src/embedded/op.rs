//! What the writer can be asked to do, and what it answers. JSON is made by the caller: the writer's thread is the one
//! that all share.

use std::sync::Arc;

use questline_core::audit::Actor;
use questline_core::commit::{Bury, Commit, DeadLetter, Resend, Ticket, TimerChange};
use questline_core::consent::ConsentRecord;
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, DeadLetterId, GameId, InboxSeq, OutboxRef, TicketNumber};
use questline_core::outbox::NewMessage;
use questline_core::port::{Appended, Batch, Committed, DedupKey, Erased, StatusUpdate, StoreError};
use questline_core::send::SendRecord;
use questline_core::time::UnixMs;
use tokio::sync::oneshot;

use super::audit::{EraseOp, Salted, salted};
use crate::audit::AuditKey;
use crate::codec::encode;
use crate::documents::DocumentWrite;
use crate::pages::Change;

/// What a row of a document counts as.
const ROW_BYTES: usize = 1 << 10;

/// An operation and who waits for it.
pub(super) struct Request {
    pub(super) op: Op,
    pub(super) reply: oneshot::Sender<Result<Answer, StoreError>>,
}

/// An operation that writes.
pub(super) enum Op {
    Append(AppendOp),
    Commit(Box<CommitOp>),
    CountAttempt { conversation: ConversationId, seq: InboxSeq, attempts: u32 },
    Begin { messages: Vec<OutboxRef>, at: UnixMs },
    Record(Vec<SendRecord>),
    FireDue { now: UnixMs, limit: usize },
    Prune { now: UnixMs, limit: usize },
    RetryDeadLetter { id: DeadLetterId, actor: Actor, now: UnixMs },
    AddDeadLetter(Box<DeadLetter>),
    CloseTicket { game: GameId, number: TicketNumber, resolution: String, actor: Actor, now: UnixMs },
    AppendAudit(Vec<Salted>),
    Erase(Box<EraseOp>),
    WriteDocument(Box<DocumentWrite>),
    ChangePages { names: Vec<String>, change: Change },
    Check,
    Close,
}

impl Op {
    /// About how many rows it writes: groups are cut by it.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Append(append) => 2 * append.events.len() + append.statuses.len() + append.notices.len(),
            Self::Commit(commit) => 3 + commit.outbox.len() + 3 * commit.audits.len(),
            Self::AppendAudit(records) => 3 * records.len(),
            Self::Begin { messages, .. } => messages.len(),
            Self::Record(records) => records.len(),
            Self::FireDue { limit, .. } | Self::Prune { limit, .. } => 2 * limit,
            Self::ChangePages { names, .. } => names.len(),
            Self::WriteDocument(write) => 1 + write.value.as_ref().map_or(0, Vec::len) / ROW_BYTES,
            _ => 2,
        }
    }
}

/// What the writer answers.
pub(super) enum Answer {
    Done,
    Appended(Appended),
    Committed(Committed),
    Begun(Vec<OutboxRef>),
    Fired(usize, Option<UnixMs>),
    Pruned(usize),
    Found(bool),
    Added(DeadLetterId),
    Erased(Erased),
}

/// A batch with its JSON.
pub(super) struct AppendOp {
    pub(super) events: Vec<NewEvent>,
    pub(super) statuses: Vec<StatusUpdate>,
    pub(super) notices: Vec<String>,
    pub(super) received_at: UnixMs,
}

/// An event for a contact, with its JSON.
pub(super) struct NewEvent {
    pub(super) address: Address,
    pub(super) dedup: Option<DedupKey>,
    pub(super) event: Arc<Event>,
    pub(super) json: String,
}

impl AppendOp {
    pub(super) fn new(batch: Batch) -> Result<Self, StoreError> {
        let events = batch.events.into_iter().map(|incoming| {
            let json = encode("an event", &incoming.event)?;
            Ok(NewEvent { address: incoming.address, dedup: incoming.dedup, event: Arc::new(incoming.event), json })
        });
        Ok(Self {
            events: events.collect::<Result<_, StoreError>>()?,
            notices: batch.notices.iter().map(|notice| encode("a notice", notice)).collect::<Result<_, _>>()?,
            statuses: batch.statuses,
            received_at: batch.received_at,
        })
    }
}

/// A commit with its JSON beside each part.
pub(super) struct CommitOp {
    pub(super) conversation: (Arc<Conversation>, String),
    pub(super) ack: InboxSeq,
    pub(super) outbox: Vec<(NewMessage, String)>,
    pub(super) resend: Vec<Resend>,
    pub(super) bury: Vec<Bury>,
    pub(super) timers: Vec<TimerChange>,
    pub(super) tickets: Vec<(Ticket, String)>,
    pub(super) consents: Vec<(ConsentRecord, String)>,
    pub(super) audits: Vec<Salted>,
    pub(super) follow_ups: Vec<(Arc<Event>, String)>,
    pub(super) dead_letter: Option<String>,
    pub(super) step: Option<(UnixMs, String)>,
    pub(super) now: UnixMs,
}

impl CommitOp {
    pub(super) fn new(commit: Commit, key: &AuditKey, now: UnixMs) -> Result<Box<Self>, StoreError> {
        let json = encode("a conversation", &commit.conversation)?;
        let follow_ups = commit.follow_ups.into_iter().map(|event| encode("an event", &event).map(|json| (Arc::new(event), json)));
        let step = commit.step.map(|step| encode("a step", &step).map(|json| (step.at, json)));
        Ok(Box::new(Self {
            conversation: (Arc::new(commit.conversation), json),
            ack: commit.ack,
            outbox: with_json("a message", commit.outbox)?,
            resend: commit.resend,
            bury: commit.bury,
            timers: commit.timers,
            tickets: with_json("a ticket", commit.tickets)?,
            consents: with_json("a consent", commit.consents)?,
            audits: salted(commit.audits, key)?,
            follow_ups: follow_ups.collect::<Result<_, _>>()?,
            dead_letter: commit.dead_letter.map(|letter| encode("a dead letter", &letter)).transpose()?,
            step: step.transpose()?,
            now,
        }))
    }
}

fn with_json<T: serde::Serialize>(what: &'static str, values: Vec<T>) -> Result<Vec<(T, String)>, StoreError> {
    values.into_iter().map(|value| encode(what, &value).map(|json| (value, json))).collect()
}
