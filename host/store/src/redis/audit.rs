//! The audit log: a chain for each game, in a slot of its own.
//!
//! A commit runs in its partition's slot, so it leaves its records there, in the stream `audits`, in the same script as
//! all else of the step. From there they are linked into their game's chain, in the streams' order: at once after the
//! commit, and whatever a crash left behind before anything is read. The script that links compares the chain's head,
//! so of two who link only one does, and notes in the same write how far each partition's stream was taken: a record
//! that was linked and not yet removed from its stream is not linked again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use questline_core::audit::{Actor, AuditRecord, Details, ERASED_AT_ONCE_MAX, Entry, Erasure, Head, Noted};
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{Audit, AuditPage, Desk, Erased, StoreError};
use questline_core::time::UnixMs;
use redis::Value;

use super::keys::Partition;
use super::script::Script;
use super::session::Session;
use super::{RedisStore, value};
use crate::audit::{AuditKey, salt};
use crate::codec::{decode, encode};

/// Partitions whose streams are read in one pipeline, and records of each.
const PARTITIONS_AT_ONCE: usize = 128;
const RECORDS_OF_EACH: usize = 16;
/// Records that are linked by one script.
const LINKED_AT_ONCE: usize = 128;
/// Others who link at the same time are waited out so often.
const TRIES_MAX: usize = 16;

/// What the store needs for its chains.
pub(super) struct Chains {
    pub(super) key: AuditKey,
    /// Partitions in which records wait.
    waiting: Mutex<BTreeSet<Partition>>,
    /// Held by whoever links.
    linking: tokio::sync::Mutex<()>,
}

impl Chains {
    pub(super) fn new(key: AuditKey) -> Self {
        Self { key, waiting: Mutex::default(), linking: tokio::sync::Mutex::default() }
    }

    /// The JSON of a record as it waits in its partition.
    pub(super) fn record(&self, record: AuditRecord) -> Result<String, StoreError> {
        encode("an audit record", &record.note(&self.key))
    }
}

/// A record's name in its stream: milliseconds, and a number within.
type StreamId = (u64, u64);

/// A record that waits in a partition.
struct Waiting {
    id: StreamId,
    partition: Partition,
    noted: Noted,
}

fn stream_id(text: &str) -> Result<StreamId, StoreError> {
    let (ms, n) = text.split_once('-').unwrap_or((text, "0"));
    Ok((value::parse_number(ms)?, value::parse_number(n)?))
}

