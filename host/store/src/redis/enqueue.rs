//! Many messages at once: one script for each partition that they go to, all in one pipeline.

use questline_core::broadcast::counted_as;
use questline_core::conversation::Conversation;
use questline_core::id::{OutboxRef, OutboxSeq};
use questline_core::lane::Lane;
use questline_core::outbox::NewMessage;
use questline_core::port::{DedupKey, Enqueue, Enqueued, StoreError};
use questline_core::send::ParkReason;
use questline_core::time::UnixMs;
use redis::{Cmd, Value};

use super::RedisStore;
use super::conversations::{doc_of, queued, whos};
use super::inbox::{DAY_S, hex, seen_member, seen_ttl_s};
use super::keys::Partition;
use super::memory::{Bucket, News};
use super::names::Resolved;
use super::script::Script;
use super::session::{Note, Session};
use super::{millis, value};
use crate::seal::{INDEX_LEN, Kind, Owner, Sealer};

/// A message on its way to its partition.
struct ToQueue {
    /// In the batch.
    place: usize,
    to: Resolved,
    dedup: DedupKey,
    not_before: Option<UnixMs>,
    message: NewMessage,
    sealed: Vec<u8>,
    /// The conversation as it begins, sealed, and who it is with; none where it is known to exist.
    begin: Option<(Vec<u8>, Vec<u8>)>,
}

impl ToQueue {
    fn new(sealer: &Sealer, place: usize, enqueue: Enqueue, to: Resolved) -> Result<Self, StoreError> {
        let (dedup, not_before) = (enqueue.dedup, enqueue.not_before);
        let begin = if to.exists {
            None
        } else {
            let conversation = Conversation::new(to.conversation, enqueue.address.clone());
            let doc = sealer.seal_json(doc_of(to.conversation), &conversation)?;
            let mut who = whos(sealer, &conversation);
            who.truncate(INDEX_LEN);
            Some((doc, who))
        };
        let message = enqueue.into_message();
        let sealed = sealer.seal_json(Owner::number(Kind::Message, to.conversation.0), &message)?;
        Ok(Self { place, to, dedup, not_before, message, sealed, begin })
    }

    fn partition(&self) -> Partition {
        Partition::of(self.to.conversation)
    }
}

/// What a partition's script answered, with the buckets whose writing it noted.
struct Part {
    messages: Vec<ToQueue>,
    seen: Vec<Bucket>,
    contents: Option<(Bucket, u64)>,
}

impl RedisStore {
    pub(super) async fn enqueue_all(&self, messages: Vec<Enqueue>) -> Result<Vec<Enqueued>, StoreError> {
        let session = self.link.session()?;
        let now = self.memory.clock.now();
        let addresses = messages.iter().map(|enqueue| &enqueue.address).collect::<Vec<_>>();
        let mut resolution = self.resolve(&session, &addresses).await?;
        let timeless = self.settle_timeless(&session, messages.iter().map(|enqueue| Some(enqueue.dedup)), &mut resolution.of).await?;
        let count = messages.len();
        let to_queue = messages.into_iter().zip(&resolution.of).enumerate();
        let to_queue = to_queue.map(|(place, (enqueue, to))| ToQueue::new(&self.sealer, place, enqueue, *to));
        let mut to_queue = to_queue.collect::<Result<Vec<_>, _>>()?;
        // Stable: within a partition the order of the batch stays.
        to_queue.sort_by_key(ToQueue::partition);
        let places = to_queue.iter().map(|new| (new.place, new.to)).collect::<Vec<_>>();

        let (mut commands, mut parts) = (Vec::new(), Vec::new());
        let mut rest = to_queue.into_iter().peekable();
        while let Some(partition) = rest.peek().map(ToQueue::partition) {
            let of = std::iter::from_fn(|| rest.next_if(|new| new.partition() == partition)).collect::<Vec<_>>();
            let (command, part) = self.enqueue_to(&session, partition, of, now);
            commands.push(command);
            parts.push(part);
        }
        let note: Note = Box::new(move |answers, news| {
            answers.iter().zip(parts).try_for_each(|(answer, part)| match answer {
                // A refused part wrote nothing; the caller is told.
                Value::ServerError(_) => Ok(()),
                answer => note_part(part, answer, now, news),
            })
        });
        let answers = self.link.call(&session, commands, Some(note)).await?;

        let (mut enqueued, mut places) = (vec![Enqueued::Known; count], places.into_iter());
        let (mut known, mut lost) = (Vec::new(), Vec::new());
        for answer in &answers {
            let [_, answer] = value::exactly(value::list(answer)?)?;
            for (is, (place, to)) in value::text(answer)?.split(',').zip(places.by_ref()) {
                match (seq_of(is)?, is.as_bytes().first()) {
                    (Some((seq, _)), _) => {
                        if let Some(enqueued) = enqueued.get_mut(place) {
                            *enqueued = Enqueued::Queued(OutboxRef { conversation: to.conversation, seq });
                        }
                    }
                    (None, Some(b'g')) => lost.push(place as u32),
                    (None, _) => known.push(place as u32),
                }
            }
        }
        known.sort_unstable();
        if !timeless.elsewhere {
            self.names.remember(resolution.generation, resolution.new);
        }
        self.link.call(&session, timeless.prolong(&known, &lost), None).await?;
        if lost.is_empty() {
            Ok(enqueued)
        } else {
            Err(StoreError::Unavailable("the first enqueuing of a message has not come to its end: do it again".to_owned()))
        }
    }

