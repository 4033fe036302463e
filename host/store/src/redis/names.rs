//! Who is whom, in Redis: from an address to its conversation, once for all who ask; and names that move.
//!
//! The rules are those of [`crate::alias`]. Names lie in slots of their own, so a commit that changes a contact cannot
//! move its names in the same write: it leaves a note in its partition, and the note is carried out at once, or when
//! the partition is taken next.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use questline_core::contact::{Address, Contact};
use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, GameId, NumberId, PlayerId};
use questline_core::port::StoreError;
use redis::Cmd;
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use super::RedisStore;
use super::keys::{Keys, Partition, bucket_of};
use super::script::{Script, Scripts};
use super::session::{Note, Session};
use super::value;
use crate::alias::{Alias, AliasChange};
use crate::codec::{decode, encode};

/// Contacts that are resolved at the same time without waiting for one another, unless their names meet.
const STRIPES: usize = 256;

/// A contact that changes under us again and again is given up after so many tries.
const LEARN_TRIES: usize = 8;

/// Addresses whose conversation is known to exist, and to know all that the address says.
pub(super) struct Names {
    known: Mutex<Known>,
    /// Creation looks first and writes then: one at a time for each name.
    stripes: Box<[AsyncMutex<()>]>,
}

struct Known {
    cache: LruCache<Box<str>, ConversationId>,
    /// Raised whenever names move: what was looked up before is not to be remembered.
    generation: u64,
}

/// Where an address leads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolved {
    pub(super) conversation: ConversationId,
    /// It was remembered: the conversation exists. Else it may have to be created.
    pub(super) exists: bool,
}

impl Names {
    pub(super) fn new(names_max: usize) -> Self {
        let cache = LruCache::new(NonZeroUsize::new(names_max).unwrap_or(NonZeroUsize::MIN));
        Self { known: Mutex::new(Known { cache, generation: 0 }), stripes: (0..STRIPES).map(|_| AsyncMutex::new(())).collect() }
    }

    /// Forgets all that is remembered.
    pub(super) fn forget(&self) {
        let mut known = self.lock();
        known.cache.clear();
        known.generation += 1;
    }

    fn find(&self, key: &str) -> Option<ConversationId> {
        self.lock().cache.get(key).copied()
    }

    fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Remembers addresses whose conversations exist now, unless names have moved since `generation`.
    pub(super) fn remember(&self, generation: u64, found: impl IntoIterator<Item = (Box<str>, ConversationId)>) {
        let mut known = self.lock();
        if known.generation == generation {
            for (key, conversation) in found {
                known.cache.put(key, conversation);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks all of these names, in an order that everybody keeps.
    async fn hold(&self, aliases: impl Iterator<Item = &Alias>) -> Vec<MutexGuard<'_, ()>> {
        let mut stripes = aliases.map(|alias| usize::from(bucket_of(alias.as_str())) % STRIPES).collect::<Vec<_>>();
        stripes.sort_unstable();
        stripes.dedup();
        let mut held = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            if let Some(stripe) = self.stripes.get(stripe) {
                held.push(stripe.lock().await);
            }
        }
        held
    }
}

/// All names of an address as one text; a key of memory only.
fn key_of(address: &Address) -> String {
    let phone = address.contact.phone().map_or("", |phone| phone.digits());
    let bsuid = address.contact.bsuid().map_or("", |bsuid| bsuid.as_str());
    let mut key = String::with_capacity(address.number.as_str().len() + phone.len() + bsuid.len() + 2);
    for (n, part) in [address.number.as_str(), phone, bsuid].into_iter().enumerate() {
        if n > 0 {
            key.push('/');
        }
        key.push_str(part);
    }
    key
}

/// What addresses of one POST came to, and what is to be remembered of it once their conversations exist.
pub(super) struct Resolution {
    pub(super) of: Vec<Resolved>,
    pub(super) generation: u64,
    pub(super) new: Vec<(Box<str>, ConversationId)>,
}

/// An address that was not remembered.
struct Missing<'a> {
    address: &'a Address,
    key: String,
    aliases: Vec<Alias>,
    conversation: Option<ConversationId>,
}

