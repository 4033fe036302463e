//! Rewrites what lies under older keys: partition by partition, then what lies in slots of its own.
//!
//! Scripts move sealed values without looking into them: from timers to inboxes, from contents to dead letters, from
//! receipts to the queue. So within a partition the sources come first: what is moved after its source was walked over lies
//! under the first key already.

mod names;
mod values;

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use questline_core::conversation::Conversation;
use questline_core::id::ConversationId;
use questline_core::port::{DerivedKey, Resealing, Sealing, StoreError};
use redis::{Cmd, Value};

use super::conversations::{doc_of, name_of, whos};
use super::keys::{PARTITIONS, Partition};
use super::moves::replay_noted;
use super::session::Session;
use super::{RedisStore, letter, value};
use crate::reseal::Tally;
use crate::seal::{INDEX_LEN, Kind, Owner};
use values::Rewrite;

/// Values that are read, and written, at once.
const CHUNK: usize = 128;
/// Partitions that are walked over before an answer is given, and buckets of names.
const PARTITIONS_AT_ONCE: usize = 8;
const BUCKETS_AT_ONCE: usize = 64;
/// Of a page whose life the server does not tell.
const LIFE_MS: u64 = 365 * 24 * 3_600_000;

/// Where a walk stands.
#[derive(Debug, Clone, Default)]
enum Place {
    #[default]
    Start,
    Partition(u16),
    Names(u16),
    Pages(u64),
    Players(u64),
    Documents(u64),
    End,
}

/// A walk over all that lies sealed.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    place: Place,
    tally: Tally,
    conversations_unreadable: bool,
}

#[async_trait]
impl Sealing for RedisStore {
    fn derived_keys(&self, label: &str) -> Vec<DerivedKey> {
        self.sealer.derived(label)
    }

    async fn reseal(&self, limit: usize) -> Result<Resealing, StoreError> {
        let mut held = self.walk.lock().await;
        // What fails on the way begins anew.
        let mut walk = std::mem::take(&mut *held);
        let until = walk.tally.looked_at.saturating_add(limit.max(1) as u64);
        while walk.tally.looked_at < until && !matches!(walk.place, Place::End) {
            let session = self.link.session()?;
            self.walk_on(&session, &mut walk).await?;
        }
        if !matches!(walk.place, Place::End) {
            let told = walk.tally.told(&self.sealer, false);
            *held = walk;
            return Ok(told);
        }
        let told = walk.tally.told(&self.sealer, true);
        let older = self.sealer.older();
        if walk.tally.is_clean(&self.sealer) && !older.is_empty() {
            let mut strike = redis::cmd("SREM");
            strike.arg(self.keys.listed_keys()).arg(older);
            self.link.call(&*self.link.session()?, vec![strike], None).await?;
            self.sealer.forget_older();
        }
        Ok(told)
    }
}

impl RedisStore {
    async fn walk_on(&self, session: &Arc<Session>, walk: &mut Walk) -> Result<(), StoreError> {
        walk.place = match walk.place {
            Place::Start => Place::Partition(0),
            Place::Partition(n) => {
                let some: Vec<Partition> = Partition::all().skip(n.into()).take(PARTITIONS_AT_ONCE).collect();
                self.partitions(session, &some, walk).await?;
                let next = n + some.len() as u16;
                if next < PARTITIONS { Place::Partition(next) } else { Place::Names(0) }
            }
            Place::Names(bucket) => {
                let some: Vec<u16> = (bucket..PARTITIONS).take(BUCKETS_AT_ONCE).collect();
                self.names_of(session, &some, walk).await?;
                let next = bucket + some.len() as u16;
                if next < PARTITIONS { Place::Names(next) } else { Place::Pages(0) }
            }
            Place::Pages(cursor) => {
                let (next, keys) = self.scan_keys(session, cursor, &format!("{}*", self.keys.pages())).await?;
                for key in keys {
                    self.page_anew(session, &key, walk).await?;
                }
                if next == 0 { Place::Players(0) } else { Place::Pages(next) }
            }
            Place::Players(cursor) => {
                let (next, keys) = self.scan_keys(session, cursor, &self.keys.players_pattern()).await?;
                self.players(session, keys, walk).await?;
                if next == 0 { Place::Documents(0) } else { Place::Players(next) }
            }
            Place::Documents(cursor) => {
                let (next, keys) = self.scan_keys(session, cursor, &self.keys.document("*")).await?;
                self.documents(session, keys, walk).await?;
                if next == 0 { Place::End } else { Place::Documents(next) }
            }
            Place::End => Place::End,
        };
        Ok(())
    }

