//! The sender's side: what waits to be sent, what came of it.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::event::{Event, StatusEvent, Wamid};
use questline_core::id::{InboxSeq, NumberId, OutboxRef};
use questline_core::lane::{Lane, Room};
use questline_core::outbox::{OutboxMessage, SendState};
use questline_core::port::{Begun, Enqueue, Enqueued, LaneWaiting, Outbox, ParkedMessage, Receipt, StoreError};
use questline_core::send::{SendRecord, SendResult};
use questline_core::status::DeliveryState;
use questline_core::time::{DAY_MS, UnixMs};
use redis::{Cmd, Value};

use super::RedisStore;
use super::conversations::name_of;
use super::keys::{Keys, Partition};
use super::letter::LetterHead;
use super::memory::{Bucket, Inbox, News};
use super::pending::Arrived;
use super::script::{Script, Scripts};
use super::session::{Note, Session};
use super::{millis, value};
use crate::handout::{Handed, Look, Page, Placed};
use crate::seal::{Kind, Owner, Sealer};

/// Messages that are read at once when the hand-out has to be refilled.
const PAGE_MESSAGES: usize = 64;

#[async_trait]
impl Outbox for RedisStore {
    async fn take_lanes(&self, room: &Room) -> Result<Vec<OutboxMessage>, StoreError> {
        loop {
            match self.unless_closed(self.memory.handout.take(room)).await? {
                Handed::Messages(messages) => return Ok(messages),
                Handed::Refill(page) => self.refill(page).await?,
                Handed::Look(looks) => self.look_behind(&looks).await?,
            }
        }
    }

    async fn enqueue(&self, messages: Vec<Enqueue>) -> Result<Vec<Enqueued>, StoreError> {
        self.enqueue_all(messages).await
    }

    async fn waiting(&self, numbers: &[NumberId]) -> Result<Vec<LaneWaiting>, StoreError> {
        self.lanes_waiting(numbers).await
    }

    async fn parked(&self, numbers: &[NumberId], limit: usize) -> Result<Vec<ParkedMessage>, StoreError> {
        self.parked_first(numbers, limit).await
    }

    async fn begin(&self, messages: Vec<OutboxRef>, at: UnixMs) -> Result<Vec<OutboxRef>, StoreError> {
        let session = self.link.session()?;
        let mut messages = messages.into_iter().map(|id| (Partition::of(id.conversation), id)).collect::<Vec<_>>();
        messages.sort_by_key(|(partition, _)| *partition);
        let commands = messages.chunk_by(|(one, _), (other, _)| one == other).map(|messages| {
            let partition = messages.first().map_or(Partition::FIRST, |(partition, _)| *partition);
            let mut command = self.fenced(Script::Begin, &session, partition, 64 * messages.len());
            command.arg(millis(at)).arg(messages.len());
            for (_, id) in messages {
                command.arg(id.to_string());
            }
            command
        });
        let answers = self.link.call(&session, commands.collect(), None).await?;
        // A letter for each message, in the order of partitions: the one in which they are sorted.
        let letters = answers.iter().map(value::text).collect::<Result<String, _>>()?;
        Ok(messages.iter().zip(letters.chars()).filter(|(_, letter)| *letter == 'b').map(|((_, id), _)| *id).collect())
    }

    async fn begin_marketing(&self, messages: Vec<OutboxRef>, at: UnixMs) -> Result<Vec<Begun>, StoreError> {
        self.marketing_begins(messages, at).await
    }

    async fn record(&self, records: Vec<SendRecord>) -> Result<(), StoreError> {
        let session = self.link.session()?;
        let (mut commands, mut outcomes) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
        for record in records {
            let (command, outcome) = self.record_command(&session, record)?;
            commands.push(command);
            outcomes.push(outcome);
        }
        let note: Note = Box::new(move |answers, news| {
            answers.iter().zip(outcomes).try_for_each(|(answer, outcome)| match answer {
                Value::ServerError(_) => Ok(()),
                answer => outcome.note(answer, news),
            })
        });
        self.link.call(&session, commands, Some(note)).await.map(drop)
    }

    async fn settled(&self, messages: Vec<OutboxRef>) -> Result<Vec<OutboxRef>, StoreError> {
        let session = self.link.session()?;
        let answers = self.link.call(&session, messages.iter().map(|id| self.of_day("HEXISTS", 'r', *id)).collect(), None).await?;
        let mut settled = Vec::new();
        for (id, answer) in messages.into_iter().zip(&answers) {
            if value::number(answer)? == 1 {
                settled.push(id);
            }
        }
        Ok(settled)
    }

