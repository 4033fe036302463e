//! The runner's side: what is ready, what a step needs, and the step itself as one script.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::commit::{Bury, Commit, TimerChange};
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, InboxSeq, OutboxRef, OutboxSeq};
use questline_core::outbox::{NewMessage, OutboxMessage, SendState};
use questline_core::port::{Committed, Conversations, InboxEntry, Ready, StoreError, Work};
use questline_core::time::{DAY_MS, UnixMs};
use redis::{Cmd, Value};

use super::RedisStore;
use super::desk::rank;
use super::keys::Partition;
use super::memory::{Bucket, Inbox, News};
use super::pending::Arrived;
use super::script::Script;
use super::session::{Note, Session};
use super::{millis, value};
use crate::codec::{decode, encode};
use crate::handout::Placed;

#[async_trait]
impl Conversations for RedisStore {
    async fn take(&self, limit: usize) -> Result<Vec<Ready>, StoreError> {
        self.unless_closed(self.memory.ready.take(limit)).await
    }

    async fn load(&self, conversation: ConversationId, events_max: usize) -> Result<Work, StoreError> {
        let session = self.link.session()?;
        self.memory.load_begins(conversation);
        if let Some(work) = self.memory.work(conversation, events_max) {
            return Ok(work);
        }
        let mut doc = redis::cmd("HMGET");
        doc.arg(self.keys.of(conversation, "c")).arg("d").arg("t");
        let mut events = redis::cmd("LRANGE");
        events.arg(self.keys.of(conversation, "in")).arg(0).arg(events_max as i64 - 1);
        let reads = if events_max == 0 { vec![doc] } else { vec![doc, events] };
        let answers = self.link.call(&session, reads, None).await?;
        let (doc, events) = answers.split_first().ok_or_else(|| StoreError::Corrupt("Redis answered nothing".to_owned()))?;
        let [doc, tried] = value::exactly(value::list(doc)?)?;
        let Some(doc) = value::optional_bytes(doc)? else {
            return Err(StoreError::Corrupt(format!("there is no conversation {conversation}")));
        };
        let tried = value::optional_bytes(tried)?.map(tried_of).transpose()?.flatten();
        let events = events.first().map_or(Ok(&[][..]), value::list)?;
        let events = events.iter().map(|entry| entry_of(value::bytes(entry)?, tried)).collect::<Result<_, _>>()?;
        Ok(Work { conversation: decode("a conversation", doc)?, events })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let session = self.link.session()?;
        let id = commit.conversation.id;
        if self.memory.is_outdated(id) {
            return Err(StoreError::Stale);
        }
        let contact = encode("a contact", &commit.conversation.contact)?;
        let player = commit.conversation.session.player.as_ref().map(|player| encode("a player", player)).transpose()?.unwrap_or_default();
        let is_audited = !commit.audits.is_empty();
        let (command, note, conversation) = self.commit_command(&session, commit, &contact, &player)?;
        let answers = self.link.call(&session, vec![command], Some(note)).await?;
        let [answer] = value::exactly(&answers)?;
        let CommitAnswer::Done { seqs, contact_before, player_before, .. } = CommitAnswer::read(answer)? else {
            return Err(StoreError::Stale);
        };
        if is_audited {
            self.audited(&session, Partition::of(id)).await;
        }
        if !contact_before.is_empty()
            && let Err(error) = self.move_names(&session, id, &conversation.number, contact_before, contact.as_bytes()).await
        {
            // The step is written. The note of the names is too, and is carried out when the session is renewed.
            tracing::warn!(%error, conversation = %id, "names of a contact that changed are not moved yet");
        }
        if !player_before.is_empty()
            && let Err(error) = self.move_player(&session, &conversation, player_before, &player).await
        {
            tracing::warn!(%error, conversation = %id, "a player's conversations are not noted yet");
        }
        Ok(Committed { outbox: seqs.into_iter().map(|seq| OutboxRef { conversation: id, seq }).collect() })
    }

    async fn count_attempt(&self, conversation: ConversationId, seq: InboxSeq, attempts: u32) -> Result<(), StoreError> {
        let session = self.link.session()?;
        let mut command = self.fenced(Script::Tries, &session, Partition::of(conversation), 32);
        command.arg(conversation.0).arg(seq.0).arg(attempts);
        let note: Note = Box::new(move |_, news| {
            news.inboxes.push((conversation, Inbox::Tried(seq, attempts)));
            Ok(())
        });
        let answers = self.link.call(&session, vec![command], Some(note)).await?;
        let [counted] = value::exactly(&answers)?;
        if value::number(counted)? == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }

    async fn release(&self, conversation: ConversationId, not_before: Option<UnixMs>) -> Result<(), StoreError> {
        self.memory.release(conversation, not_before);
        Ok(())
    }
}

/// Failed tries of the oldest event: which, and how many.
fn tried_of(text: &[u8]) -> Result<Option<(InboxSeq, u32)>, StoreError> {
    let text = String::from_utf8_lossy(text);
    let Some((seq, attempts)) = text.split_once(' ') else { return Ok(None) };
    let attempts = value::parse_number(attempts)?.try_into().unwrap_or(u32::MAX);
    Ok(Some((InboxSeq(value::parse_number(seq)?), attempts)))
}

