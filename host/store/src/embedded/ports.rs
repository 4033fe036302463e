//! The ports of core over this engine.

use async_trait::async_trait;
use questline_core::audit::Actor;
use questline_core::commit::{Commit, DeadLetter, StoredDeadLetter, Ticket};
use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, DeadLetterId, GameId, InboxSeq, NumberId, OutboxRef, PlayerId, TicketNumber};
use questline_core::lane::Room;
use questline_core::outbox::OutboxMessage;
use questline_core::port::{
    Appended, Batch, Begun, Committed, Conversations, DedupKey, Depth, Desk, Enqueue, Enqueued, Inbox, InboxEntry, LaneWaiting, Notice,
    Outbox, ParkedMessage, PlayerConversation, Ready, Receipt, StoreError, Timers, Work,
};
use questline_core::send::{SendRecord, SendResult};
use questline_core::time::UnixMs;

use crate::handout::Handed;

use super::enqueue::EnqueueOp;
use super::op::{Answer, AppendOp, CommitOp, Op, Recorded};
use super::{EmbeddedStore, SOURCE, read, waiting};

/// Messages that are read at once when the hand-out has to be refilled.
const PAGE_MESSAGES: usize = 64;

/// The writer answered something else than was asked.
fn odd() -> StoreError {
    StoreError::Unavailable("the store's writer is out of step".into())
}

#[async_trait]
impl Inbox for EmbeddedStore {
    async fn append(&self, batch: Batch) -> Result<Appended, StoreError> {
        // The writer looks again; here it saves a flood the way there.
        if !batch.events.is_empty() {
            self.shared.pending().admit_any()?;
        }
        match self.ask(Op::Append(AppendOp::new(batch, &self.shared.sealer)?)).await? {
            Answer::Appended(appended) => Ok(appended),
            _ => Err(odd()),
        }
    }

    async fn known(&self, keys: Vec<DedupKey>) -> Result<Vec<bool>, StoreError> {
        self.read(move |connection| read::known(connection, &keys)).await
    }
}

#[async_trait]
impl Conversations for EmbeddedStore {
    async fn take(&self, limit: usize) -> Result<Vec<Ready>, StoreError> {
        self.unless_closed(self.shared.ready.take(limit)).await
    }

    async fn load(&self, conversation: ConversationId, events_max: usize) -> Result<Work, StoreError> {
        let waiting = self.shared.pending().oldest(conversation, events_max);
        let hot = self.shared.hot().take(conversation);
        let cold_events = waiting.iter().filter(|waiting| waiting.event.is_none()).map(|waiting| waiting.seq).collect::<Vec<_>>();
        let (conversation, mut read_events) = match hot {
            Some(hot) if cold_events.is_empty() => (std::sync::Arc::unwrap_or_clone(hot), Default::default()),
            hot => {
                let sealer = self.shared.sealer.clone();
                let read = move |connection: &rusqlite::Connection| {
                    let events = read::events(connection, &sealer, conversation, &cold_events)?;
                    let conversation = match hot {
                        Some(hot) => std::sync::Arc::unwrap_or_clone(hot),
                        None => read::conversation(connection, &sealer, conversation)?,
                    };
                    Ok((conversation, events))
                };
                self.read(read).await?
            }
        };
        let mut events = Vec::with_capacity(waiting.len());
        for waiting in waiting {
            // One that is in neither place was acknowledged meanwhile.
            let Some(event) = waiting.event.or_else(|| read_events.remove(&waiting.seq)) else { continue };
            events.push(InboxEntry { seq: waiting.seq, received_at: waiting.received_at, attempts: waiting.attempts, event });
        }
        Ok(Work { conversation, events })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let commit = CommitOp::new(commit, &self.shared.audit_key, &self.shared.sealer, self.shared.clock.now())?;
        match self.ask(Op::Commit(commit)).await? {
            Answer::Committed(committed) => Ok(committed),
            _ => Err(odd()),
        }
    }

    async fn count_attempt(&self, conversation: ConversationId, seq: InboxSeq, attempts: u32) -> Result<(), StoreError> {
        self.ask(Op::CountAttempt { conversation, seq, attempts }).await.map(|_| ())
    }

    async fn release(&self, conversation: ConversationId, not_before: Option<UnixMs>) -> Result<(), StoreError> {
        // Under the lock, so that nothing arrives between the look and the release.
        let pending = self.shared.pending();
        self.shared.ready.release(conversation, pending.has_any(conversation), not_before);
        Ok(())
    }
}

#[async_trait]
impl Outbox for EmbeddedStore {
    async fn take_lanes(&self, room: &Room) -> Result<Vec<OutboxMessage>, StoreError> {
        loop {
            match self.unless_closed(self.shared.handout.take(room)).await? {
                Handed::Messages(messages) => return Ok(messages),
                Handed::Refill(page) => {
                    let (lane, after) = (page.lane.clone(), page.after);
                    let sealer = self.shared.sealer.clone();
                    let read = move |connection: &rusqlite::Connection| read::lane(connection, &sealer, &lane, after, PAGE_MESSAGES);
                    let (messages, end) = self.read(read).await?;
                    self.shared.handout.refill(page, messages, end);
                }
                Handed::Look(looks) => {
                    let sealer = self.shared.sealer.clone();
                    let read = move |connection: &rusqlite::Connection| {
                        let found = read::behind(connection, &sealer, &looks)?;
                        Ok((looks, found))
                    };
                    let (looks, found) = self.read(read).await?;
                    self.shared.handout.looked(&looks, found.into_iter().map(|placed| (SOURCE, placed)).collect());
                }
            }
        }
    }

