//! What arrives: one POST becomes at most one script for each partition that it touches, all in one pipeline.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::conversation::Conversation;
use questline_core::event::{Event, StatusEvent};
use questline_core::id::{ConversationId, GameId, InboxSeq, OutboxRef};
use questline_core::port::{Appended, Batch, DedupKey, Inbox, Incoming, Notice, StatusUpdate, StoreError};
use questline_core::status::DeliveryState;
use questline_core::time::{DAY_MS, SECOND_MS, UnixMs};
use redis::{Cmd, Value};

use super::RedisStore;
use super::conversations::{doc_of, whos};
use super::keys::Partition;
use super::memory::{self, Bucket, News};
use super::names::Resolved;
use super::pending::Arrived;
use super::script::Script;
use super::session::{Note, Session};
use super::{millis, value};
use crate::seal::{INDEX_LEN, Kind, Owner, Sealer};

/// Notices kept at most, whatever their age: Meta's mistakes must not fill the memory.
const NOTICES_MAX: u64 = 100_000;

pub(super) const DAY_S: u64 = DAY_MS / SECOND_MS;

/// A sender's clock that is further ahead is not believed.
const SEEN_AHEAD_MAX_S: u64 = 365 * DAY_S;

/// Something that goes to a partition.
enum Item {
    Event(NewEvent),
    Status(NewStatus),
}

struct NewEvent {
    /// In the batch.
    place: u32,
    conversation: ConversationId,
    game: GameId,
    dedup: Option<DedupKey>,
    event: Arc<Event>,
    sealed: Vec<u8>,
    /// The conversation as it begins, sealed, and who it is with; none where it is known to exist.
    begin: Option<(Arc<Conversation>, Vec<u8>, Vec<u8>)>,
}

struct NewStatus {
    id: OutboxRef,
    update: StatusUpdate,
    /// Meta's name for the message, as it is kept.
    wamid: Vec<u8>,
    /// What the conversation is told if it failed.
    event: Option<(Arc<Event>, Vec<u8>)>,
}

#[async_trait]
impl Inbox for RedisStore {
    async fn append(&self, batch: Batch) -> Result<Appended, StoreError> {
        let Batch { events, statuses, notices, received_at } = batch;
        let _admitted = self.memory.admit(by_game(&events))?;
        let session = self.link.session()?;
        let mut appended = Appended::default();

        let addresses = events.iter().map(|incoming| &incoming.address).collect::<Vec<_>>();
        let mut resolution = self.resolve(&session, &addresses).await?;
        let timeless = self.settle_timeless(&session, events.iter().map(|incoming| incoming.dedup), &mut resolution.of).await?;
        let mut items = Vec::with_capacity(events.len() + statuses.len());
        for (place, (incoming, resolved)) in (0..).zip(events.into_iter().zip(&resolution.of)) {
            items.push((Partition::of(resolved.conversation), Item::Event(NewEvent::new(&self.sealer, place, incoming, *resolved)?)));
        }
        for update in statuses {
            match update.message.or_else(|| self.memory.accepted(&update.wamid)) {
                Some(id) => items.push((Partition::of(id.conversation), Item::Status(NewStatus::new(&self.sealer, id, update)?))),
                None => appended.statuses_unknown += 1,
            }
        }
        // Stable: within a partition the order of the POST stays.
        items.sort_by_key(|(partition, _)| *partition);

        let places = items.iter().filter_map(|(_, item)| if let Item::Event(event) = item { Some(event.place) } else { None });
        let places = places.collect::<Vec<u32>>();
        let commands = items.chunk_by(|(one, _), (other, _)| one == other);
        let (commands, touched): (Vec<_>, Vec<_>) = commands.map(|items| self.append_to(&session, items, received_at)).unzip();
        let answers = self.link.call(&session, commands, Some(note(items, touched, received_at))).await?;
        let (mut places, mut lost) = (places.into_iter(), Vec::new());
        for answer in &answers {
            for is in value::text(answer)?.split(',').filter(|is| !is.is_empty()) {
                match is.as_bytes().first() {
                    Some(b'n' | b'c') => {
                        places.next();
                        appended.events += 1;
                    }
                    Some(b'd') => {
                        appended.known.extend(places.next());
                        appended.duplicates += 1;
                    }
                    Some(b'g') => lost.extend(places.next()),
                    Some(b's' | b'f') => appended.statuses += 1,
                    Some(b'u') => appended.statuses_unknown += 1,
                    _ => {}
                }
            }
        }
        appended.known.sort_unstable();
        // An event that went elsewhere has not created the conversation that its address was given.
        if !timeless.elsewhere {
            self.names.remember(resolution.generation, resolution.new);
        }
        self.link.call(&session, timeless.prolong(&appended.known, &lost), None).await?;
        if !lost.is_empty() {
            return Err(StoreError::Unavailable("the first sending of an event has not come to its end: send it again".to_owned()));
        }
        // Last: they have no key that tells a repetition, and a POST that fails is repeated.
        if !notices.is_empty() {
            appended.notices = self.keep_notices(&session, &notices).await?;
        }
        Ok(appended)
    }

