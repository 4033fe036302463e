//! What a store writes is sealed before it leaves the process: whoever has the disk, a backup or the server alone reads no
//! phone number, no name and no word of a message.
//!
//! - A **value** is sealed with AES-256-GCM: `01`, four bytes of the key's name, 12 random bytes of nonce, the text, 16 bytes
//!   of tag. What it belongs to is authenticated with it: in another conversation's row it does not open. AES-256-GCM and
//!   not ChaCha20-Poly1305, because processors have instructions for it: 500 bytes took 182 ns to seal and 172 ns to open
//!   where ChaCha20-Poly1305 took 450 ns and 457 ns (ring 0.17, one core of a Xeon with AES-NI and VAES).
//! - A **name** by which something is found is a digest ([`Index`]): `02`, four bytes of the key's name, 128 bits of
//!   HMAC-SHA-256. Who has no key can neither read it nor try all phone numbers.
//!
//! Both say which key made them, so that old ones are found while new ones are written; `crate::reseal` rewrites them.
//! Values that were written before anything was sealed are JSON, which begins with neither byte, and pieces of releases, which
//! do not begin with the name of a key but by a chance of 2^-40; they open only while the store's list of keys says that
//! there are some.

mod index;
mod keys;
mod wamid;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use questline_core::id::{GameId, TicketNumber};
use questline_core::port::{DerivedKey, StoreError};
use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::decode;
pub(crate) use index::{INDEX_LEN, Index, Named};
use keys::{Key, SUBKEYS};
pub use keys::{KeyId, StoreKeys, UnusableKeys};

/// The first byte of a sealed value. JSON never begins with it.
const MARK: u8 = 1;
const ID_END: usize = 5;
const HEADER_LEN: usize = ID_END + NONCE_LEN;
const TAG_LEN: usize = 16;
/// What a value in the making has room for before it grows.
const DRAFT_BYTES: usize = 512;
/// Room for opening that a thread keeps.
const SCRATCH_BYTES_MAX: usize = 256 << 10;
/// Nonces that a thread has in stock: 384 bytes.
const NONCES_MAX: usize = 32;
/// Stands in a store's list of keys for what was written before anything was sealed.
pub(crate) const PLAIN: &str = "plain";

/// What a value is. The numbers are part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Conversation = 1,
    Event = 2,
    Message = 3,
    Wamid = 4,
    Timer = 5,
    Ticket = 6,
    DeadLetter = 7,
    Consent = 8,
    Step = 9,
    Notice = 10,
    Page = 11,
    Document = 12,
}

impl Kind {
    /// What it is called.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Conversation => "a conversation",
            Self::Event => "an event",
            Self::Message => "a message",
            Self::Wamid => "a message's name at Meta",
            Self::Timer => "a timer",
            Self::Ticket => "a ticket",
            Self::DeadLetter => "a dead letter",
            Self::Consent => "a consent",
            Self::Step => "a step",
            Self::Notice => "a notice",
            Self::Page => "a page",
            Self::Document => "a document",
        }
    }
}

/// What a value is and what it belongs to: it opens as nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    kind: Kind,
    of: Of<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Of<'a> {
    Number(u64),
    Texts(&'a str, &'a str),
    Index(Index),
}

impl<'a> Owner<'a> {
    /// A conversation's, or of another number.
    pub(crate) fn number(kind: Kind, number: u64) -> Self {
        Self { kind, of: Of::Number(number) }
    }

    /// Of something with a name that is no secret.
    pub(crate) fn texts(kind: Kind, first: &'a str, second: &'a str) -> Self {
        Self { kind, of: Of::Texts(first, second) }
    }

    /// Of a document.
    pub(crate) fn document(name: &'a str) -> Self {
        Self::texts(Kind::Document, name, "")
    }

    /// Of a ticket.
    pub(crate) fn ticket(game: &'a GameId, number: &'a TicketNumber) -> Self {
        Self::texts(Kind::Ticket, game.as_str(), number.as_str())
    }

