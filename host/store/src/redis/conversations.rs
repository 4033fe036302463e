//! The runner's side: what is ready, what a step needs, and the step itself as one script.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::commit::{Bury, Commit, TimerChange};
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, InboxSeq, OutboxRef, OutboxSeq};
use questline_core::lane::Lane;
use questline_core::outbox::{NewMessage, OutboxMessage, SendState};
use questline_core::port::{Committed, Conversations, InboxEntry, Ready, StoreError, Work};
use questline_core::time::{DAY_MS, UnixMs};
use redis::{Cmd, Value};

use super::RedisStore;
use super::desk::rank;
use super::enqueue::mark_of;
use super::keys::Partition;
use super::letter::{self, LetterHead};
use super::memory::{Bucket, Inbox, News};
use super::pending::Arrived;
use super::script::Script;
use super::session::{Note, Session};
use super::{millis, value};
use crate::handout::Placed;
use crate::seal::{INDEX_LEN, Kind, Named, Owner, Sealer};

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
        let entry = |entry| entry_of(&self.sealer, conversation, value::bytes(entry)?, tried);
        let events = events.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Work { conversation: self.sealer.open(doc_of(conversation), doc)?, events })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let session = self.link.session()?;
        let id = commit.conversation.id;
        if self.memory.is_outdated(id) {
            return Err(StoreError::Stale);
        }
        let is_audited = !commit.audits.is_empty();
        let lanes = self.lanes_of(&session, id, &commit.resend).await?;
        let (command, note, conversation, doc) = self.commit_command(&session, commit, &lanes)?;
        let answers = self.link.call(&session, vec![command], Some(note)).await?;
        let [answer] = value::exactly(&answers)?;
        let CommitAnswer::Done { seqs, doc_before, .. } = CommitAnswer::read(answer)? else {
            return Err(StoreError::Stale);
        };
        if is_audited {
            self.audited(&session, Partition::of(id)).await;
        }
        if !doc_before.is_empty()
            && let Err(error) = self.move_names(&session, &conversation, doc_before, &doc).await
        {
            // The step is written. The note of the names is too, and is carried out when the session is renewed.
            tracing::warn!(%error, conversation = %id, "names of a contact or a player that changed are not moved yet");
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
fn entry_of(sealer: &Sealer, conversation: ConversationId, text: &[u8], tried: Option<(InboxSeq, u32)>) -> Result<InboxEntry, StoreError> {
    let mut parts = text.splitn(3, |byte| *byte == b' ');
    let mut number = || value::parse_number(&String::from_utf8_lossy(parts.next().unwrap_or_default()));
    let (seq, received_at) = (InboxSeq(number()?), UnixMs(number()?));
    let event = Arc::new(sealer.open(Owner::number(Kind::Event, conversation.0), parts.next().unwrap_or_default())?);
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
        /// If its contact or player changed.
        doc_before: &'a [u8],
        requeued: &'a [Value],
        timer_next: Option<u64>,
    },
}

impl<'a> CommitAnswer<'a> {
    fn read(answer: &'a Value) -> Result<Self, StoreError> {
        let answer = value::list(answer)?;
        let [_, last_put, first_place, seqs, doc_before, requeued, timer_next] = answer else { return Ok(Self::Stale) };
        let seqs = value::text(seqs)?.split_ascii_whitespace().map(|seq| value::parse_number(seq).map(OutboxSeq));
        Ok(Self::Done {
            last_put: value::optional_number(last_put)?.unwrap_or(0),
            first_place: value::number(first_place)?,
            seqs: seqs.collect::<Result<_, _>>()?,
            doc_before: value::bytes(doc_before)?,
            requeued: value::list(requeued)?,
            timer_next: value::optional_number(timer_next)?,
        })
    }
}

/// What a commit brings to memory once it is written.
struct Written {
    sealer: Sealer,
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
        note_requeued(&self.sealer, partition, requeued, news)?;
        if self.timers_change {
            news.timers.push((partition, timer_next));
        }
        news.touched.extend(self.bucket);
        news.conversations.push((self.conversation, self.doc_bytes));
        Ok(())
    }
}

/// Brings to memory messages that are in the queue again, as scripts tell of them.
pub(super) fn note_requeued(sealer: &Sealer, partition: Partition, requeued: &[Value], news: &mut News) -> Result<(), StoreError> {
    for message in requeued.chunks(5) {
        let [name, place, attempts, due_at, content] = value::exactly(message)?;
        let (place, content) = (value::number(place)?, value::bytes(content)?);
        let Some(id) = name_of(value::text(name)?) else { continue };
        match sealer.open(Owner::number(Kind::Message, id.conversation.0), content) {
            Ok(message) => {
                let attempts = value::number(attempts)?.try_into().unwrap_or(u32::MAX);
                let message = OutboxMessage { id, message, attempts, due_at: UnixMs(value::number(due_at)?), state: SendState::Queued };
                news.placed.push((partition, Placed { place, message, bytes: content.len() }));
            }
            // One that cannot be read must not hold up the others.
            Err(error) => tracing::error!(%error, message = %id, "a message in the outbox is left where it is"),
        }
    }
    Ok(())
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

/// Where a conversation lies.
pub(super) fn doc_of(conversation: ConversationId) -> Owner<'static> {
    Owner::number(Kind::Conversation, conversation.0)
}