#[async_trait]
impl Audit for RedisStore {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        let session = self.link.session()?;
        let mut games: BTreeMap<GameId, Vec<Noted>> = BTreeMap::new();
        for record in records {
            let noted = record.note(&self.chains.key);
            games.entry(noted.game.clone()).or_default().push(noted);
        }
        let _linking = self.chains.linking.lock().await;
        for (game, records) in games {
            let (mut tries, mut is_linked) = (0, false);
            while !is_linked {
                if tries == TRIES_MAX {
                    return Err(busy(&game));
                }
                tries += 1;
                let (text, head) = self.chain_head(&session, &game).await?;
                is_linked = self.link_entries(&session, &game, (&text, head), &records, &[], &BTreeMap::new()).await?.is_some();
            }
        }
        Ok(())
    }

    async fn audit_page(&self, game: &GameId, after: u64, limit: usize) -> Result<AuditPage, StoreError> {
        let session = self.link.session()?;
        self.link_all(&session).await?;
        let (_, head) = self.chain_head(&session, game).await?;
        let seqs: Vec<u64> = (1..=limit as u64).map_while(|n| after.checked_add(n)).collect();
        if seqs.is_empty() {
            return Ok(AuditPage { entries: Vec::new(), head });
        }
        let reads = ["entries", "details"].map(|part| {
            let mut command = redis::cmd("HMGET");
            command.arg(self.keys.chain(game, part)).arg(&seqs);
            command
        });
        let answers = self.link.call(&session, reads.into(), None).await?;
        let [entries, details] = value::exactly(&answers)?;
        let mut page = Vec::new();
        for (entry, details) in value::list(entries)?.iter().zip(value::list(details)?) {
            let Some(json) = value::optional_bytes(entry)? else { continue };
            let mut entry: Entry = decode("an audit entry", json)?;
            entry.details = value::optional_bytes(details)?.map(|json| decode("an audit entry's details", json)).transpose()?;
            page.push(entry);
        }
        Ok(AuditPage { entries: page, head })
    }

    async fn audit_heads(&self) -> Result<Vec<(GameId, Head)>, StoreError> {
        let session = self.link.session()?;
        self.link_all(&session).await?;
        let mut command = redis::cmd("SMEMBERS");
        command.arg(self.keys.audited());
        let answers = self.link.call(&session, vec![command], None).await?;
        let [games] = value::exactly(&answers)?;
        let mut heads = Vec::new();
        for game in value::list(games)? {
            let game = value::game(game)?;
            let (_, head) = self.chain_head(&session, &game).await?;
            heads.push((game, head));
        }
        heads.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(heads)
    }

    async fn erase_player(&self, game: &GameId, player: &PlayerId, actor: &Actor, now: UnixMs) -> Result<Erased, StoreError> {
        let known = self.conversations_of(game, player).await?;
        let known: Vec<_> = known.into_iter().map(|conversation| (conversation.id, conversation.address.contact)).collect();
        let erasure = Erasure::of(game, player, &known, &self.chains.key);
        let session = self.link.session()?;
        let _linking = self.chains.linking.lock().await;
        self.link_from(&session, Partition::all().collect()).await?;
        let (mut entries, mut last, mut tries) = (0, None, 0);
        while tries < TRIES_MAX {
            let (text, head) = self.chain_head(&session, game).await?;
            let covered = self.covered(&session, game, &erasure).await?;
            if covered.is_empty()
                && let Some(seq) = last
            {
                return Ok(Erased { entries, seq });
            }
            let noted = Erasure::noted(now, game.clone(), actor.clone(), covered.iter().map(|(seq, _)| *seq).collect());
            match self.link_entries(&session, game, (&text, head), &[noted], &covered, &BTreeMap::new()).await? {
                Some(head) => (entries, last) = (entries + covered.len() as u64, Some(head.count)),
                None => tries += 1,
            }
        }
        Err(busy(game))
    }
}

fn busy(game: &GameId) -> StoreError {
    StoreError::Unavailable(format!("the audit log of {game} is written by others all the time"))
}