    fn enqueue_to(&self, session: &Session, partition: Partition, messages: Vec<ToQueue>, now: UnixMs) -> (Cmd, Part) {
        let bytes = messages.iter().map(|new| new.sealed.len() + 1_024).sum();
        let mut seen: Vec<(Bucket, u64)> = Vec::new();
        let mut command = self.fenced(Script::Enqueue, session, partition, bytes);
        command.arg(millis(now));
        let contents = self.content_bucket(&mut command, partition, messages.first().map(|new| new.message.committed_at));
        command.arg(messages.len());
        for ToQueue { to, dedup, not_before, message, sealed, begin, .. } in &messages {
            command.arg(to.conversation.0).arg(message.game.as_str());
            if dedup.sent_s == 0 {
                command.arg("").arg(hex(dedup.digest));
            } else {
                let day = dedup.sent_s / DAY_S;
                let bucket = ('s', partition, day);
                if !seen.iter().any(|(known, _)| *known == bucket) && self.memory.is_stale(bucket, now.0) {
                    seen.push((bucket, seen_ttl_s(day, now)));
                }
                command.arg(day).arg(&seen_member(dedup.sent_s, dedup.digest)[..]);
            }
            let (doc, who) = begin.as_ref().map_or((&[][..], &[][..]), |(doc, who)| (doc, who));
            command.arg(doc).arg(who).arg(millis(message.committed_at)).arg(sealed).arg(mark_of(message));
            command.arg(Lane::of(message).to_string());
            match not_before.filter(|not_before| *not_before > now) {
                Some(until) => command.arg(millis(until)).arg(ParkReason::Scheduled.as_str()),
                None => command.arg("").arg(""),
            };
        }
        command.arg(seen.len());
        for ((kind, _, day), ttl_s) in &seen {
            command.arg(format!("{kind}:{day}")).arg(*ttl_s);
        }
        (command, Part { messages, seen: seen.into_iter().map(|(bucket, _)| bucket).collect(), contents })
    }
}

/// What a message that is counted is marked with.
pub(super) fn mark_of(message: &NewMessage) -> String {
    let mark = counted_as(message).map(|campaign| {
        let variant = campaign.variant.map_or_else(String::new, |variant| variant.to_string());
        format!("{}/{} {variant}", message.game, campaign.id)
    });
    mark.unwrap_or_default()
}

/// The number of a message that was put into the outbox, and its place if it is in a queue.
fn seq_of(answer: &str) -> Result<Option<(OutboxSeq, Option<u64>)>, StoreError> {
    let number = |text: &str| value::parse_number(text);
    Ok(match (answer.strip_prefix('q').and_then(|rest| rest.split_once(' ')), answer.strip_prefix('p')) {
        (Some((seq, place)), _) => Some((OutboxSeq(number(seq)?), Some(number(place)?))),
        (None, Some(seq)) => Some((OutboxSeq(number(seq)?), None)),
        (None, None) => None,
    })
}

/// Brings to memory what was put into the outbox.
fn note_part(part: Part, answer: &Value, now: UnixMs, news: &mut News) -> Result<(), StoreError> {
    let [next, answer] = value::exactly(value::list(answer)?)?;
    if let (Some(new), Some(next)) = (part.messages.first(), value::optional_number(next)?) {
        news.timers.push((new.partition(), Some(next)));
    }
    let mut is_any = false;
    for (new, is) in part.messages.into_iter().zip(value::text(answer)?.split(',')) {
        let Some((seq, place)) = seq_of(is)? else { continue };
        is_any = true;
        if let Some(place) = place {
            let id = OutboxRef { conversation: new.to.conversation, seq };
            news.placed.push((new.partition(), queued(id, new.message, new.sealed.len(), place)));
        }
    }
    news.touched.extend(part.seen.into_iter().map(|bucket| (bucket, now.0)));
    if is_any {
        news.touched.extend(part.contents);
    }
    Ok(())
}