/// Who a conversation is with, as digests behind one another: first the one that is written, then all others that may
/// stand there.
pub(super) fn whos(sealer: &Sealer, conversation: &Conversation) -> Vec<u8> {
    let Conversation { id, contact, session, .. } = conversation;
    let phone = contact.phone().map_or("", |phone| phone.digits());
    let bsuid = contact.bsuid().map_or("", |bsuid| bsuid.as_str());
    let player = session.player.as_ref().map_or("", |player| player.as_str());
    let id = id.to_string();
    let mut marks = Vec::with_capacity(INDEX_LEN);
    sealer.indexes(Named::Who, &[&id, phone, bsuid, player]).for_each(|index| marks.extend_from_slice(index.as_bytes()));
    marks
}

impl RedisStore {
    fn commit_command(
        &self,
        session: &Session,
        commit: Commit,
        lanes: &[String],
    ) -> Result<(Cmd, Note, Arc<Conversation>, Vec<u8>), StoreError> {
        let now = self.memory.clock.now();
        let conversation = commit.conversation;
        let (id, partition) = (conversation.id, Partition::of(conversation.id));
        let before = conversation.version.checked_sub(1).ok_or(StoreError::Stale)?;
        let (sealer, of) = (&self.sealer, |kind| Owner::number(kind, id.0));
        let doc = sealer.seal_json(doc_of(id), &conversation)?;
        let whos = whos(sealer, &conversation);
        let outbox = sealed(sealer, of(Kind::Message), commit.outbox)?;
        let follow_ups = sealed(sealer, of(Kind::Event), commit.follow_ups)?;
        let bytes = doc.len() + outbox.iter().map(|(_, json)| json.len()).sum::<usize>() + 512;

        let mut command = self.fenced(Script::Commit, session, partition, bytes);
        command.arg(id.0).arg(before).arg(conversation.version).arg(commit.ack.0).arg(millis(now));
        command.arg(&doc).arg(&whos[..INDEX_LEN]).arg(&whos).arg(conversation.game.as_str());
        let bucket = self.content_bucket(&mut command, partition, outbox.first().map(|(message, _)| message.committed_at));

        command.arg(outbox.len());
        for (message, json) in &outbox {
            command.arg(millis(message.committed_at)).arg(json).arg(Lane::of(message).to_string()).arg(mark_of(message));
        }
        let resend = commit.resend.iter().filter(|resend| resend.id.conversation == id);
        command.arg(resend.clone().count());
        for (resend, lane) in resend.zip(lanes) {
            command.arg(resend.id.to_string()).arg(resend.id.seq.0).arg(millis(resend.due_at)).arg(resend.attempts).arg(lane);
        }
        let bury = commit.bury.iter().filter(|bury| bury.id.conversation == id);
        command.arg(bury.clone().count());
        for Bury { id: message, reason, detail, at } in bury {
            let head = LetterHead::seal(sealer, id, reason, detail, *at)?;
            command.arg(message.to_string()).arg(message.seq.0).arg(millis(*at)).arg(head);
        }
        let timers_change = !commit.timers.is_empty();
        command.arg(commit.timers.len());
        for change in commit.timers {
            match change {
                TimerChange::Set { due_at, timer } => {
                    let name = format!("{} {}", timer.flow, timer.id);
                    command.arg(name).arg(millis(due_at)).arg(sealer.seal_json(of(Kind::Event), &Event::Timer(timer))?);
                }
                TimerChange::Cancel { flow, id } => {
                    command.arg(format!("{flow} {id}")).arg("").arg("");
                }
            }
        }
        command.arg(commit.tickets.len());
        for ticket in &commit.tickets {
            command.arg(ticket.game.as_str()).arg(ticket.number.as_str()).arg(rank(ticket));
            command.arg(sealer.seal_json(Owner::ticket(&ticket.game, &ticket.number), ticket)?);
        }
        command.arg(commit.consents.len());
        for consent in &commit.consents {
            command.arg(sealer.seal_json(of(Kind::Consent), consent)?);
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
            Some(letter) => command.arg(letter.game.as_str()).arg(letter::seal(sealer, letter)?).arg(millis(letter.at)),
            None => command.arg("").arg("").arg(""),
        };
        let step = commit.step.as_ref().map(|step| sealer.seal_json(of(Kind::Step), step)).transpose()?;
        command.arg(step.unwrap_or_default()).arg(self.steps_max);
        command.arg(conversation.standing().allowed_from().map_or_else(String::new, |from| millis(from).to_string()));

        let conversation = Arc::new(conversation);
        let written = Written {
            sealer: sealer.clone(),
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
        Ok((command, note, conversation, doc))
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

fn sealed<T: serde::Serialize>(sealer: &Sealer, owner: Owner<'_>, values: Vec<T>) -> Result<Vec<(T, Vec<u8>)>, StoreError> {
    values.into_iter().map(|value| sealer.seal_json(owner, &value).map(|sealed| (value, sealed))).collect()
}