/// An event as the inbox holds it.
fn entry_of(text: &[u8], tried: Option<(InboxSeq, u32)>) -> Result<InboxEntry, StoreError> {
    let mut parts = text.splitn(3, |byte| *byte == b' ');
    let mut number = || value::parse_number(&String::from_utf8_lossy(parts.next().unwrap_or_default()));
    let (seq, received_at) = (InboxSeq(number()?), UnixMs(number()?));
    let event = Arc::new(decode("an event", parts.next().unwrap_or_default())?);
    let attempts = tried.map_or(0, |(of, attempts)| if of == seq { attempts } else { 0 });
    Ok(InboxEntry { seq, received_at, attempts, event })
}

/// What the script of a commit answers.
enum CommitAnswer<'a> {
    Stale,
    Done {
        last_put: u64,
        first_place: u64,
        seqs: Vec<OutboxSeq>,
        contact_before: &'a [u8],
        requeued: &'a [Value],
        timer_next: Option<u64>,
        player_before: &'a [u8],
    },
}

impl<'a> CommitAnswer<'a> {
    fn read(answer: &'a Value) -> Result<Self, StoreError> {
        let answer = value::list(answer)?;
        let [_, last_put, first_place, seqs, contact_before, requeued, timer_next, player_before] = answer else { return Ok(Self::Stale) };
        let seqs = value::text(seqs)?.split_ascii_whitespace().map(|seq| value::parse_number(seq).map(OutboxSeq));
        Ok(Self::Done {
            last_put: value::optional_number(last_put)?.unwrap_or(0),
            first_place: value::number(first_place)?,
            seqs: seqs.collect::<Result<_, _>>()?,
            contact_before: value::bytes(contact_before)?,
            requeued: value::list(requeued)?,
            timer_next: value::optional_number(timer_next)?,
            player_before: value::bytes(player_before)?,
        })
    }
}

/// What a commit brings to memory once it is written.
struct Written {
    conversation: Arc<Conversation>,
    doc_bytes: usize,
    ack: InboxSeq,
    now: UnixMs,
    outbox: Vec<(NewMessage, usize)>,
    follow_ups: Vec<(Arc<Event>, usize)>,
    timers_change: bool,
    bucket: Option<(Bucket, u64)>,
}

impl Written {
    fn note(self, answer: &Value, news: &mut News) -> Result<(), StoreError> {
        let id = self.conversation.id;
        let partition = Partition::of(id);
        let CommitAnswer::Done { last_put, first_place, seqs, requeued, timer_next, .. } = CommitAnswer::read(answer)? else {
            news.changed.push(id);
            return Ok(());
        };
        news.inboxes.push((id, Inbox::Acknowledged(self.ack)));
        let first_put = (last_put + 1).saturating_sub(self.follow_ups.len() as u64);
        for ((event, bytes), seq) in self.follow_ups.into_iter().zip(first_put..) {
            let game = self.conversation.game.clone();
            let arrived = Arrived { game, seq: InboxSeq(seq), received_at: self.now, event: Some(event), bytes };
            news.inboxes.push((id, Inbox::Arrived(arrived)));
        }
        for (((message, bytes), seq), place) in self.outbox.into_iter().zip(seqs).zip(first_place..) {
            news.placed.push((partition, queued(OutboxRef { conversation: id, seq }, message, bytes, place)));
        }
        for message in requeued.chunks(5) {
            let [name, place, attempts, due_at, json] = value::exactly(message)?;
            let json = value::bytes(json)?;
            let Some(name) = name_of(value::text(name)?) else { continue };
            let message = OutboxMessage {
                id: name,
                message: decode("a message", json)?,
                attempts: value::number(attempts)?.try_into().unwrap_or(u32::MAX),
                due_at: UnixMs(value::number(due_at)?),
                state: SendState::Queued,
            };
            news.placed.push((partition, Placed { place: value::number(place)?, message, bytes: json.len() }));
        }
        if self.timers_change {
            news.timers.push((partition, timer_next));
        }
        news.touched.extend(self.bucket);
        news.conversations.push((self.conversation, self.doc_bytes));
        Ok(())
    }
}

/// A message that was just queued.
pub(super) fn queued(id: OutboxRef, message: NewMessage, bytes: usize, place: u64) -> Placed {
    let due_at = message.committed_at;
    Placed { place, message: OutboxMessage { id, message, attempts: 0, due_at, state: SendState::Queued }, bytes }
}

/// A message's name, as Redis writes it.
pub(super) fn name_of(text: &str) -> Option<OutboxRef> {
    let (conversation, seq) = text.split_once('.')?;
    Some(OutboxRef { conversation: ConversationId(conversation.parse().ok()?), seq: OutboxSeq(seq.parse().ok()?) })
}