    /// How much lies under these keys, in each of the partitions. Most hold nothing.
    async fn stock<const N: usize>(
        &self,
        session: &Arc<Session>,
        partitions: &[Partition],
        counts: [(&str, &str); N],
    ) -> Result<Vec<[u64; N]>, StoreError> {
        let reads = partitions.iter().flat_map(|partition| {
            counts.map(|(count, key)| {
                let mut read = redis::cmd(count);
                read.arg(self.keys.key(*partition, key));
                read
            })
        });
        let answers = self.link.call(session, reads.collect(), None).await?;
        let of_partition = |answers: &[Value]| -> Result<[u64; N], StoreError> {
            let mut counts = [0; N];
            for (count, answer) in counts.iter_mut().zip(answers) {
                *count = value::number(answer)?;
            }
            Ok(counts)
        };
        answers.chunks(N).map(of_partition).collect()
    }

    async fn partitions(&self, session: &Arc<Session>, partitions: &[Partition], walk: &mut Walk) -> Result<(), StoreError> {
        let sources = [
            ("HLEN", "timers:events"),
            ("ZCARD", "buckets"),
            ("HLEN", "tickets"),
            ("XLEN", "consents"),
            ("XLEN", "steps"),
            ("LLEN", "moves"),
        ];
        let stock = self.stock(session, partitions, sources).await?;
        let counters = partitions.iter().map(|partition| {
            let mut count = redis::cmd("GET");
            count.arg(self.keys.counter(*partition));
            count
        });
        let counters = self.link.call(session, counters.collect(), None).await?;
        for ((partition, stock), counter) in partitions.iter().zip(stock).zip(&counters) {
            let conversations = value::optional_number(counter)?.unwrap_or(0);
            self.sources(session, *partition, stock, conversations, walk).await?;
        }
        // Only now: what was moved here before its source was walked over is seen.
        let stock = self.stock(session, partitions, [("HLEN", "pending"), ("HLEN", "out"), ("HLEN", "letters")]).await?;
        for (partition, [pending, out, letters]) in partitions.iter().zip(stock) {
            if pending > 0 {
                self.inboxes(session, *partition, walk).await?;
            }
            if out > 0 {
                let standing = |field: &[u8], kept: &[u8]| self.standing_anew(conversation_of(field)?, 4, kept);
                self.hash(session, *partition, "out", walk, standing).await?;
            }
            if letters > 0 {
                self.hash(session, *partition, "letters", walk, |_, kept| letter::reseal(&self.sealer, kept)).await?;
            }
        }
        Ok(())
    }

