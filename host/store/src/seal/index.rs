//! Digests that stand for names: of contacts, players, messages at Meta, and pages.

use ring::hmac;

use super::keys::Key;
use super::{KeyId, Sealer};

/// The first byte of a digest.
pub(super) const MARK: u8 = 2;
/// Mark, name of the key, 128 bits of HMAC-SHA-256.
pub(crate) const INDEX_LEN: usize = 21;

/// A digest that stands for a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Index([u8; INDEX_LEN]);

impl Index {
    pub(crate) fn as_bytes(&self) -> &[u8; INDEX_LEN] {
        &self.0
    }

    /// From its bytes.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; INDEX_LEN] = bytes.try_into().ok()?;
        (bytes[0] == MARK).then_some(Self(bytes))
    }

    /// The one in front of these bytes.
    pub(crate) fn in_front(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes.get(..INDEX_LEN)?)
    }

    /// For names of keys in Redis.
    pub(crate) fn to_hex(self) -> String {
        use std::fmt::Write;
        self.0.iter().fold(String::with_capacity(2 * INDEX_LEN), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// From its hex digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 2 * INDEX_LEN || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; INDEX_LEN];
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
        }
        Self::read(&bytes)
    }

    /// Which key made it.
    pub(crate) fn key(&self) -> KeyId {
        KeyId([self.0[1], self.0[2], self.0[3], self.0[4]])
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index(of key {})", self.key())
    }
}

/// What a name is of: equal texts of two kinds have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// A contact, as one of our numbers sees it.
    Alias = 1,
    /// A player of a game.
    Player = 2,
    /// Who a conversation is with: to tell whether a step changes it.
    Who = 3,
    /// A message at Meta.
    Wamid = 4,
    /// A page of a game.
    Page = 5,
}

impl Sealer {
    /// The digest of a name under the first key.
    pub(crate) fn index(&self, named: Named, parts: &[&str]) -> Index {
        index_with(self.first(), named, parts)
    }

    /// The digests under other keys of which something may be left.
    pub(crate) fn older_indexes(&self, named: Named, parts: &[&str]) -> impl Iterator<Item = Index> {
        self.older_keys().map(move |key| index_with(key, named, parts))
    }

    /// Between which bytes the first key's digests lie: from the first on, and before the second.
    pub(crate) fn first_range(&self) -> (Vec<u8>, Vec<u8>) {
        let mut from = vec![MARK];
        from.extend_from_slice(&self.first_id().0);
        let id = u32::from_be_bytes(self.first_id().0);
        let to = match id.checked_add(1) {
            Some(next) => [&[MARK][..], &next.to_be_bytes()].concat(),
            None => vec![MARK + 1],
        };
        (from, to)
    }

    /// All digests that may stand for a name, the first key's first.
    pub(crate) fn indexes(&self, named: Named, parts: &[&str]) -> impl Iterator<Item = Index> {
        std::iter::once(self.index(named, parts)).chain(self.older_indexes(named, parts))
    }
}

fn index_with(key: &Key, named: Named, parts: &[&str]) -> Index {
    let mut context = hmac::Context::with_key(&key.names);
    context.update(&[named as u8]);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut bytes = [MARK; INDEX_LEN];
    bytes[1..5].copy_from_slice(&key.id.0);
    bytes[5..].copy_from_slice(&context.sign().as_ref()[..INDEX_LEN - 5]);
    Index(bytes)
}