impl RedisStore {
    /// Finds the conversation of each address; what is not known yet is claimed for a new one.
    pub(super) async fn resolve(&self, session: &Session, addresses: &[&Address]) -> Result<Resolution, StoreError> {
        let generation = self.names.generation();
        let mut missing: Vec<Missing<'_>> = Vec::new();
        let mut places = Vec::with_capacity(addresses.len());
        for address in addresses {
            let key = key_of(address);
            match self.names.find(&key) {
                Some(conversation) => places.push(Ok(conversation)),
                None => {
                    let place = missing.iter().position(|other| other.key == key).unwrap_or_else(|| {
                        let aliases = Alias::all(&address.number, &address.contact).collect();
                        missing.push(Missing { address, key, aliases, conversation: None });
                        missing.len() - 1
                    });
                    places.push(Err(place));
                }
            }
        }
        if !missing.is_empty() {
            let held = self.names.hold(missing.iter().flat_map(|missing| &missing.aliases)).await;
            // Those that share a name with an earlier one wait for its turn.
            let mut rest = missing.iter_mut().collect::<Vec<_>>();
            while !rest.is_empty() {
                let mut seen = std::collections::HashSet::new();
                let (mut now, later): (Vec<_>, Vec<_>) =
                    rest.into_iter().partition(|missing| missing.aliases.iter().all(|alias| seen.insert(alias.clone())));
                self.find_or_claim(session, &mut now).await?;
                rest = later;
            }
            drop(held);
        }
        let of = places.into_iter().map(|place| match place {
            Ok(conversation) => Some(Resolved { conversation, exists: true }),
            Err(place) => missing.get(place).and_then(|m| m.conversation).map(|conversation| Resolved { conversation, exists: false }),
        });
        let of = of.collect::<Option<Vec<_>>>().ok_or_else(|| StoreError::Corrupt("a name leads nowhere".to_owned()))?;
        let new = missing.into_iter().filter_map(|m| Some((m.key.into_boxed_str(), m.conversation?))).collect();
        Ok(Resolution { of, generation, new })
    }

    async fn find_or_claim(&self, session: &Session, missing: &mut [&mut Missing<'_>]) -> Result<(), StoreError> {
        let lookups = missing.iter().flat_map(|missing| &missing.aliases).map(|alias| {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys.names(alias.as_str())).arg(alias.as_str());
            command
        });
        let answers = self.link.call(session, lookups.collect(), None).await?;
        let mut answers = answers.iter();
        let mut claims = Vec::new();
        let (mut writes, mut moved) = (Vec::new(), false);
        let mut found = Vec::with_capacity(missing.len());
        for missing in missing.iter_mut() {
            let of = missing.aliases.iter().zip(answers.by_ref()).map(|(_, answer)| value::optional_number(answer));
            let of = of.collect::<Result<Vec<_>, _>>()?;
            // The phone stands first, and decides.
            missing.conversation = of.iter().flatten().next().copied().map(ConversationId);
            if missing.conversation.is_none() {
                claims.extend(missing.aliases.first().map(|alias| self.claim(alias)));
            }
            found.push(of);
        }
        let claimed = self.link.call(session, claims, None).await?;
        let mut claimed = claimed.iter();
        for (missing, of) in missing.iter_mut().zip(found) {
            let is_new = missing.conversation.is_none();
            if is_new {
                missing.conversation = claimed.next().map(value::conversation).transpose()?;
            }
            let Some(conversation) = missing.conversation else { continue };
            let astray = missing.aliases.iter().zip(of).skip(usize::from(is_new)).filter(|(_, of)| *of != Some(conversation.0));
            let astray = astray.collect::<Vec<_>>();
            if astray.is_empty() {
                continue;
            }
            if !is_new {
                // The conversation first: it notes the names to be moved, so that none is forgotten by a crash.
                self.learn_contact(session, conversation, missing.address).await?;
            }
            moved |= astray.iter().any(|(_, of)| of.is_some());
            writes.extend(astray.iter().map(|(alias, _)| point(&self.keys, alias, conversation)));
        }
        self.link.call(session, writes, None).await?;
        if moved {
            self.names.forget();
        }
        Ok(())
    }

    fn claim(&self, alias: &Alias) -> Cmd {
        let (names, next) = (self.keys.names(alias.as_str()), self.keys.next(alias.as_str()));
        let mut command = self.scripts.call(Script::Claim, &[&names, &next], 64);
        command.arg(alias.as_str()).arg(bucket_of(alias.as_str()));
        command
    }