/// The start of a buried message's dead letter, behind its game; the script adds tries and content.
pub(super) fn letter_head(conversation: ConversationId, reason: &str, detail: &str, at: UnixMs) -> Result<String, StoreError> {
    let (reason, detail) = (encode("a reason", &reason)?, encode("a detail", &detail)?);
    Ok(format!(",\"conversation\":{conversation},\"reason\":{reason},\"detail\":{detail},\"at\":{at},\"attempts\":"))
}

impl RedisStore {
    fn commit_command(
        &self,
        session: &Session,
        commit: Commit,
        contact: &str,
        player: &str,
    ) -> Result<(Cmd, Note, Arc<Conversation>), StoreError> {
        let now = self.memory.clock.now();
        let conversation = commit.conversation;
        let (id, partition) = (conversation.id, Partition::of(conversation.id));
        let before = conversation.version.checked_sub(1).ok_or(StoreError::Stale)?;
        let doc = encode("a conversation", &conversation)?;
        let outbox = with_json("a message", commit.outbox)?;
        let follow_ups = with_json("an event", commit.follow_ups)?;
        let bytes = doc.len() + outbox.iter().map(|(_, json)| json.len()).sum::<usize>() + 512;

        let mut command = self.fenced(Script::Commit, session, partition, bytes);
        command.arg(id.0).arg(before).arg(conversation.version).arg(commit.ack.0).arg(millis(now));
        command.arg(&doc).arg(contact).arg(conversation.game.as_str()).arg(conversation.number.as_str()).arg(player);
        let bucket = self.content_bucket(&mut command, partition, outbox.first().map(|(message, _)| message.committed_at));

        command.arg(outbox.len());
        for (message, json) in &outbox {
            command.arg(millis(message.committed_at)).arg(json);
        }
        let resend = commit.resend.iter().filter(|resend| resend.id.conversation == id);
        command.arg(resend.clone().count());
        for resend in resend {
            command.arg(resend.id.to_string()).arg(resend.id.seq.0).arg(millis(resend.due_at)).arg(resend.attempts);
        }
        let bury = commit.bury.iter().filter(|bury| bury.id.conversation == id);
        command.arg(bury.clone().count());
        for Bury { id: message, reason, detail, at } in bury {
            let head = letter_head(id, reason, detail, *at)?;
            command.arg(message.to_string()).arg(message.seq.0).arg(millis(*at)).arg(head);
        }
        let timers_change = !commit.timers.is_empty();
        command.arg(commit.timers.len());
        for change in commit.timers {
            match change {
                TimerChange::Set { due_at, timer } => {
                    let name = format!("{} {}", timer.flow, timer.id);
                    command.arg(name).arg(millis(due_at)).arg(encode("an event", &Event::Timer(timer))?);
                }
                TimerChange::Cancel { flow, id } => {
                    command.arg(format!("{flow} {id}")).arg("").arg("");
                }
            }
        }
        command.arg(commit.tickets.len());
        for ticket in &commit.tickets {
            command.arg(ticket.game.as_str()).arg(ticket.number.as_str()).arg(rank(ticket)).arg(encode("a ticket", ticket)?);
        }
        command.arg(commit.consents.len());
        for consent in &commit.consents {
            command.arg(encode("a consent", consent)?);
        }
        command.arg(commit.audits.len());
        for audit in commit.audits {
            command.arg(self.chains.record(audit)?);
        }
        command.arg(follow_ups.len());
        for (_, json) in &follow_ups {
            command.arg(json);
        }
        match &commit.dead_letter {
            Some(letter) => command.arg(letter.game.as_str()).arg(encode("a dead letter", letter)?).arg(millis(letter.at)),
            None => command.arg("").arg("").arg(""),
        };
        let step = commit.step.as_ref().map(|step| encode("a step", step)).transpose()?;
        command.arg(step.as_deref().unwrap_or("")).arg(self.steps_max);

        let conversation = Arc::new(conversation);
        let written = Written {
            conversation: conversation.clone(),
            doc_bytes: doc.len(),
            ack: commit.ack,
            now,
            outbox: outbox.into_iter().map(|(message, json)| (message, json.len())).collect(),
            follow_ups: follow_ups.into_iter().map(|(event, json)| (Arc::new(event), json.len())).collect(),
            timers_change,
            bucket,
        };
        let note: Note = Box::new(move |answers, news| match answers {
            [Value::ServerError(_)] => Ok(()),
            [answer] => written.note(answer, news),
            _ => Ok(()),
        });
        Ok((command, note, conversation))
    }

    /// Adds the day of the contents that are written, if Redis has noted its bucket; else says what it is to note.
    pub(super) fn content_bucket(&self, command: &mut Cmd, partition: Partition, at: Option<UnixMs>) -> Option<(Bucket, u64)> {
        let Some(at) = at.map(millis) else {
            command.arg("");
            return None;
        };
        let bucket = ('b', partition, at / DAY_MS);
        if self.memory.is_stale(bucket, at) {
            command.arg("");
            return Some((bucket, at));
        }
        command.arg(at / DAY_MS);
        None
    }
}

fn with_json<T: serde::Serialize>(what: &'static str, values: Vec<T>) -> Result<Vec<(T, String)>, StoreError> {
    values.into_iter().map(|value| encode(what, &value).map(|json| (value, json))).collect()
}
