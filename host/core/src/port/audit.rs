//! The store's side of the audit log. What a commit has to say is appended with the commit; this is for all else.

use async_trait::async_trait;

use super::StoreError;
use crate::audit::{Actor, AuditRecord, Entry, Head};
use crate::id::{GameId, PlayerId};
use crate::time::UnixMs;

/// Entries of a chain, and how far the chain has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// In their order.
    pub entries: Vec<Entry>,
    /// The chain's head, read before the entries: more may have come meanwhile.
    pub head: Head,
}

/// What an erasure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Entries that have lost their details.
    pub entries: u64,
    /// The entry that says so, the last one if there are several.
    pub seq: u64,
}

/// The audit log, a chain for each game.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends what happened outside of a commit, durably and in this order.
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError>;

    /// Entries after `after`, at most `limit`. Whatever was committed before is among them.
    async fn audit_page(&self, game: &GameId, after: u64, limit: usize) -> Result<AuditPage, StoreError>;

    /// The heads of all chains, by the games' names.
    async fn audit_heads(&self) -> Result<Vec<(GameId, Head)>, StoreError>;

    /// Erases what the log tells of a player, and writes that it was done: of entries about the player, and of those about
    /// a contact or a conversation that is the player's now, if they are about nobody else. The chain holds.
    async fn erase_player(&self, game: &GameId, player: &PlayerId, actor: &Actor, now: UnixMs) -> Result<Erased, StoreError>;
}
