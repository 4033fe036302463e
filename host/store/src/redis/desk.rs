//! What people look at and decide on. All partitions are asked, and the answers merged: people are few, and wait.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::audit::Actor;
use questline_core::commit::{Closed, DeadLetter, Letter, StoredDeadLetter, Ticket};
use questline_core::conversation::Conversation;
use questline_core::event::{Event, TicketClosed};
use questline_core::id::{ConversationId, DeadLetterId, GameId, InboxSeq, OutboxRef, OutboxSeq, PlayerId, TicketNumber};
use questline_core::lane::Lane;
use questline_core::port::{CONVERSATIONS_OF_MAX, Depth, Desk, Notice, PlayerConversation, StoreError};
use questline_core::time::UnixMs;
use redis::{Cmd, Value};

use super::conversations::{doc_of, queued};
use super::keys::{PARTITIONS, Partition};
use super::letter;
use super::memory::Inbox;
use super::names::player_places;
use super::pending::Arrived;
use super::script::Script;
use super::session::{Note, Session};
use super::{RedisStore, millis, value};
use crate::audit::{closed, retried};
use crate::seal::{Kind, Owner};

/// Partitions that are asked in one pipeline.
const CHUNK: usize = 128;

/// Priorities lie this far apart; within one, tickets stand by their age in ms.
const RANK_STEP: u64 = 10_000_000_000_000;

/// Where an open ticket stands among those of its game: lower is sooner.
pub(super) fn rank(ticket: &Ticket) -> u64 {
    ticket.priority as u64 * RANK_STEP + ticket.opened_at.0.min(RANK_STEP - 1)
}