    async fn sources(
        &self,
        session: &Arc<Session>,
        partition: Partition,
        [timers, buckets, tickets, consents, steps, moves]: [u64; 6],
        conversations: u64,
        walk: &mut Walk,
    ) -> Result<(), StoreError> {
        let sealer = &self.sealer;
        let event = |field: &[u8], sealed: &[u8]| {
            let conversation = number_in_front(field, b' ')?;
            sealer.reseal(Owner::number(Kind::Event, conversation), sealed)
        };
        if timers > 0 {
            self.hash(session, partition, "timers:events", walk, event).await?;
        }
        if conversations > 0 {
            self.conversations(session, partition, conversations, walk).await?;
        }
        if buckets > 0 {
            self.buckets(session, partition, walk).await?;
        }
        let ticket = |field: &[u8], sealed: &[u8]| {
            let (game, number) = text(field)?.split_once(' ').ok_or_else(odd)?;
            sealer.reseal(Owner::texts(Kind::Ticket, game, number), sealed)
        };
        if tickets > 0 {
            self.hash(session, partition, "tickets", walk, ticket).await?;
        }
        if consents > 0 {
            self.stream(session, partition, "consents", Kind::Consent, walk).await?;
        }
        if steps > 0 {
            self.stream(session, partition, "steps", Kind::Step, walk).await?;
        }
        if moves > 0 {
            self.moves(session, partition, walk).await?;
        }
        if partition == Partition::FIRST {
            let notice = |kept: &[u8]| {
                in_front_kept(kept, 1, |sealed| sealer.reseal(Owner::number(Kind::Notice, number_in_front(kept, b' ')?), sealed))
            };
            self.list(session, partition, "notices", walk, notice).await?;
        }
        Ok(())
    }

    /// What messages say, then receipts, day by day.
    async fn buckets(&self, session: &Arc<Session>, partition: Partition, walk: &mut Walk) -> Result<(), StoreError> {
        let mut buckets = redis::cmd("ZRANGE");
        buckets.arg(self.keys.key(partition, "buckets")).arg(0).arg(-1);
        let answer = self.ask(session, buckets).await?;
        let buckets = value::list(&answer)?.iter().map(value::text).collect::<Result<Vec<_>, _>>()?;
        let content = |field: &[u8], sealed: &[u8]| self.sealer.reseal(Owner::number(Kind::Message, conversation_of(field)?.0), sealed);
        let receipt = |field: &[u8], kept: &[u8]| self.standing_anew(conversation_of(field)?, 3, kept);
        for bucket in buckets.iter().filter(|bucket| bucket.starts_with("b:")) {
            self.hash(session, partition, bucket, walk, content).await?;
        }
        for bucket in buckets.iter().filter(|bucket| bucket.starts_with("r:")) {
            self.hash(session, partition, bucket, walk, receipt).await?;
        }
        Ok(())
    }

    /// `<so many words> <name at Meta>`, the name under the first key.
    fn standing_anew(&self, conversation: ConversationId, words: usize, kept: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        in_front_kept(kept, words, |wamid| if wamid.is_empty() { Ok(None) } else { self.sealer.reseal_wamid(conversation, wamid) })
    }

    async fn inboxes(&self, session: &Arc<Session>, partition: Partition, walk: &mut Walk) -> Result<(), StoreError> {
        let mut pending = redis::cmd("HKEYS");
        pending.arg(self.keys.key(partition, "pending"));
        let answer = self.ask(session, pending).await?;
        for conversation in value::list(&answer)? {
            let conversation = value::conversation(conversation)?;
            let owner = Owner::number(Kind::Event, conversation.0);
            let anew = |kept: &[u8]| in_front_kept(kept, 2, |sealed| self.sealer.reseal(owner, sealed));
            self.list(session, partition, &format!("in:{conversation}"), walk, anew).await?;
        }
        Ok(())
    }

    /// Notes that nobody has carried out: they are, and are gone.
    async fn moves(&self, session: &Arc<Session>, partition: Partition, walk: &mut Walk) -> Result<(), StoreError> {
        let mut read = redis::cmd("LRANGE");
        read.arg(self.keys.key(partition, "moves")).arg(0).arg(-1);
        let answer = self.ask(session, read).await?;
        for record in value::list(&answer)? {
            let record = value::bytes(record)?;
            walk.tally.looked_at += 1;
            match replay_noted(&self.keys, &self.scripts, &self.sealer, partition, record) {
                Ok(commands) => {
                    self.link.call(session, commands, None).await?;
                    self.names.forget();
                }
                Err(problem) => walk.tally.unreadable(record, &problem),
            }
        }
        Ok(())
    }

