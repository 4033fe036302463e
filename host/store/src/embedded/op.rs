//! What the writer can be asked to do, and what it answers. JSON is made and sealed by the caller, as far as it knows where
//! it is to lie: the writer's thread is the one that all share.

use std::sync::Arc;

use questline_core::audit::Actor;
use questline_core::commit::{Bury, Commit, DeadLetter, Resend, Ticket, TimerChange};
use questline_core::consent::ConsentRecord;
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, DeadLetterId, GameId, InboxSeq, OutboxRef, TicketNumber};
use questline_core::outbox::NewMessage;
use questline_core::port::{
    Appended, Batch, Begun, Committed, DedupKey, DeedNote, Enqueued, Erased, PermitAnswer, StatusUpdate, StoreError,
};
use questline_core::send::SendRecord;
use questline_core::time::UnixMs;
use tokio::sync::oneshot;

use super::audit::{EraseOp, Salted, salted};
use super::enqueue::EnqueueOp;
use super::permits::KeyedReturn;
use super::reseal::Rewrite;
use crate::audit::AuditKey;
use crate::documents::DocumentWrite;
use crate::pages::{Change, PageKey};
use crate::permits::KeyedAsk;
use crate::seal::{Draft, Kind, Owner, Sealer};

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
    BeginMarketing { messages: Vec<OutboxRef>, at: UnixMs },
    Record(Vec<Recorded>),
    Enqueue(EnqueueOp),
    FireDue { now: UnixMs, limit: usize },
    Prune { now: UnixMs, limit: usize },
    RetryDeadLetter { id: DeadLetterId, actor: Actor, now: UnixMs },
    AddDeadLetter(Box<DeadLetter>),
    CloseTicket { game: GameId, number: TicketNumber, resolution: String, actor: Actor, now: UnixMs },
    AppendAudit(Vec<Salted>),
    Erase(Box<EraseOp>),
    WriteDocument(Box<DocumentWrite>),
    ChangePages { keys: Vec<PageKey>, change: Change },
    TakePermits { asks: Vec<KeyedAsk>, now: UnixMs },
    ReturnPermits(Vec<KeyedReturn>),
    NoteDeed(Box<DeedNote>),
    Rewrite(Vec<Rewrite>),
    StrikeKeys,
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
            Self::BeginMarketing { messages, .. } => 2 * messages.len(),
            Self::Record(records) => records.len(),
            Self::Enqueue(op) => 4 * op.messages.len(),
            Self::FireDue { limit, .. } | Self::Prune { limit, .. } => 2 * limit,
            Self::ChangePages { keys, .. } => keys.len(),
            Self::TakePermits { asks, .. } => 2 * asks.len(),
            Self::ReturnPermits(returns) => 2 * returns.len(),
            Self::Rewrite(rewrites) => rewrites.len(),
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
    MarketingBegun(Vec<Begun>),
    Enqueued(Vec<Enqueued>),
    Fired(usize, Option<UnixMs>),
    Pruned(usize),
    Found(bool),
    Added(DeadLetterId),
    Erased(Erased),
    Permits(Vec<PermitAnswer>),
}

/// What came of a send, and Meta's name for the message as it is kept.
pub(super) struct Recorded {
    pub(super) record: SendRecord,
    pub(super) wamid: Option<Vec<u8>>,
}

/// A batch with its JSON.
pub(super) struct AppendOp {
    pub(super) events: Vec<NewEvent>,
    pub(super) statuses: Vec<StatusUpdate>,
    pub(super) notices: Vec<Vec<u8>>,
    pub(super) received_at: UnixMs,
}

/// An event for a contact, with its JSON.
pub(super) struct NewEvent {
    pub(super) address: Address,
    pub(super) dedup: Option<DedupKey>,
    pub(super) event: Arc<Event>,
    /// Sealed when it is known which conversation it goes to.
    pub(super) draft: Draft,
}