    async fn receipt(&self, message: OutboxRef) -> Result<Option<Receipt>, StoreError> {
        let session = self.link.session()?;
        let reads = vec![self.of_day("HGET", 'r', message), self.of_day("HGET", 'b', message)];
        let answers = self.link.call(&session, reads, None).await?;
        let [receipt, content] = value::exactly(&answers)?;
        let Some(receipt) = value::optional_bytes(receipt)? else { return Ok(None) };
        let content = value::optional_bytes(content)?.map(|content| self.sealer.open(of(message), content)).transpose()?;
        let mut parts = receipt.splitn(4, |byte| *byte == b' ');
        let mut number = || value::parse_number(&String::from_utf8_lossy(parts.next().unwrap_or_default()));
        let (state, at, attempts) = (number()?, UnixMs(number()?), number()?);
        let state = u8::try_from(state).ok().and_then(DeliveryState::from_number);
        let state = state.ok_or_else(|| StoreError::Corrupt("a receipt has a state that is not known".to_owned()))?;
        let wamid = parts.next().filter(|wamid| !wamid.is_empty());
        let wamid = wamid.map(|wamid| self.sealer.open_wamid(message.conversation, wamid)).transpose()?;
        let attempts = attempts.try_into().unwrap_or(u32::MAX);
        Ok(Some(Receipt { id: message, wamid, state, at, attempts, message: content }))
    }
}

/// Where what a message says lies.
fn of(id: OutboxRef) -> Owner<'static> {
    Owner::number(Kind::Message, id.conversation.0)
}

/// What a record brings to memory.
enum Outcome {
    Nothing,
    Accepted { id: OutboxRef, wamid: Wamid, bucket: Option<(Bucket, u64)> },
    Parked { partition: Partition },
    Failed { id: OutboxRef, event: Arc<Event>, bytes: usize, received_at: UnixMs },
}

impl Outcome {
    fn note(self, answer: &Value, news: &mut News) -> Result<(), StoreError> {
        let answer = value::list(answer)?;
        let taken = answer.first().map_or(Ok(0), value::number)? == 1;
        match (self, answer) {
            (Self::Accepted { id, wamid, bucket }, _) if taken => {
                news.accepted.push((wamid, id));
                news.touched.extend(bucket);
            }
            (Self::Parked { partition }, [_, next]) => news.timers.push((partition, value::optional_number(next)?)),
            (Self::Failed { id, event, bytes, received_at }, [_, game, seq]) => {
                let (game, seq) = (value::game(game)?, InboxSeq(value::number(seq)?));
                let arrived = Arrived { game, seq, received_at, event: Some(event), bytes };
                news.inboxes.push((id.conversation, Inbox::Arrived(arrived)));
            }
            _ => {}
        }
        Ok(())
    }
}

impl RedisStore {
    fn record_command(&self, session: &Session, record: SendRecord) -> Result<(Cmd, Outcome), StoreError> {
        let SendRecord { id, result } = record;
        let partition = Partition::of(id.conversation);
        let mut command = self.fenced(Script::Record, session, partition, 256);
        command.arg(id.conversation.0).arg(id.seq.0);
        let outcome = match result {
            SendResult::Accepted { wamid, at } => {
                let bucket = ('r', partition, id.seq.0 / DAY_MS);
                let is_stale = self.memory.is_stale(bucket, at.0);
                let kept = self.sealer.seal_wamid(id.conversation, &wamid)?;
                command.arg("accepted").arg(millis(at)).arg(kept).arg(if is_stale { "1" } else { "" });
                Outcome::Accepted { id, wamid, bucket: is_stale.then_some((bucket, at.0)) }
            }
            SendResult::Done => {
                command.arg("done").arg(0);
                Outcome::Nothing
            }
            SendResult::Again { attempts, due_at } => {
                command.arg("again").arg(millis(due_at)).arg(attempts);
                Outcome::Nothing
            }
            SendResult::Parked { until, reason, attempts } => {
                command.arg("parked").arg(millis(until)).arg(attempts).arg(reason.as_str());
                Outcome::Parked { partition }
            }
            SendResult::Failed { error, attempts, at } => {
                let code = error.code;
                let event = StatusEvent { message: Some(id), state: DeliveryState::Failed, at, error: Some(error) };
                let event = Event::Status(event);
                let sealed = self.sealer.seal_json(Owner::number(Kind::Event, id.conversation.0), &event)?;
                command.arg("failed").arg(millis(at)).arg(attempts).arg(&sealed).arg(millis(at)).arg(code);
                Outcome::Failed { id, event: Arc::new(event), bytes: sealed.len(), received_at: at }
            }
            SendResult::Dead { reason, detail, at } => {
                command.arg("dead").arg(millis(at)).arg(LetterHead::seal(&self.sealer, id.conversation, &reason, &detail, at)?);
                command.arg(reason);
                Outcome::Nothing
            }
        };
        Ok((command, outcome))
    }