    /// Of a game's dead letters.
    pub(crate) fn letter(game: &'a GameId) -> Self {
        Self::texts(Kind::DeadLetter, game.as_str(), "")
    }

    /// Of something that is found by a digest.
    pub(crate) fn index(kind: Kind, index: Index) -> Self {
        Self { kind, of: Of::Index(index) }
    }

    /// What is authenticated with the value.
    fn bytes(&self) -> Bytes {
        match self.of {
            Of::Number(number) => {
                let mut bytes = [self.kind as u8; 9];
                bytes[1..].copy_from_slice(&number.to_be_bytes());
                Bytes::Short(bytes)
            }
            Of::Texts(first, second) => {
                let mut bytes = Vec::with_capacity(9 + first.len() + second.len());
                bytes.push(self.kind as u8);
                bytes.extend_from_slice(&(first.len() as u64).to_be_bytes());
                bytes.extend_from_slice(first.as_bytes());
                bytes.extend_from_slice(second.as_bytes());
                Bytes::Long(bytes)
            }
            Of::Index(index) => {
                let mut bytes = Vec::with_capacity(1 + INDEX_LEN);
                bytes.push(self.kind as u8);
                bytes.extend_from_slice(index.as_bytes());
                Bytes::Long(bytes)
            }
        }
    }

    /// Which of a key's subkeys: owners are spread over all of them, each always under the same one.
    fn subkey(&self) -> usize {
        let number = match self.of {
            // Redis numbers the conversations of a partition in steps of 1024.
            Of::Number(number) => number ^ (number >> 10),
            Of::Texts(first, second) => {
                first.bytes().chain(second.bytes()).fold(0, |hash: u64, byte| hash.wrapping_mul(31) ^ u64::from(byte))
            }
            Of::Index(index) => u64::from(index.as_bytes()[INDEX_LEN - 1]),
        };
        number as usize % SUBKEYS
    }
}

enum Bytes {
    Short([u8; 9]),
    Long(Vec<u8>),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }
}

/// A value that is to be sealed, with room for what sealing adds: it is sealed where it lies.
pub(crate) struct Draft(Vec<u8>);

impl Draft {
    /// A value as JSON.
    pub(crate) fn json<T: Serialize>(kind: Kind, value: &T) -> Result<Self, StoreError> {
        let mut draft = Self::empty(DRAFT_BYTES);
        // Our types have no maps with odd keys and no failing `Serialize`: this is for floats that are no numbers and such.
        serde_json::to_writer(&mut draft.0, value)
            .map_err(|error| StoreError::Corrupt(format!("{} has no JSON form: {error}", kind.what())))?;
        Ok(draft)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(parts: &[&[u8]]) -> Self {
        let mut draft = Self::empty(HEADER_LEN + TAG_LEN + parts.iter().map(|part| part.len()).sum::<usize>());
        parts.iter().for_each(|part| draft.0.extend_from_slice(part));
        draft
    }

    fn empty(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(HEADER_LEN, 0);
        Self(bytes)
    }

    /// Bytes of the value itself.
    pub(crate) fn len(&self) -> usize {
        self.0.len() - HEADER_LEN
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft(hidden)")
    }
}

/// Keys that the data needs and that are not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the data holds rows under key {}, which is not among the store's keys: give it back, in [store] keys of questline.toml or in \
     store.key of the data directory, behind the key that is to seal, until `questline store reseal` says that no row is left under it",
    keys.join(" and key ")
)]
pub struct MissingKeys {
    /// Their names.
    pub keys: Vec<String>,
}

/// Seals and opens. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Sealer(Arc<Inner>);

struct Inner {
    keys: StoreKeys,
    /// A bit for each key: rows may lie under it. [`PLAIN_BIT`]: rows may lie open.
    in_use: AtomicU32,
    random: SystemRandom,
}