#[async_trait]
impl Desk for RedisStore {
    async fn dead_letters(
        &self,
        game: Option<GameId>,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<StoredDeadLetter>, StoreError> {
        let session = self.link.session()?;
        let game = game.as_ref().map_or("", GameId::as_str);
        let answers = self.ask_all(&session, |partition| {
            let mut command = self.fenced(Script::Letters, &session, partition, 64);
            command.arg(after.map_or(0, |id| id.0)).arg(game).arg(limit);
            command
        });
        let mut ids = Vec::new();
        for answer in answers.await? {
            for id in value::list(&answer)? {
                ids.push(DeadLetterId(value::number(id)?));
            }
        }
        ids.sort_unstable();
        ids.truncate(limit);
        let answers = self.link.call(&session, ids.iter().map(|id| self.read_letter(*id)).collect(), None).await?;
        let letters = ids.into_iter().zip(&answers).map(|(id, answer)| self.letter_of(id, answer));
        letters.filter_map(Result::transpose).collect()
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<StoredDeadLetter>, StoreError> {
        let session = self.link.session()?;
        let answers = self.link.call(&session, vec![self.read_letter(id)], None).await?;
        let [answer] = value::exactly(&answers)?;
        self.letter_of(id, answer)
    }

    async fn retry_dead_letter(&self, id: DeadLetterId, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        let Some(StoredDeadLetter { dead_letter, .. }) = self.dead_letter(id).await? else { return Ok(false) };
        let session = self.link.session()?;
        let audit = self.chains.record(retried(id, &dead_letter, actor, now))?;
        let DeadLetter { game, conversation, letter, .. } = dead_letter;
        let mut command = self.fenced(Script::Retry, &session, Partition::of_letter(id), 1_024);
        command.arg(id.0).arg(game.as_str()).arg(conversation.0);
        let note: Note = match letter {
            Letter::Event { received_at, event } => {
                let sealed = self.sealer.seal_json(Owner::number(Kind::Event, conversation.0), &event)?;
                command.arg("event").arg(millis(received_at)).arg(&sealed).arg("").arg("").arg(&audit);
                Box::new(move |answers, news| {
                    if let [Value::Array(answer)] = answers
                        && let [_, seq] = &answer[..]
                    {
                        let seq = InboxSeq(value::number(seq)?);
                        let arrived = Arrived { game, seq, received_at, event: Some(Arc::new(event)), bytes: sealed.len() };
                        news.inboxes.push((conversation, Inbox::Arrived(arrived)));
                    }
                    Ok(())
                })
            }
            Letter::Message(message) => {
                let message = message.anew(now);
                let sealed = self.sealer.seal_json(Owner::number(Kind::Message, conversation.0), &message)?;
                command.arg("message").arg(millis(now)).arg(&sealed).arg(Lane::of(&message).to_string());
                let bucket = self.content_bucket(&mut command, Partition::of_letter(id), Some(now));
                command.arg(&audit);
                Box::new(move |answers, news| {
                    if let [Value::Array(answer)] = answers
                        && let [_, seq, place] = &answer[..]
                    {
                        let id = OutboxRef { conversation, seq: OutboxSeq(value::number(seq)?) };
                        news.placed.push((Partition::of(conversation), queued(id, message, sealed.len(), value::number(place)?)));
                        news.touched.extend(bucket);
                    }
                    Ok(())
                })
            }
        };
        let answers = self.link.call(&session, vec![command], Some(note)).await?;
        let [answer] = value::exactly(&answers)?;
        let is_retried = value::list(answer)?.len() > 1;
        if is_retried {
            self.audited(&session, Partition::of_letter(id)).await;
        }
        Ok(is_retried)
    }

    async fn add_dead_letter(&self, dead_letter: DeadLetter) -> Result<DeadLetterId, StoreError> {
        let session = self.link.session()?;
        let kept = letter::seal(&self.sealer, &dead_letter)?;
        let mut command = self.fenced(Script::Letter, &session, Partition::of(dead_letter.conversation), kept.len());
        command.arg(dead_letter.game.as_str()).arg(millis(dead_letter.at)).arg(kept);
        let answers = self.link.call(&session, vec![command], None).await?;
        let [id] = value::exactly(&answers)?;
        value::number(id).map(DeadLetterId)
    }

    async fn tickets(&self, game: &GameId, closed: bool, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        let session = self.link.session()?;
        let mut found = self.ranked(&session, &format!("tickets:open:{game}"), "ZRANGE", limit).await?;
        found.sort_by(|one, other| (one.0, &one.2).cmp(&(other.0, &other.2)));
        found.truncate(limit);
        if closed && found.len() < limit {
            let mut closed = self.ranked(&session, &format!("tickets:closed:{game}"), "ZREVRANGE", limit - found.len()).await?;
            closed.sort_by(|one, other| (other.0, &other.2).cmp(&(one.0, &one.2)));
            closed.truncate(limit - found.len());
            found.extend(closed);
        }
        let reads = found.iter().map(|(_, partition, number)| self.read_ticket(*partition, game, number)).collect();
        let answers = self.link.call(&session, reads, None).await?;
        let mut tickets = Vec::with_capacity(answers.len());
        for (answer, (_, _, number)) in answers.iter().zip(&found) {
            if let Some(sealed) = value::optional_bytes(answer)? {
                tickets.push(self.sealer.open(Owner::texts(Kind::Ticket, game.as_str(), number), sealed)?);
            }
        }
        Ok(tickets)
    }

    async fn close_ticket(
        &self,
        game: &GameId,
        number: &TicketNumber,
        resolution: String,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let session = self.link.session()?;
        let answers = self.ask_all(&session, |partition| self.read_ticket(partition, game, number.as_str())).await?;
        let found = answers.iter().find_map(|answer| value::optional_bytes(answer).transpose()).transpose()?;
        let Some(sealed) = found else { return Ok(false) };
        let owner = Owner::ticket(game, number);
        let mut ticket: Ticket = self.sealer.open(owner, sealed)?;
        if ticket.closed.is_some() {
            return Ok(false);
        }
        let event = Event::TicketClosed(TicketClosed { number: number.clone(), resolution: resolution.clone() });
        ticket.closed = Some(Closed { at: now, resolution });
        let conversation = ticket.conversation;
        let sealed_ticket = self.sealer.seal_json(owner, &ticket)?;
        let sealed_event = self.sealer.seal_json(Owner::number(Kind::Event, conversation.0), &event)?;
        let mut command = self.fenced(Script::Close, &session, Partition::of(conversation), sealed_ticket.len() + sealed_event.len());
        command.arg(game.as_str()).arg(number.as_str()).arg(conversation.0).arg(millis(now)).arg(&sealed_ticket).arg(&sealed_event);
        command.arg(self.chains.record(closed(&ticket, actor, now))?);
        let of = game.clone();
        let note: Note = Box::new(move |answers, news| {
            if let [answer] = answers
                && let Ok(seq @ 1..) = value::number(answer)
            {
                let arrived =
                    Arrived { game: of, seq: InboxSeq(seq), received_at: now, event: Some(Arc::new(event)), bytes: sealed_event.len() };
                news.inboxes.push((conversation, Inbox::Arrived(arrived)));
            }
            Ok(())
        });
        let answers = self.link.call(&session, vec![command], Some(note)).await?;
        let [seq] = value::exactly(&answers)?;
        let is_closed = value::number(seq)? > 0;
        if is_closed {
            self.audited(&session, Partition::of(conversation)).await;
        }
        Ok(is_closed)
    }

    async fn conversations_of(&self, game: &GameId, player: &PlayerId) -> Result<Vec<PlayerConversation>, StoreError> {
        let session = self.link.session()?;
        let placed = player_places(&self.sealer, game, player).into_iter().map(|name| {
            let mut read = redis::cmd("ZRANGE");
            read.arg(self.keys.player(&name)).arg(0).arg(CONVERSATIONS_OF_MAX - 1).arg("REV");
            read
        });
        let mut ids = Vec::new();
        for placed in self.link.call(&session, placed.collect(), None).await? {
            for id in value::list(&placed)? {
                ids.push(value::conversation(id)?);
            }
        }
        // While keys change they may stand in two places.
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(*id));
        let docs = ids.iter().map(|id| {
            let mut read = redis::cmd("HGET");
            read.arg(self.keys.of(*id, "c")).arg("d");
            read
        });
        let answers = self.link.call(&session, docs.collect(), None).await?;
        let mut found = Vec::with_capacity(answers.len());
        for (answer, id) in answers.iter().zip(ids) {
            if let Some(doc) = value::optional_bytes(answer)? {
                found.push(self.sealer.open(doc_of(id), doc)?);
            }
        }
        Ok(PlayerConversation::select(game, player, found))
    }

    async fn conversation(&self, conversation: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let session = self.link.session()?;
        let mut read = redis::cmd("HGET");
        read.arg(self.keys.of(conversation, "c")).arg("d");
        let answers = self.link.call(&session, vec![read], None).await?;
        let [doc] = value::exactly(&answers)?;
        value::optional_bytes(doc)?.map(|doc| self.sealer.open(doc_of(conversation), doc)).transpose()
    }

    async fn notices(&self, limit: usize) -> Result<Vec<Notice>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let session = self.link.session()?;
        let mut read = redis::cmd("LRANGE");
        read.arg(self.keys.key(Partition::FIRST, "notices")).arg(0).arg(limit as i64 - 1);
        let answers = self.link.call(&session, vec![read], None).await?;
        let [kept] = value::exactly(&answers)?;
        let notice = |kept: &Value| {
            let kept = value::bytes(kept)?;
            let (at, sealed) = kept.iter().position(|byte| *byte == b' ').map_or((kept, &[][..]), |at| (&kept[..at], &kept[at + 1..]));
            let at = value::parse_number(&String::from_utf8_lossy(at))?;
            self.sealer.open(Owner::number(Kind::Notice, at), sealed)
        };
        value::list(kept)?.iter().map(notice).collect()
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        let session = self.link.session()?;
        // The inbox first: what is stepped meanwhile is counted twice rather than nowhere.
        let mut depth = Depth { inbox: self.memory.waiting(), ..Depth::default() };
        let answers = self.ask_all(&session, |partition| self.fenced(Script::Depth, &session, partition, 16)).await?;
        for answer in &answers {
            let [outbox, timers, dead_letters, tickets_open, conversations] = value::exactly(value::list(answer)?)?;
            depth.outbox += value::number(outbox)?;
            depth.timers += value::number(timers)?;
            depth.dead_letters += value::number(dead_letters)?;
            depth.tickets_open += value::number(tickets_open)?;
            depth.conversations += value::number(conversations)?;
        }
        Ok(depth)
    }

