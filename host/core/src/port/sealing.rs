//! The store's side of keys: what is sealed under older ones is rewritten under the one that seals.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::StoreError;

/// How far a walk over all rows has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resealing {
    /// Whether it has come to its end: the next call begins another one.
    pub done: bool,
    /// Rows that this walk has looked at.
    pub looked_at: u64,
    /// Rows that it has rewritten.
    pub rewritten: u64,
    /// What it found, the key that seals first. A key without rows at the end of a walk is needed no more.
    pub keys: Vec<KeyRows>,
}

/// Rows under a key, as far as a walk has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRows {
    /// The key's name, 8 hex digits; `plain` for rows that are not sealed at all.
    pub key: String,
    /// Rows that are left under it: those of other keys than the first could not be read.
    pub rows: u64,
}

/// A key that is derived from one of the store's.
pub struct DerivedKey {
    /// The name of the store's key.
    pub id: [u8; 4],
    /// The secret, which tells nothing of what it is derived from.
    pub secret: Zeroizing<[u8; 32]>,
}

/// Rewriting what lies under older keys.
#[async_trait]
pub trait Sealing: Send + Sync {
    /// Goes on with the walk over all rows, or begins one: looks at `limit` more of them, about, and rewrites those under
    /// older keys, with all digests by which they are found. Traffic goes on meanwhile. A walk that comes to its end and
    /// leaves nothing under other keys strikes them off the list of keys that the data needs.
    async fn reseal(&self, limit: usize) -> Result<Resealing, StoreError>;

    /// Keys for what is made outside of the store and read again later: one for each of the store's, in their order, the one
    /// that seals first. Each label has keys of its own.
    fn derived_keys(&self, label: &str) -> Vec<DerivedKey>;
}
