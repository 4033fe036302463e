//! The operator's keys for what the store holds: the first seals, all of them open. Each has a short name, which stands in
//! front of whatever it sealed.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use questline_core::port::DerivedKey;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::{self, HKDF_SHA256};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// The file of the keys that a data directory makes for itself: a key a line, the one that seals first.
const FILE: &str = "store.key";
/// Bytes of that file.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// Keys that the AEAD uses, all of one secret: which one, depends on whose value it is.
///
/// A nonce is 96 random bits, so two of n values under one key share theirs with a chance of n² / 2^97. NIST's bound for
/// random nonces, 2^32 values under a key, keeps that below 2^-32 (SP 800-38D, 8.3). With 256 keys, a secret seals 2^40
/// values within that bound: at 10,000 values a second, more than a thousand messages, that is three and a half years. Give
/// it a successor once a year.
pub(super) const SUBKEYS: usize = 256;

/// A key's name: derived from it, and telling nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; 4]);

impl KeyId {
    /// From its eight hex digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| u32::from_str_radix(text, 16).ok()).flatten().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKeys {
    /// One of them.
    #[error("key {place} has fewer than {} characters; `openssl rand -hex 32` makes one", StoreKeys::CHARS_MIN)]
    Short {
        /// Which, from 1 on.
        place: usize,
    },
    /// The same one twice.
    #[error("keys {first} and {place} are the same")]
    Twice {
        /// The first of the two, from 1 on.
        first: usize,
        /// The other.
        place: usize,
    },
    /// None at all.
    #[error("there is no key; `openssl rand -hex 32` makes one")]
    None,
    /// More than any rotation needs.
    #[error("there are more than {} keys", StoreKeys::MAX)]
    TooMany,
}

/// The keys of a store, the one that seals first.
#[derive(Clone)]
pub struct StoreKeys(pub(super) Vec<Arc<Key>>);

/// One of them, as it is used.
pub(super) struct Key {
    pub(super) id: KeyId,
    /// Of the AEAD, [`SUBKEYS`] of them.
    pub(super) seals: Box<[LessSafeKey]>,
    /// Makes digests that stand for names.
    pub(super) names: hmac::Key,
    /// Where all of them come from.
    root: hkdf::Prk,
}

/// How many bytes are derived.
struct Bytes(usize);

impl hkdf::KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

impl Key {
    /// Everything that a secret gives: HKDF-SHA-256 (RFC 5869).
    fn new(secret: &[u8]) -> Option<Self> {
        let root = hkdf::Salt::new(HKDF_SHA256, b"questline store").extract(secret);
        let mut id = [0; 4];
        root.expand(&[b"name"], Bytes(id.len())).ok()?.fill(&mut id).ok()?;
        let seal = |n: u8| Some(LessSafeKey::new(UnboundKey::from(root.expand(&[b"seal", &[n]], &AES_256_GCM).ok()?)));
        let seals = (0..=u8::MAX).map(seal).collect::<Option<Box<[_]>>>()?;
        let names = hmac::Key::from(root.expand(&[b"digest"], hmac::HMAC_SHA256).ok()?);
        Some(Self { id: KeyId(id), seals, names, root })
    }

    fn derived(&self, label: &str) -> Option<DerivedKey> {
        let mut secret = Zeroizing::new([0; 32]);
        self.root.expand(&[b"derived", label.as_bytes()], Bytes(secret.len())).ok()?.fill(&mut secret[..]).ok()?;
        Some(DerivedKey { id: self.id.0, secret })
    }
}

impl StoreKeys {
    /// Characters of a key: 32 random bytes in hex have 64.
    pub const CHARS_MIN: usize = 32;
    /// Keys at most.
    pub const MAX: usize = 16;

    /// From secrets, the one that seals first.
    pub fn new<S: AsRef<[u8]>>(secrets: &[S]) -> Result<Self, UnusableKeys> {
        if secrets.is_empty() {
            return Err(UnusableKeys::None);
        }
        if secrets.len() > Self::MAX {
            return Err(UnusableKeys::TooMany);
        }
        let mut keys: Vec<Arc<Key>> = Vec::with_capacity(secrets.len());
        for (secret, place) in secrets.iter().zip(1..) {
            let secret = secret.as_ref();
            let key = if secret.len() < Self::CHARS_MIN { None } else { Key::new(secret) };
            let key = key.ok_or(UnusableKeys::Short { place })?;
            if let Some(first) = keys.iter().position(|other| other.id == key.id) {
                return Err(UnusableKeys::Twice { first: first + 1, place });
            }
            keys.push(Arc::new(key));
        }
        Ok(Self(keys))
    }

    /// Those of a data directory: the operator's, and behind them what the directory has made for itself.
    pub(crate) fn of_directory(dir: &Path, operators: Option<Self>) -> io::Result<Option<Self>> {
        let own = Self::read(dir)?;
        Ok(match (operators, own) {
            (Some(mut keys), Some(own)) => {
                let more: Vec<_> = own.0.into_iter().filter(|key| keys.0.iter().all(|known| known.id != key.id)).collect();
                keys.0.extend(more);
                Some(keys)
            }
            (operators, own) => operators.or(own),
        })
    }

    fn read(dir: &Path) -> io::Result<Option<Self>> {
        let mut text = String::new();
        match std::fs::File::open(dir.join(FILE)) {
            Ok(file) => file.take(FILE_BYTES_MAX).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Self::of_text(&text).map(Some)
    }

    fn of_text(text: &str) -> io::Result<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Self::new(&lines).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {problem}")))
    }

    /// Makes one for a data directory that has none, for its owner only.
    pub(crate) fn make(dir: &Path) -> io::Result<Self> {
        let mut bytes = [0_u8; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let draft = dir.join(format!("{FILE}.new"));
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, dir.join(FILE))?;
        std::fs::File::open(dir)?.sync_all()?;
        Self::of_text(&text)
    }

    /// What each gives for this label.
    pub(super) fn derived(&self, label: &str) -> Vec<DerivedKey> {
        self.0.iter().filter_map(|key| key.derived(label)).collect()
    }

    /// Their names, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.0.iter().map(|key| key.id)
    }
}

impl fmt::Debug for StoreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}