const PLAIN_BIT: u32 = 1 << 31;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static NONCES: RefCell<([[u8; NONCE_LEN]; NONCES_MAX], usize)> = const { RefCell::new(([[0; NONCE_LEN]; NONCES_MAX], 0)) };
}

impl Sealer {
    /// With the keys that the data's list names, [`PLAIN`] among them if something may lie open. The first key is in use
    /// from now on: the caller lists it before it writes.
    pub(crate) fn new<'a>(keys: StoreKeys, listed: impl IntoIterator<Item = &'a str>) -> Result<Self, MissingKeys> {
        let sealer = Self(Arc::new(Inner { keys, in_use: AtomicU32::new(1), random: SystemRandom::new() }));
        sealer.note_listed(listed)?;
        Ok(sealer)
    }

    /// The data's list names these keys.
    pub(crate) fn note_listed<'a>(&self, listed: impl IntoIterator<Item = &'a str>) -> Result<(), MissingKeys> {
        let (mut in_use, mut missing) = (0, Vec::new());
        for name in listed {
            let place = KeyId::parse(name).and_then(|id| self.0.keys.0.iter().position(|key| key.id == id));
            match place {
                Some(place) => in_use |= 1 << place,
                None if name == PLAIN => in_use |= PLAIN_BIT,
                None => missing.push(name.to_owned()),
            }
        }
        self.0.in_use.fetch_or(in_use, Ordering::AcqRel);
        if missing.is_empty() { Ok(()) } else { Err(MissingKeys { keys: missing }) }
    }

    /// The key that seals.
    fn first(&self) -> &Key {
        &self.0.keys.0[0]
    }

    /// Keys for something else than what the store holds.
    pub(crate) fn derived(&self, label: &str) -> Vec<DerivedKey> {
        self.0.keys.derived(label)
    }

    /// The name of the key that seals.
    pub(crate) fn first_id(&self) -> KeyId {
        self.first().id
    }

    /// Other keys under which rows may lie, and [`PLAIN`]: their names, as the list has them.
    pub(crate) fn older(&self) -> Vec<String> {
        let mut names: Vec<String> = self.older_keys().map(|key| key.id.to_string()).collect();
        if self.has_plain() {
            names.push(PLAIN.to_owned());
        }
        names
    }

    /// Nothing is left but what the first key sealed.
    pub(crate) fn forget_older(&self) {
        self.0.in_use.store(1, Ordering::Release);
    }

    /// Whether names may lie under other keys than the first, or open.
    pub(crate) fn has_older(&self) -> bool {
        self.0.in_use.load(Ordering::Acquire) != 1
    }

    /// Whether something may lie open.
    pub(crate) fn has_plain(&self) -> bool {
        self.0.in_use.load(Ordering::Acquire) & PLAIN_BIT != 0
    }

    fn older_keys(&self) -> impl Iterator<Item = &Key> {
        let in_use = self.0.in_use.load(Ordering::Acquire);
        self.0.keys.0.iter().enumerate().skip(1).filter(move |(place, _)| in_use & (1 << place) != 0).map(|(_, key)| &**key)
    }

    /// Seals a value under the first key.
    pub(crate) fn seal(&self, owner: Owner<'_>, draft: Draft) -> Result<Vec<u8>, StoreError> {
        let Draft(mut bytes) = draft;
        let key = self.first();
        let nonce = self.nonce()?;
        let (header, text) = bytes.split_at_mut(HEADER_LEN);
        header[0] = MARK;
        header[1..ID_END].copy_from_slice(&key.id.0);
        header[ID_END..].copy_from_slice(&nonce);
        let aead = &key.seals[owner.subkey()];
        let sealed = aead.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner.bytes()), text);
        let tag = sealed.map_err(|_| StoreError::Corrupt(format!("{} is too long to be sealed", owner.kind.what())))?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(bytes)
    }

    /// Random bytes that were never used: each thread takes some in stock, for the system is asked at the price of a call.
    fn nonce(&self) -> Result<[u8; NONCE_LEN], StoreError> {
        NONCES.with_borrow_mut(|(stock, left)| {
            if *left == 0 {
                let no_luck = |_| StoreError::Unavailable("the system gives no random bytes".to_owned());
                self.0.random.fill(stock.as_flattened_mut()).map_err(no_luck)?;
                *left = stock.len();
            }
            *left -= 1;
            Ok(stock[*left])
        })
    }

    /// Seals a value as JSON.
    pub(crate) fn seal_json<T: Serialize>(&self, owner: Owner<'_>, value: &T) -> Result<Vec<u8>, StoreError> {
        self.seal(owner, Draft::json(owner.kind, value)?)
    }

    /// Opens a value that is JSON.
    pub(crate) fn open<T: DeserializeOwned>(&self, owner: Owner<'_>, bytes: &[u8]) -> Result<T, StoreError> {
        self.opened(owner, bytes, |text| decode(owner.kind.what(), text))
    }

    /// Opens a value. `read` is given its bytes; they are gone after it.
    pub(crate) fn opened<T>(
        &self,
        owner: Owner<'_>,
        bytes: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let key = match bytes {
            [MARK, rest @ ..] => self.0.keys.0.iter().find(|key| rest.starts_with(&key.id.0)),
            _ => None,
        };
        let Some(key) = key else {
            return if self.has_plain() { read(bytes) } else { Err(unreadable(owner.kind, &unsealed(bytes))) };
        };
        let (Some(nonce), Some(text)) = (bytes.get(ID_END..HEADER_LEN), bytes.get(HEADER_LEN..)) else {
            return Err(unreadable(owner.kind, "it is cut short"));
        };
        let mut scratch = SCRATCH.take();
        scratch.clear();
        scratch.extend_from_slice(text);
        let opened = open_with(&key.seals[owner.subkey()], nonce, owner, &mut scratch);
        let read = match opened {
            Some(text) => read(text),
            None => Err(unreadable(owner.kind, "it is not what was sealed, or not where it was put")),
        };
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(scratch);
        }
        read
    }

    /// The same value under the first key; none if that is what sealed it.
    pub(crate) fn reseal(&self, owner: Owner<'_>, bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.is_first(bytes) {
            return Ok(None);
        }
        let draft = self.opened(owner, bytes, |text| Ok(Draft::bytes(&[text])))?;
        self.seal(owner, draft).map(Some)
    }

    /// Whether a value or a name is the first key's.
    pub(crate) fn is_first(&self, bytes: &[u8]) -> bool {
        key_of(bytes) == Some(self.first().id)
    }
}

/// Under which key a value or a name lies; none if it lies open.
pub(crate) fn key_of(bytes: &[u8]) -> Option<KeyId> {
    match bytes {
        [MARK | index::MARK, id @ ..] => Some(KeyId(id.get(..4)?.try_into().ok()?)),
        _ => None,
    }
}

fn open_with<'a>(key: &LessSafeKey, nonce: &[u8], owner: Owner<'_>, text: &'a mut [u8]) -> Option<&'a [u8]> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.open_in_place(nonce, Aad::from(owner.bytes()), text).ok().map(|text| &*text)
}

/// Why a value is none that a key of ours has sealed.
fn unsealed(bytes: &[u8]) -> String {
    match key_of(bytes) {
        Some(id) if bytes.first() == Some(&MARK) => format!("it is sealed under key {id}, which is not among the store's keys"),
        _ => "it is not sealed".to_owned(),
    }
}

/// Names what it is, never what it says.
fn unreadable(kind: Kind, why: &str) -> StoreError {
    StoreError::Corrupt(format!("{} cannot be read: {why}", kind.what()))
}

#[cfg(test)]
mod tests;
