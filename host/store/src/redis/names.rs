//! Who is whom, in Redis: from an address to its conversation, once for all who ask; and names that move.
//!
//! The rules are those of [`crate::alias`]. Names lie in slots of their own, so a commit that changes a contact cannot
//! move its names in the same write: it leaves a note in its partition, and the note is carried out at once, or when
//! the partition is taken next.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, GameId, PlayerId};
use questline_core::port::StoreError;
use redis::Cmd;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use super::RedisStore;
use super::conversations::{doc_of, whos};
use super::keys::{Partition, bucket_of};
use super::moves::{note, point, replay};
use super::script::Script;
use super::session::{self, Session};
use super::value;
use crate::alias::Alias;
use crate::seal::{INDEX_LEN, Named, Sealer};

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
    pub(super) async fn hold(&self, aliases: impl Iterator<Item = &Alias>) -> Vec<MutexGuard<'_, ()>> {
        let mut stripes = aliases.map(|alias| usize::from(bucket_of(alias.as_str().as_bytes())) % STRIPES).collect::<Vec<_>>();
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
    /// Of each alias, all that may stand for it.
    places: Vec<Vec<Box<[u8]>>>,
    conversation: Option<ConversationId>,
}

impl Missing<'_> {
    /// Where its names are looked for before one is claimed: nowhere if there is one place, for claiming finds it there.
    fn looked_for(&self) -> &[Vec<Box<[u8]>>] {
        match &self.places[..] {
            [places] if places.len() == 1 => &[],
            several => several,
        }
    }
}

/// All that may stand for a name, what is written first.
pub(super) fn alias_places(sealer: &Sealer, alias: &Alias) -> Vec<Box<[u8]>> {
    let parts = [alias.as_str()];
    let indexes = sealer.indexes(Named::Alias, &parts).map(|index| Box::from(&index.as_bytes()[..]));
    indexes.chain(sealer.has_plain().then(|| Box::from(alias.as_str().as_bytes()))).collect()
}

/// All under which a player's conversations may stand, what is written first.
pub(super) fn player_places(sealer: &Sealer, game: &GameId, player: &PlayerId) -> Vec<String> {
    let parts = [game.as_str(), player.as_str()];
    let indexes = sealer.indexes(Named::Player, &parts).map(|index| index.to_hex());
    indexes.chain(sealer.has_plain().then(|| format!("{game}/{player}"))).collect()
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
                        let aliases: Vec<Alias> = Alias::all(&address.number, &address.contact).collect();
                        let places = aliases.iter().map(|alias| alias_places(&self.sealer, alias)).collect();
                        missing.push(Missing { address, key, aliases, places, conversation: None });
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
        let lookups = missing.iter().flat_map(|missing| missing.looked_for()).flatten().map(|place| {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys.names(place)).arg(&place[..]);
            command
        });
        let answers = self.link.call(session, lookups.collect(), None).await?;
        let mut answers = answers.iter();
        let mut claims = Vec::new();
        let (mut writes, mut moved) = (Vec::new(), false);
        let mut found = Vec::with_capacity(missing.len());
        for missing in missing.iter_mut() {
            let mut of = Vec::with_capacity(missing.aliases.len());
            for places in missing.looked_for() {
                let found = answers.by_ref().take(places.len()).map(value::optional_number).collect::<Result<Vec<_>, _>>()?;
                of.push(Found { of: found.iter().flatten().next().copied(), is_first: found.first().is_some_and(Option::is_some) });
            }
            // The phone stands first, and decides.
            missing.conversation = of.iter().find_map(|found| found.of).map(ConversationId);
            if missing.conversation.is_none() {
                claims.extend(missing.places.first().and_then(|places| places.first()).map(|place| self.claim(place)));
            }
            found.push(of);
        }
        let claimed = self.link.call(session, claims, None).await?;
        let mut claimed = claimed.iter();
        for (missing, of) in missing.iter_mut().zip(found) {
            let is_claimed = missing.conversation.is_none();
            if is_claimed {
                missing.conversation = claimed.next().map(value::conversation).transpose()?;
            }
            let Some(conversation) = missing.conversation else { continue };
            let (mut is_astray, mut stale) = (false, Vec::new());
            for (places, found) in missing.places.iter().zip(of).skip(usize::from(is_claimed)) {
                let is_there = found.of == Some(conversation.0);
                is_astray |= !is_there;
                moved |= !is_there && found.of.is_some();
                // Also one that is there under another key: it is given the one that is written.
                if !(is_there && found.is_first) {
                    stale.push(places);
                }
            }
            if is_astray && !is_claimed {
                // The conversation first: it notes the names to be moved, so that none is forgotten by a crash.
                self.learn_contact(session, conversation, missing.address).await?;
            }
            writes.extend(stale.into_iter().flat_map(|places| point(&self.keys, places, conversation)));
        }
        self.link.call(session, writes, None).await?;
        if moved {
            self.names.forget();
        }
        Ok(())
    }

    fn claim(&self, place: &[u8]) -> Cmd {
        let (names, next) = (self.keys.names(place), self.keys.next(place));
        let mut command = self.scripts.call(Script::Claim, &[&names, &next], 64);
        command.arg(place).arg(bucket_of(place));
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
            let mut conversation: Conversation = self.sealer.open(doc_of(id), doc)?;
            if !conversation.contact.learn(&address.contact) {
                return Ok(());
            }
            let version = conversation.version;
            conversation.version += 1;
            let learned = self.sealer.seal_json(doc_of(id), &conversation)?;
            let mut learn = self.fenced(Script::Learn, session, Partition::of(id), learned.len() + 64);
            learn.arg(id.0).arg(version).arg(version + 1).arg(&learned).arg(&whos(&self.sealer, &conversation)[..INDEX_LEN]);
            let learn_note: session::Note = Box::new(move |_, news| {
                news.changed.push(id);
                Ok(())
            });
            let answers = self.link.call(session, vec![learn], Some(learn_note)).await?;
            let [is_learned] = value::exactly(&answers)?;
            if value::number(is_learned)? == 1 {
                return self.move_names(session, &conversation, doc, &learned).await;
            }
        }
        Err(StoreError::Unavailable("a contact changes faster than it can be noted".to_owned()))
    }

    /// Carries out the note that a script has just left about a changed contact or player. `before` and `after` are the
    /// conversation as it lay and as it lies.
    pub(super) async fn move_names(
        &self,
        session: &Session,
        conversation: &Conversation,
        before: &[u8],
        after: &[u8],
    ) -> Result<(), StoreError> {
        let id = conversation.id;
        let known: Conversation = self.sealer.open(doc_of(id), before)?;
        let record = note(id, before, after);
        let commands = replay(&self.keys, &self.scripts, &self.sealer, Partition::of(id), &known, conversation, &record);
        let done = self.link.call(session, commands, None).await;
        if known.contact != conversation.contact {
            // After the names have moved, or perhaps have: what was remembered may be wrong.
            self.names.forget();
        }
        done.map(drop)
    }

    /// A call of a script of a partition.
    pub(super) fn fenced(&self, script: Script, session: &Session, partition: Partition, bytes: usize) -> Cmd {
        self.scripts.fenced(script, &self.keys, session, partition, bytes)
    }
}

/// What was found for a name.
#[derive(Debug, Clone, Copy)]
struct Found {
    of: Option<u64>,
    /// Where it is written; else it stands under another key.
    is_first: bool,
}