    async fn check(&self) -> Result<(), StoreError> {
        let session = self.link.session()?;
        let mut command = self.fenced(Script::Check, &session, Partition::FIRST, 16);
        command.arg(millis(self.memory.clock.now()));
        self.link.call(&session, vec![command], None).await.map(drop)
    }
}

impl RedisStore {
    fn letter_of(&self, id: DeadLetterId, answer: &Value) -> Result<Option<StoredDeadLetter>, StoreError> {
        let kept = value::optional_bytes(answer)?;
        kept.map(|kept| Ok(StoredDeadLetter { id, dead_letter: letter::open(&self.sealer, kept)? })).transpose()
    }

    /// Asks every partition the same; the answers stand in the partitions' order.
    pub(super) async fn ask_all(&self, session: &Session, ask: impl Fn(Partition) -> Cmd) -> Result<Vec<Value>, StoreError> {
        let mut answers = Vec::with_capacity(PARTITIONS.into());
        for from in Partition::all().step_by(CHUNK) {
            let commands = Partition::all().skip(from.index()).take(CHUNK).map(&ask).collect();
            answers.extend(self.link.call(session, commands, None).await?);
        }
        Ok(answers)
    }

    /// The first members of a sorted set of every partition: score, partition, member.
    async fn ranked(&self, session: &Session, key: &str, range: &str, limit: usize) -> Result<Vec<(u64, Partition, String)>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let answers = self.ask_all(session, |partition| {
            let mut command = redis::cmd(range);
            command.arg(self.keys.key(partition, key)).arg(0).arg(limit as i64 - 1).arg("WITHSCORES");
            command
        });
        let mut found = Vec::new();
        for (partition, answer) in Partition::all().zip(answers.await?) {
            for pair in value::list(&answer)?.chunks(2) {
                let [member, score] = value::exactly(pair)?;
                found.push((value::number(score)?, partition, value::text(member)?.to_owned()));
            }
        }
        Ok(found)
    }

    fn read_letter(&self, id: DeadLetterId) -> Cmd {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.key(Partition::of_letter(id), "letters")).arg(id.0);
        command
    }

    fn read_ticket(&self, partition: Partition, game: &GameId, number: &str) -> Cmd {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.key(partition, "tickets")).arg(format!("{game} {number}"));
        command
    }
}