    /// Tells a conversation what an address adds to its contact, or changes.
    async fn learn_contact(&self, session: &Session, id: ConversationId, address: &Address) -> Result<(), StoreError> {
        for _ in 0..LEARN_TRIES {
            let mut read = redis::cmd("HGET");
            read.arg(self.keys.of(id, "c")).arg("d");
            let answers = self.link.call(session, vec![read], None).await?;
            let [doc] = value::exactly(&answers)?;
            // A name may be there before its conversation is.
            let Some(doc) = value::optional_bytes(doc)? else { return Ok(()) };
            let mut conversation: Conversation = decode("a conversation", doc)?;
            let before = conversation.contact.clone();
            if !conversation.contact.learn(&address.contact) {
                return Ok(());
            }
            let version = conversation.version;
            conversation.version += 1;
            let (doc, contact) = (encode("a conversation", &conversation)?, encode("a contact", &conversation.contact)?);
            let mut learn = self.fenced(Script::Learn, session, Partition::of(id), doc.len() + contact.len());
            learn.arg(id.0).arg(version).arg(version + 1).arg(&doc).arg(&contact).arg(conversation.number.as_str());
            let note: Note = Box::new(move |_, news| {
                news.changed.push(id);
                Ok(())
            });
            let answers = self.link.call(session, vec![learn], Some(note)).await?;
            let [learned] = value::exactly(&answers)?;
            if value::number(learned)? == 1 {
                let before = encode("a contact", &before)?;
                return self.move_names(session, id, &conversation.number, before.as_bytes(), contact.as_bytes()).await;
            }
        }
        Err(StoreError::Unavailable("a contact changes faster than it can be noted".to_owned()))
    }

    /// Carries out the note that a script has just left about a changed contact.
    pub(super) async fn move_names(
        &self,
        session: &Session,
        conversation: ConversationId,
        number: &NumberId,
        before: &[u8],
        after: &[u8],
    ) -> Result<(), StoreError> {
        let mut record = format!("{{\"conversation\":{conversation},\"number\":\"{number}\",\"before\":").into_bytes();
        record.extend_from_slice(before);
        record.extend_from_slice(b",\"after\":");
        record.extend_from_slice(after);
        record.push(b'}');
        let commands = replay(&self.keys, &self.scripts, Partition::of(conversation), &record)?;
        let done = self.link.call(session, commands, None).await;
        // After the names have moved, or perhaps have: what was remembered may be wrong.
        self.names.forget();
        done.map(drop)
    }

    /// Carries out the note that a commit has just left about a changed player.
    pub(super) async fn move_player(
        &self,
        session: &Session,
        conversation: &Conversation,
        player_before: &[u8],
        player_after: &str,
    ) -> Result<(), StoreError> {
        let Conversation { id, game, version, .. } = conversation;
        let mut record = format!("{{\"conversation\":{id},\"game\":\"{game}\",\"version\":{version},\"player_before\":").into_bytes();
        record.extend_from_slice(player_before);
        record.extend_from_slice(b",\"player_after\":");
        record.extend_from_slice(if player_after.is_empty() { b"null" } else { player_after.as_bytes() });
        record.push(b'}');
        let commands = replay(&self.keys, &self.scripts, Partition::of(*id), &record)?;
        self.link.call(session, commands, None).await.map(drop)
    }

    /// A call of a script of a partition.
    pub(super) fn fenced(&self, script: Script, session: &Session, partition: Partition, bytes: usize) -> Cmd {
        self.scripts.fenced(script, &self.keys, session, partition, bytes)
    }
}

/// What is to be done outside of a conversation's slot, as the scripts note it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Move {
    /// The contact changed: its names move.
    Names { conversation: ConversationId, number: NumberId, before: Contact, after: Contact },
    /// The player changed.
    Player { conversation: ConversationId, game: GameId, version: u64, player_before: Option<PlayerId>, player_after: Option<PlayerId> },
}

/// What carries out a note of a change, and takes it away. Doing it twice, or late, does no harm.
pub(super) fn replay(keys: &Keys, scripts: &Scripts, partition: Partition, record: &[u8]) -> Result<Vec<Cmd>, StoreError> {
    let mut commands = Vec::new();
    match decode("a change of names", record)? {
        Move::Names { conversation, number, before, after } => {
            let change = AliasChange::between(&number, &before, &after);
            commands.extend(change.add.iter().map(|alias| point(keys, alias, conversation)));
            for alias in &change.forget {
                let mut command = scripts.call(Script::Forget, &[&keys.names(alias.as_str())], 64);
                command.arg(alias.as_str()).arg(conversation.0);
                commands.push(command);
            }
        }
        Move::Player { conversation, game, version, player_before, player_after } => {
            if let Some(player) = player_after {
                let mut command = redis::cmd("ZADD");
                command.arg(keys.player(&game, &player)).arg("GT").arg(version).arg(conversation.0);
                commands.push(command);
            }
            if let Some(player) = player_before {
                let mut command = scripts.call(Script::Unplace, &[&keys.player(&game, &player)], 32);
                command.arg(conversation.0).arg(version);
                commands.push(command);
            }
        }
    }
    let mut done = redis::cmd("LREM");
    done.arg(keys.key(partition, "moves")).arg(1).arg(record);
    commands.push(done);
    Ok(commands)
}

fn point(keys: &Keys, alias: &Alias, conversation: ConversationId) -> Cmd {
    let mut command = redis::cmd("HSET");
    command.arg(keys.names(alias.as_str())).arg(alias.as_str()).arg(conversation.0);
    command
}