    /// A command on a message's field in one of its day's buckets.
    fn of_day(&self, name: &str, kind: char, id: OutboxRef) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(self.keys.key(Partition::of(id.conversation), &format!("{kind}:{}", id.seq.0 / DAY_MS))).arg(id.to_string());
        command
    }

    /// Reads on in a partition's lane.
    async fn refill(&self, page: Page) -> Result<(), StoreError> {
        let session = self.link.session()?;
        let partition = Partition(page.source);
        let command = page_command(&self.scripts, &self.keys, &session, partition, &page.lane, page.after);
        let answers = self.link.call(&session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        let QueuePage { messages, last, end } = QueuePage::read(answer, &self.sealer)?;
        self.memory.saw_place(partition, last);
        self.memory.handout.refill(page, messages, end);
        Ok(())
    }

    /// Looks for what goes before messages that are about to be handed out.
    async fn look_behind(&self, looks: &[Look]) -> Result<(), StoreError> {
        let session = self.link.session()?;
        let command = |look: &Look| {
            let mut command = self.fenced(Script::Behind, &session, Partition(look.source), 64 + 32 * look.lanes.len());
            command.arg(look.conversation.to_string()).arg(look.before).arg(look.lanes.len());
            for lane in &look.lanes {
                command.arg(lane.to_string());
            }
            command
        };
        let answers = self.link.call(&session, looks.iter().map(command).collect(), None).await?;
        let mut found = Vec::new();
        for (look, answer) in looks.iter().zip(&answers) {
            let page = QueuePage::read(answer, &self.sealer)?;
            found.extend(page.messages.into_iter().map(|placed| (look.source, placed)));
        }
        self.memory.handout.looked(looks, found);
        Ok(())
    }
}

/// The script that reads a partition's lane above a place.
pub(super) fn page_command(scripts: &Scripts, keys: &Keys, session: &Session, partition: Partition, lane: &Lane, after: u64) -> Cmd {
    let mut command = scripts.fenced(Script::Page, keys, session, partition, 64);
    command.arg(lane.to_string()).arg(after).arg(PAGE_MESSAGES);
    command
}

/// A part of a lane.
pub(super) struct QueuePage {
    pub(super) messages: Vec<Placed>,
    /// The last place in it.
    pub(super) last: u64,
    /// Nothing comes after it.
    pub(super) end: bool,
}

impl QueuePage {
    pub(super) fn read(answer: &Value, sealer: &Sealer) -> Result<Self, StoreError> {
        let rows = value::list(answer)?;
        let (mut messages, mut last) = (Vec::with_capacity(rows.len() / 4), 0);
        for row in rows.chunks(4) {
            let [place, name, standing, content] = value::exactly(row)?;
            last = value::number(place)?;
            match message_of(name, standing, content, sealer) {
                Ok((message, bytes)) => messages.push(Placed { place: last, message, bytes }),
                // One that cannot be read must not hold up the others.
                Err(error) => tracing::error!(%error, "a message in the outbox is left where it is"),
            }
        }
        Ok(Self { messages, last, end: rows.len() < 4 * PAGE_MESSAGES })
    }
}

/// A message as the queue holds it.
fn message_of(name: &Value, standing: &Value, content: &Value, sealer: &Sealer) -> Result<(OutboxMessage, usize), StoreError> {
    let name = value::text(name)?;
    let id = name_of(name).ok_or_else(|| StoreError::Corrupt("a message has an odd name".to_owned()))?;
    let mut parts = value::bytes(standing)?.splitn(4, |byte| *byte == b' ');
    let mut number = || value::parse_number(&String::from_utf8_lossy(parts.next().unwrap_or_default()));
    let (attempts, due_at, since) = (number()?.try_into().unwrap_or(u32::MAX), UnixMs(number()?), number()?);
    let state = if since == 0 { SendState::Queued } else { SendState::InFlight { since: UnixMs(since) } };
    let content = value::bytes(content)?;
    let message = sealer.open(of(id), content)?;
    Ok((OutboxMessage { id, message, attempts, due_at, state }, content.len()))
}