    async fn known(&self, keys: Vec<DedupKey>) -> Result<Vec<bool>, StoreError> {
        let session = self.link.session()?;
        let get = |key: String| {
            let mut command = redis::cmd("GET");
            command.arg(key);
            command
        };
        let digests = keys.iter().map(|key| hex(key.digest)).collect::<Vec<_>>();
        let went = self.link.call(&session, digests.iter().map(|digest| get(self.keys.timeless(digest))).collect(), None).await?;
        let went = went.iter().map(value::optional_number).collect::<Result<Vec<_>, _>>()?;
        let there = went.iter().zip(&digests).filter_map(|(conversation, digest)| {
            let partition = Partition::of(ConversationId((*conversation)?));
            Some(get(self.keys.key(partition, &format!("k:{digest}"))))
        });
        let there = self.link.call(&session, there.collect(), None).await?;
        let mut there = there.iter();
        // A key that points somewhere may not have come there.
        went.iter()
            .map(|conversation| Ok(conversation.is_some() && there.next().map(value::optional_bytes).transpose()?.flatten().is_some()))
            .collect()
    }
}

/// Where events whose keys have no time of their own were sent before.
#[derive(Default)]
pub(super) struct Timeless {
    /// Place in the batch, and the key that tells where its event went.
    keys: Vec<(u32, String)>,
    /// One of them went to another conversation than its address names.
    pub(super) elsewhere: bool,
}

/// Before its event is written, a key points at the event's conversation for so long only: if the host ends meanwhile, the
/// conversation may never begin.
const CLAIM_TTL_S: u64 = 60;

/// Then it outlives its other half, beside the event.
const TIMELESS_TTL_S: u64 = 16 * DAY_S;

impl Timeless {
    /// What keeps the keys of events that were written now.
    pub(super) fn prolong(&self, known: &[u32], lost: &[u32]) -> Vec<Cmd> {
        let written = self.keys.iter().filter(|(place, _)| !known.contains(place) && !lost.contains(place));
        let expire = |(_, key): &(u32, String)| {
            let mut command = redis::cmd("EXPIRE");
            command.arg(key).arg(TIMELESS_TTL_S);
            command
        };
        written.map(expire).collect()
    }
}

pub(super) fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

/// What stands for a message in its day's set: the digest, and the second of the day.
pub(super) fn seen_member(sent_s: u64, digest: u128) -> [u8; 20] {
    let mut member = [0; 20];
    member[..16].copy_from_slice(&digest.to_be_bytes());
    member[16..].copy_from_slice(&((sent_s % DAY_S) as u32).to_be_bytes());
    member
}

/// How long Redis keeps a day's set by itself: 15 days after the last was added, by both clocks, and one more, for the
/// adding is noted once an hour.
pub(super) fn seen_ttl_s(day: u64, received_at: UnixMs) -> u64 {
    let ahead_s = (day.saturating_add(1).saturating_mul(DAY_S)).saturating_sub(received_at.as_s());
    16 * DAY_S + ahead_s.min(SEEN_AHEAD_MAX_S)
}

/// How many events came of each game.
fn by_game(events: &[Incoming]) -> Vec<(GameId, u64)> {
    let mut games: Vec<(GameId, u64)> = Vec::new();
    for incoming in events {
        match games.iter_mut().find(|(game, _)| *game == incoming.address.game) {
            Some((_, count)) => *count += 1,
            None => games.push((incoming.address.game.clone(), 1)),
        }
    }
    games
}