impl RedisStore {
    /// After a commit that left records: links them, unless somebody is at it, who then, or a read, does.
    pub(super) async fn audited(&self, session: &Session, partition: Partition) {
        self.chains.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
        let Ok(_linking) = self.chains.linking.try_lock() else { return };
        let waiting = std::mem::take(&mut *self.chains.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if let Err(error) = self.link_from(session, waiting.iter().copied().collect()).await {
            // They are written, in their partitions, and are linked before the log is read.
            tracing::warn!(%error, "records of the audit log are not linked yet");
            self.chains.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(waiting);
        }
    }

    /// Links what a commit left while somebody else was linking.
    pub(super) async fn link_waiting(&self, session: &Session) -> Result<(), StoreError> {
        let _linking = self.chains.linking.lock().await;
        let waiting = std::mem::take(&mut *self.chains.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let linked = self.link_from(session, waiting.iter().copied().collect()).await;
        if linked.is_err() {
            self.chains.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(waiting);
        }
        linked
    }

    async fn link_all(&self, session: &Session) -> Result<(), StoreError> {
        let _linking = self.chains.linking.lock().await;
        self.link_from(session, Partition::all().collect()).await
    }

    /// Links all that waits in these partitions. The caller holds `linking`.
    async fn link_from(&self, session: &Session, mut partitions: Vec<Partition>) -> Result<(), StoreError> {
        while !partitions.is_empty() {
            let mut more = Vec::new();
            for some in partitions.chunks(PARTITIONS_AT_ONCE) {
                let reads = some.iter().map(|partition| {
                    let mut command = redis::cmd("XRANGE");
                    command.arg(self.keys.key(*partition, "audits")).arg("-").arg("+").arg("COUNT").arg(RECORDS_OF_EACH);
                    command
                });
                let answers = self.link.call(session, reads.collect(), None).await?;
                let mut games: BTreeMap<GameId, Vec<Waiting>> = BTreeMap::new();
                for (partition, answer) in some.iter().zip(&answers) {
                    let records = value::list(answer)?;
                    if records.len() == RECORDS_OF_EACH {
                        more.push(*partition);
                    }
                    for record in records {
                        let waiting = waiting(*partition, record)?;
                        games.entry(waiting.noted.game.clone()).or_default().push(waiting);
                    }
                }
                for (game, mut records) in games {
                    records.sort_by_key(|record| (record.id, record.partition));
                    for records in records.chunks(LINKED_AT_ONCE) {
                        self.link_records(session, &game, records).await?;
                    }
                }
            }
            partitions = more;
        }
        Ok(())
    }

    /// Links records once, then takes them out of their streams.
    async fn link_records(&self, session: &Session, game: &GameId, records: &[Waiting]) -> Result<(), StoreError> {
        let partitions: BTreeSet<Partition> = records.iter().map(|record| record.partition).collect();
        let mut is_linked = false;
        for _ in 0..TRIES_MAX {
            let mut read = redis::cmd("HMGET");
            read.arg(self.keys.chain(game, "")).arg("head");
            for partition in &partitions {
                read.arg(partition.0);
            }
            let answers = self.link.call(session, vec![read], None).await?;
            let [answer] = value::exactly(&answers)?;
            let Some((head, taken)) = value::list(answer)?.split_first() else { return Err(busy(game)) };
            let mut cursors: BTreeMap<Partition, StreamId> = BTreeMap::new();
            for (partition, id) in partitions.iter().zip(taken) {
                if let Some(id) = value::optional_bytes(id)? {
                    cursors.insert(*partition, stream_id(&String::from_utf8_lossy(id))?);
                }
            }
            let is_new = |record: &&Waiting| cursors.get(&record.partition).is_none_or(|taken| record.id > *taken);
            let new: Vec<&Waiting> = records.iter().filter(is_new).collect();
            let mut taken = BTreeMap::new();
            for record in &new {
                taken.insert(record.partition, record.id);
            }
            let noted: Vec<Noted> = new.iter().map(|record| record.noted.clone()).collect();
            let (text, head) = head_of(game, head)?;
            if noted.is_empty() || self.link_entries(session, game, (&text, head), &noted, &[], &taken).await?.is_some() {
                is_linked = true;
                break;
            }
        }
        if !is_linked {
            return Err(busy(game));
        }
        let deletes = partitions.iter().map(|partition| {
            let mut command = redis::cmd("XDEL");
            command.arg(self.keys.key(*partition, "audits"));
            for record in records.iter().filter(|record| record.partition == *partition) {
                command.arg(format!("{}-{}", record.id.0, record.id.1));
            }
            command
        });
        self.link.call(session, deletes.collect(), None).await.map(drop)
    }

    /// The head as it is stored, and as it is read.
    async fn chain_head(&self, session: &Session, game: &GameId) -> Result<(String, Head), StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.chain(game, "")).arg("head");
        let answers = self.link.call(session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        head_of(game, answer)
    }

    /// Writes entries behind a head; none when the head is another one by now.
    async fn link_entries(
        &self,
        session: &Session,
        game: &GameId,
        (before, mut head): (&str, Head),
        records: &[Noted],
        erased: &[(u64, Details)],
        taken: &BTreeMap<Partition, StreamId>,
    ) -> Result<Option<Head>, StoreError> {
        let mut entries = Vec::with_capacity(records.len());
        for noted in records {
            let mut entry = head.link(noted.clone(), salt()?);
            let details = entry.details.take().ok_or_else(|| StoreError::Corrupt("an audit entry without details".to_owned()))?;
            entries.push((entry.seq, encode("an audit entry", &entry)?, encode("an audit entry's details", &details)?, details.keys()));
        }
        let bytes = entries.iter().map(|(_, entry, details, _)| entry.len() + details.len() + 128).sum();
        let mut list = redis::cmd("SADD");
        list.arg(self.keys.audited()).arg(game.as_str());
        let mut command = self.scripts.call(Script::Link, &[&self.keys.chain(game, "")], bytes);
        command.arg(before).arg(head.to_string()).arg(entries.len());
        for (seq, entry, details, names) in &entries {
            command.arg(*seq).arg(entry).arg(details).arg(names.len()).arg(names);
        }
        command.arg(erased.len());
        for (seq, details) in erased {
            let names = details.keys();
            command.arg(*seq).arg(names.len()).arg(names);
        }
        command.arg(taken.len());
        for (partition, id) in taken {
            command.arg(partition.0).arg(format!("{}-{}", id.0, id.1));
        }
        let answers = self.link.call(session, vec![list, command], None).await?;
        let [_, answer] = value::exactly(&answers)?;
        Ok((value::number(answer)? == 1).then_some(head))
    }

    /// Entries that are about whoever is to be erased, with their details; as many as one entry erases.
    async fn covered(&self, session: &Session, game: &GameId, erasure: &Erasure) -> Result<Vec<(u64, Details)>, StoreError> {
        let reads = erasure.keys().into_iter().map(|name| {
            let mut command = redis::cmd("SMEMBERS");
            command.arg(self.keys.chain(game, &format!("of:{name}")));
            command
        });
        let answers = self.link.call(session, reads.collect(), None).await?;
        let mut seqs = BTreeSet::new();
        for answer in &answers {
            for seq in value::list(answer)? {
                seqs.insert(value::parse_number(value::text(seq)?)?);
            }
        }
        let seqs: Vec<u64> = seqs.into_iter().collect();
        let mut covered = Vec::new();
        for seqs in seqs.chunks(ERASED_AT_ONCE_MAX) {
            let mut command = redis::cmd("HMGET");
            command.arg(self.keys.chain(game, "details")).arg(seqs);
            let answers = self.link.call(session, vec![command], None).await?;
            let [answer] = value::exactly(&answers)?;
            for (seq, json) in seqs.iter().zip(value::list(answer)?) {
                let Some(json) = value::optional_bytes(json)? else { continue };
                let details: Details = decode("an audit entry's details", json)?;
                if erasure.covers(&details) {
                    covered.push((*seq, details));
                }
            }
            if covered.len() >= ERASED_AT_ONCE_MAX {
                covered.truncate(ERASED_AT_ONCE_MAX);
                break;
            }
        }
        Ok(covered)
    }
}

fn head_of(game: &GameId, answer: &Value) -> Result<(String, Head), StoreError> {
    match value::optional_bytes(answer)? {
        None => Ok((String::new(), Head::start(game))),
        Some(text) => {
            let text = String::from_utf8_lossy(text).into_owned();
            let head = text.parse().map_err(|_| StoreError::Corrupt(format!("the head of the audit log of {game} cannot be read")))?;
            Ok((text, head))
        }
    }
}

/// A record of a stream: its name, then fields and values; the record's JSON is `j`.
fn waiting(partition: Partition, record: &Value) -> Result<Waiting, StoreError> {
    let [id, fields] = value::exactly(value::list(record)?)?;
    let mut json = None;
    for field in value::list(fields)?.chunks(2) {
        let [name, text] = value::exactly(field)?;
        if value::text(name)? == "j" {
            json = Some(value::bytes(text)?);
        }
    }
    let json = json.ok_or_else(|| StoreError::Corrupt("an audit record without its text".to_owned()))?;
    Ok(Waiting { id: stream_id(value::text(id)?)?, partition, noted: decode("an audit record", json)? })
}