    /// Walks over the conversations that began in a partition's bucket of names: they have numbers up to `count`.
    async fn conversations(&self, session: &Arc<Session>, partition: Partition, count: u64, walk: &mut Walk) -> Result<(), StoreError> {
        let id = |n: u64| ConversationId(n * u64::from(PARTITIONS) + u64::from(partition.0));
        let mut ids: VecDeque<ConversationId> = (1..=count).map(id).collect();
        while !ids.is_empty() {
            let some: Vec<ConversationId> = ids.drain(..ids.len().min(CHUNK)).collect();
            let reads = some.iter().map(|id| {
                let mut read = redis::cmd("HMGET");
                read.arg(self.keys.of(*id, "c")).arg("d").arg("k").arg("p");
                read
            });
            let answers = self.link.call(session, reads.collect(), None).await?;
            let (mut rewrites, mut known) = (Vec::new(), Vec::new());
            for (id, answer) in some.iter().zip(&answers) {
                let [doc, who, player] = value::exactly(value::list(answer)?)?;
                // A number that was given, and not taken: the first event has never come.
                let Some(doc) = value::optional_bytes(doc)? else { continue };
                walk.tally.looked_at += 1;
                let conversation = match self.sealer.open::<Conversation>(doc_of(*id), doc) {
                    Ok(conversation) => conversation,
                    Err(problem) => {
                        walk.conversations_unreadable = true;
                        walk.tally.unreadable(doc, &problem);
                        continue;
                    }
                };
                walk.tally.first(&self.sealer);
                let is_first = |value: Option<&[u8]>| value.is_some_and(|value| self.sealer.is_first(value));
                let stays = is_first(Some(doc)) && is_first(value::optional_bytes(who)?) && value::optional_bytes(player)?.is_none();
                if !stays {
                    walk.tally.rewritten += 1;
                    let after = self.sealer.seal_json(doc_of(*id), &conversation)?;
                    let place = whos(&self.sealer, &conversation)[..INDEX_LEN].to_vec();
                    rewrites.push(Rewrite { kind: "conversation", key: format!("c:{id}"), place, before: doc.to_vec(), after });
                }
                known.push(conversation);
            }
            self.rewrite(session, partition, rewrites).await?;
            if self.sealer.has_older() {
                self.names_anew(session, &known).await?;
            }
        }
        Ok(())
    }

    async fn scan_keys(&self, session: &Arc<Session>, cursor: u64, pattern: &str) -> Result<(u64, Vec<String>), StoreError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(8 * CHUNK);
        let answer = self.ask(session, scan).await?;
        let [next, keys] = value::exactly(value::list(&answer)?)?;
        let keys = value::list(keys)?.iter().map(|key| value::text(key).map(str::to_owned)).collect::<Result<_, _>>()?;
        Ok((value::number(next)?, keys))
    }

    async fn ask(&self, session: &Arc<Session>, command: Cmd) -> Result<Value, StoreError> {
        let answers = self.link.call(session, vec![command], None).await?;
        answers.into_iter().next().ok_or_else(odd)
    }
}

fn odd() -> StoreError {
    StoreError::Corrupt("a row is not as it was written".to_owned())
}

fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|_| odd())
}

/// The number that stands in front.
fn number_in_front(bytes: &[u8], end: u8) -> Result<u64, StoreError> {
    let digits = bytes.split(|byte| *byte == end).next().unwrap_or_default();
    value::parse_number(text(digits)?)
}

fn conversation_of(field: &[u8]) -> Result<ConversationId, StoreError> {
    name_of(text(field)?).map(|message| message.conversation).ok_or_else(odd)
}

/// A value behind so many words, which stay.
fn in_front_kept(
    kept: &[u8],
    words: usize,
    anew: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let at = kept.iter().enumerate().filter(|(_, byte)| **byte == b' ').nth(words - 1).map(|(at, _)| at + 1).ok_or_else(odd)?;
    let (front, sealed) = kept.split_at(at);
    Ok(anew(sealed)?.map(|sealed| [front, &sealed].concat()))
}