impl NewEvent {
    fn new(sealer: &Sealer, place: u32, incoming: Incoming, resolved: Resolved) -> Result<Self, StoreError> {
        let Incoming { address, dedup, event } = incoming;
        let sealed = sealer.seal_json(Owner::number(Kind::Event, resolved.conversation.0), &event)?;
        let game = address.game.clone();
        let begin = if resolved.exists {
            None
        } else {
            let conversation = Conversation::new(resolved.conversation, address);
            let doc = sealer.seal_json(doc_of(resolved.conversation), &conversation)?;
            let mut who = whos(sealer, &conversation);
            who.truncate(INDEX_LEN);
            Some((Arc::new(conversation), doc, who))
        };
        Ok(Self { place, conversation: resolved.conversation, game, dedup, event: Arc::new(event), sealed, begin })
    }
}

/// The code with which Meta refused a message.
fn code_of(event: &Event) -> Option<u32> {
    match event {
        Event::Status(status) => status.error.as_ref().map(|error| error.code),
        _ => None,
    }
}

impl NewStatus {
    fn new(sealer: &Sealer, id: OutboxRef, mut update: StatusUpdate) -> Result<Self, StoreError> {
        let event = if update.state == DeliveryState::Failed {
            let event = StatusEvent { message: Some(id), state: update.state, at: update.at, error: update.error.take() };
            let event = Event::Status(event);
            let sealed = sealer.seal_json(Owner::number(Kind::Event, id.conversation.0), &event)?;
            Some((Arc::new(event), sealed))
        } else {
            None
        };
        let wamid = sealer.seal_wamid(id.conversation, &update.wamid)?;
        Ok(Self { id, update, wamid, event })
    }
}

impl RedisStore {
    /// Sends each event whose key has no time of its own to the conversation that the key was first used for. The key's
    /// other half lies with that conversation, and is written together with the event.
    pub(super) async fn settle_timeless(
        &self,
        session: &Session,
        keys: impl Iterator<Item = Option<DedupKey>> + Send,
        resolved: &mut [Resolved],
    ) -> Result<Timeless, StoreError> {
        let mut timeless = Timeless::default();
        let mut claims = Vec::new();
        for (place, (key, resolved)) in (0..).zip(keys.zip(resolved.iter())) {
            if let Some(DedupKey { sent_s: 0, digest }) = key {
                let key = self.keys.timeless(&hex(digest));
                let mut claim = redis::cmd("SET");
                claim.arg(&key).arg(resolved.conversation.0).arg("NX").arg("GET").arg("EX").arg(CLAIM_TTL_S);
                claims.push(claim);
                timeless.keys.push((place, key));
            }
        }
        let answers = self.link.call(session, claims, None).await?;
        for ((place, _), answer) in timeless.keys.iter().zip(&answers) {
            if let Some(before) = value::optional_number(answer)?.map(ConversationId)
                && let Some(resolved) = resolved.get_mut(*place as usize)
                && resolved.conversation != before
            {
                *resolved = Resolved { conversation: before, exists: true };
                timeless.elsewhere = true;
            }
        }
        Ok(timeless)
    }

    /// The script for what goes to one partition, and the buckets whose writing it notes.
    fn append_to(&self, session: &Session, items: &[(Partition, Item)], received_at: UnixMs) -> (Cmd, Vec<Bucket>) {
        let partition = items.first().map_or(Partition::FIRST, |(partition, _)| *partition);
        let events = items.iter().filter_map(|(_, item)| if let Item::Event(event) = item { Some(event) } else { None });
        let statuses = items.iter().filter_map(|(_, item)| if let Item::Status(status) = item { Some(status) } else { None });
        let bytes = events.clone().map(|event| event.sealed.len() + 1_024).sum::<usize>() + statuses.clone().count() * 256;
        let mut touched: Vec<Bucket> = Vec::new();
        let mut touch = |bucket: Bucket| {
            if !touched.contains(&bucket) && self.memory.is_stale(bucket, received_at.0) {
                touched.push(bucket);
            }
        };

        let mut command = self.fenced(Script::Append, session, partition, bytes);
        command.arg(millis(received_at)).arg(events.clone().count());
        for event in events {
            command.arg(event.conversation.0).arg(event.game.as_str());
            match event.dedup {
                Some(DedupKey { sent_s: 0, digest }) => {
                    command.arg("").arg(hex(digest));
                }
                Some(DedupKey { sent_s, digest }) => {
                    touch(('s', partition, sent_s / DAY_S));
                    command.arg(sent_s / DAY_S).arg(&seen_member(sent_s, digest)[..]);
                }
                None => {
                    command.arg("").arg("");
                }
            }
            let (doc, who) = event.begin.as_ref().map_or((&[][..], &[][..]), |(_, doc, who)| (doc, who));
            command.arg(&event.sealed).arg(doc).arg(who);
        }
        command.arg(statuses.clone().count());
        for NewStatus { id, update, wamid, event } in statuses {
            touch(('r', partition, id.seq.0 / DAY_MS));
            command.arg(id.conversation.0).arg(id.seq.0).arg(update.state.number()).arg(millis(update.at));
            command.arg(wamid).arg(self.sealer.wamid_marks(&update.wamid));
            command.arg(event.as_ref().map_or(&[][..], |(_, sealed)| sealed));
            match event.as_ref().and_then(|(event, _)| code_of(event)) {
                Some(code) => command.arg(code),
                None => command.arg("unknown"),
            };
        }
        command.arg(touched.len());
        for (kind, _, day) in &touched {
            command.arg(format!("{kind}:{day}"));
            match kind {
                's' => command.arg(seen_ttl_s(*day, received_at)),
                _ => command.arg(""),
            };
        }
        (command, touched)
    }