    async fn enqueue(&self, messages: Vec<Enqueue>) -> Result<Vec<Enqueued>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        match self.ask(Op::Enqueue(EnqueueOp::new(messages, self.shared.clock.now())?)).await? {
            Answer::Enqueued(enqueued) => Ok(enqueued),
            _ => Err(odd()),
        }
    }

    async fn waiting(&self, numbers: &[NumberId]) -> Result<Vec<LaneWaiting>, StoreError> {
        let (numbers, sealer) = (numbers.to_vec(), self.shared.sealer.clone());
        self.read(move |connection| waiting::waiting(connection, &sealer, &numbers)).await
    }

    async fn parked(&self, numbers: &[NumberId], limit: usize) -> Result<Vec<ParkedMessage>, StoreError> {
        let (numbers, sealer) = (numbers.to_vec(), self.shared.sealer.clone());
        self.read(move |connection| waiting::parked(connection, &sealer, &numbers, limit)).await
    }

    async fn begin(&self, messages: Vec<OutboxRef>, at: UnixMs) -> Result<Vec<OutboxRef>, StoreError> {
        match self.ask(Op::Begin { messages, at }).await? {
            Answer::Begun(begun) => Ok(begun),
            _ => Err(odd()),
        }
    }

    async fn begin_marketing(&self, messages: Vec<OutboxRef>, at: UnixMs) -> Result<Vec<Begun>, StoreError> {
        match self.ask(Op::BeginMarketing { messages, at }).await? {
            Answer::MarketingBegun(begun) => Ok(begun),
            _ => Err(odd()),
        }
    }

    async fn record(&self, records: Vec<SendRecord>) -> Result<(), StoreError> {
        let recorded = records.into_iter().map(|record| {
            let wamid = match &record.result {
                SendResult::Accepted { wamid, .. } => Some(self.shared.sealer.seal_wamid(record.id.conversation, wamid)?),
                _ => None,
            };
            Ok(Recorded { record, wamid })
        });
        let recorded = recorded.collect::<Result<_, StoreError>>()?;
        self.ask(Op::Record(recorded)).await.map(|_| ())
    }

    async fn settled(&self, messages: Vec<OutboxRef>) -> Result<Vec<OutboxRef>, StoreError> {
        self.read(move |connection| read::settled(connection, messages)).await
    }

    async fn receipt(&self, message: OutboxRef) -> Result<Option<Receipt>, StoreError> {
        let sealer = self.shared.sealer.clone();
        self.read(move |connection| read::receipt(connection, &sealer, message)).await
    }
}

#[async_trait]
impl Timers for EmbeddedStore {
    async fn fire_due(&self, now: UnixMs, limit: usize) -> Result<(usize, Option<UnixMs>), StoreError> {
        // The clockwork looks often, and mostly in vain.
        if let Some(due) = self.timer_due()
            && due.is_none_or(|due| due > now)
        {
            return Ok((0, due));
        }
        match self.ask(Op::FireDue { now, limit }).await? {
            Answer::Fired(fired, next) => Ok((fired, next)),
            _ => Err(odd()),
        }
    }

    async fn prune(&self, now: UnixMs, limit: usize) -> Result<usize, StoreError> {
        match self.ask(Op::Prune { now, limit }).await? {
            Answer::Pruned(forgotten) => Ok(forgotten),
            _ => Err(odd()),
        }
    }
}

#[async_trait]
impl Desk for EmbeddedStore {
    async fn dead_letters(
        &self,
        game: Option<GameId>,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<StoredDeadLetter>, StoreError> {
        let sealer = self.shared.sealer.clone();
        self.read(move |connection| read::dead_letters(connection, &sealer, game, after, limit)).await
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<StoredDeadLetter>, StoreError> {
        let sealer = self.shared.sealer.clone();
        self.read(move |connection| read::dead_letter(connection, &sealer, id)).await
    }

    async fn retry_dead_letter(&self, id: DeadLetterId, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        match self.ask(Op::RetryDeadLetter { id, actor: actor.clone(), now }).await? {
            Answer::Found(found) => Ok(found),
            _ => Err(odd()),
        }
    }

    async fn add_dead_letter(&self, dead_letter: DeadLetter) -> Result<DeadLetterId, StoreError> {
        match self.ask(Op::AddDeadLetter(Box::new(dead_letter))).await? {
            Answer::Added(id) => Ok(id),
            _ => Err(odd()),
        }
    }

    async fn tickets(&self, game: &GameId, closed: bool, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        let (game, sealer) = (game.clone(), self.shared.sealer.clone());
        self.read(move |connection| read::tickets(connection, &sealer, &game, closed, limit)).await
    }

    async fn close_ticket(
        &self,
        game: &GameId,
        number: &TicketNumber,
        resolution: String,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let op = Op::CloseTicket { game: game.clone(), number: number.clone(), resolution, actor: actor.clone(), now };
        match self.ask(op).await? {
            Answer::Found(found) => Ok(found),
            _ => Err(odd()),
        }
    }

    async fn conversations_of(&self, game: &GameId, player: &PlayerId) -> Result<Vec<PlayerConversation>, StoreError> {
        let (game, player, sealer) = (game.clone(), player.clone(), self.shared.sealer.clone());
        self.read(move |connection| read::conversations_of(connection, &sealer, &game, &player)).await
    }

    async fn conversation(&self, conversation: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let sealer = self.shared.sealer.clone();
        self.read(move |connection| read::known_conversation(connection, &sealer, conversation)).await
    }

    async fn notices(&self, limit: usize) -> Result<Vec<Notice>, StoreError> {
        let sealer = self.shared.sealer.clone();
        self.read(move |connection| read::notices(connection, &sealer, limit)).await
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        Ok(self.shared.depth())
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ask(Op::Check).await.map(|_| ())
    }
}