impl AppendOp {
    pub(super) fn new(batch: Batch, sealer: &Sealer) -> Result<Self, StoreError> {
        let events = batch.events.into_iter().map(|incoming| {
            let draft = Draft::json(Kind::Event, &incoming.event)?;
            Ok(NewEvent { address: incoming.address, dedup: incoming.dedup, event: Arc::new(incoming.event), draft })
        });
        let owner = Owner::number(Kind::Notice, batch.received_at.0);
        Ok(Self {
            events: events.collect::<Result<_, StoreError>>()?,
            notices: batch.notices.iter().map(|notice| sealer.seal_json(owner, notice)).collect::<Result<_, _>>()?,
            statuses: batch.statuses,
            received_at: batch.received_at,
        })
    }
}

/// A commit with its JSON beside each part.
pub(super) struct CommitOp {
    pub(super) conversation: (Arc<Conversation>, Vec<u8>),
    pub(super) ack: InboxSeq,
    pub(super) outbox: Vec<(NewMessage, Vec<u8>)>,
    pub(super) resend: Vec<Resend>,
    pub(super) bury: Vec<Bury>,
    pub(super) timers: Vec<(TimerChange, Option<Vec<u8>>)>,
    pub(super) tickets: Vec<(Ticket, Vec<u8>)>,
    pub(super) consents: Vec<(ConsentRecord, Vec<u8>)>,
    pub(super) audits: Vec<Salted>,
    pub(super) follow_ups: Vec<(Arc<Event>, Draft)>,
    pub(super) dead_letter: Option<Vec<u8>>,
    pub(super) step: Option<(UnixMs, Vec<u8>)>,
    pub(super) now: UnixMs,
}

impl CommitOp {
    pub(super) fn new(commit: Commit, key: &AuditKey, sealer: &Sealer, now: UnixMs) -> Result<Box<Self>, StoreError> {
        let id = commit.conversation.id.0;
        let of = |kind| Owner::number(kind, id);
        let doc = sealer.seal_json(of(Kind::Conversation), &commit.conversation)?;
        let follow_ups = commit.follow_ups.into_iter().map(|event| Draft::json(Kind::Event, &event).map(|draft| (Arc::new(event), draft)));
        let step = commit.step.map(|step| sealer.seal_json(of(Kind::Step), &step).map(|doc| (step.at, doc)));
        let timers = commit.timers.into_iter().map(|change| {
            let payload = match &change {
                TimerChange::Set { timer, .. } => Some(sealer.seal(of(Kind::Timer), Draft::bytes(&[timer.payload.as_bytes()]))?),
                TimerChange::Cancel { .. } => None,
            };
            Ok((change, payload))
        });
        let tickets = commit
            .tickets
            .into_iter()
            .map(|ticket| sealer.seal_json(Owner::ticket(&ticket.game, &ticket.number), &ticket).map(|doc| (ticket, doc)));
        Ok(Box::new(Self {
            conversation: (Arc::new(commit.conversation), doc),
            ack: commit.ack,
            outbox: sealed(sealer, of(Kind::Message), commit.outbox)?,
            resend: commit.resend,
            bury: commit.bury,
            timers: timers.collect::<Result<_, StoreError>>()?,
            tickets: tickets.collect::<Result<_, _>>()?,
            consents: sealed(sealer, of(Kind::Consent), commit.consents)?,
            audits: salted(commit.audits, key)?,
            follow_ups: follow_ups.collect::<Result<_, _>>()?,
            dead_letter: commit.dead_letter.map(|letter| sealer.seal_json(Owner::letter(&letter.game), &letter)).transpose()?,
            step: step.transpose()?,
            now,
        }))
    }
}

fn sealed<T: serde::Serialize>(sealer: &Sealer, owner: Owner<'_>, values: Vec<T>) -> Result<Vec<(T, Vec<u8>)>, StoreError> {
    values.into_iter().map(|value| sealer.seal_json(owner, &value).map(|doc| (value, doc))).collect()
}