    async fn keep_notices(&self, session: &Session, notices: &[Notice]) -> Result<u32, StoreError> {
        let texts = notices.iter().map(|notice| {
            let at = millis(notice.received_at);
            let mut text = format!("{at} ").into_bytes();
            text.extend(self.sealer.seal_json(Owner::number(Kind::Notice, at), notice)?);
            Ok(text)
        });
        let texts = texts.collect::<Result<Vec<_>, StoreError>>()?;
        let mut command = self.fenced(Script::Notices, session, Partition::FIRST, texts.iter().map(Vec::len).sum());
        command.arg(NOTICES_MAX).arg(texts.len());
        for text in &texts {
            command.arg(text);
        }
        self.link.call(session, vec![command], None).await?;
        Ok(notices.len() as u32)
    }
}

/// Brings to memory what has arrived.
fn note(items: Vec<(Partition, Item)>, touched: Vec<Vec<Bucket>>, received_at: UnixMs) -> Note {
    Box::new(move |answers, news| {
        let mut items = items.into_iter().peekable();
        for (answer, touched) in answers.iter().zip(touched) {
            let partition = items.peek().map(|(partition, _)| *partition);
            let items = std::iter::from_fn(|| items.next_if(|(of, _)| Some(*of) == partition)).map(|(_, item)| item).collect::<Vec<_>>();
            // A refused part wrote nothing; the caller is told.
            if !matches!(answer, Value::ServerError(_)) {
                note_part(items, touched, answer, received_at, news)?;
            }
        }
        Ok(())
    })
}

fn note_part(items: Vec<Item>, touched: Vec<Bucket>, answer: &Value, received_at: UnixMs, news: &mut News) -> Result<(), StoreError> {
    let mut answers = value::text(answer)?.split(',');
    // The script answers for the events first.
    let (events, statuses): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| matches!(item, Item::Event(_)));
    for (item, is) in events.into_iter().chain(statuses).zip(answers.by_ref()) {
        let Some((is, place)) = is.split_at_checked(1) else { continue };
        match (item, is) {
            (Item::Event(new), "n" | "c") => {
                if let Some((conversation, doc, _)) = new.begin
                    && is == "c"
                {
                    news.conversations.push((conversation, doc.len()));
                }
                let seq = InboxSeq(value::parse_number(place)?);
                let arrived = Arrived { game: new.game, seq, received_at, event: Some(new.event), bytes: new.sealed.len() };
                news.inboxes.push((new.conversation, memory::Inbox::Arrived(arrived)));
            }
            (Item::Status(NewStatus { id, event: Some((event, sealed)), .. }), "f") => {
                let (place, game) = place.split_once(' ').unwrap_or((place, ""));
                let game = GameId::parse(game).map_err(|_| StoreError::Corrupt("a conversation has no game".to_owned()))?;
                let seq = InboxSeq(value::parse_number(place)?);
                let arrived = Arrived { game, seq, received_at, event: Some(event), bytes: sealed.len() };
                news.inboxes.push((id.conversation, memory::Inbox::Arrived(arrived)));
            }
            _ => {}
        }
    }
    let noted = touched.into_iter().zip(answers).filter(|(_, is)| *is == "t");
    news.touched.extend(noted.map(|(bucket, _)| (bucket, received_at.0)));
    Ok(())
}
