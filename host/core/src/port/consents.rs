//! The store's side of consent: its evidence. Records are written with the commit that they are decided in.

use async_trait::async_trait;

use super::StoreError;
use crate::consent::ConsentRecord;
use crate::contact::Contact;
use crate::id::{GameId, NumberId};

/// Up to where an export has come; each engine has its own meaning for it. None stands before the first record.
pub type ConsentPlace = (u64, u64, u64);

/// A part of a game's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentPage {
    /// Those of one conversation in the order in which they were written.
    pub records: Vec<ConsentRecord>,
    /// Where to go on; none when that was all. A part may be empty and not the last.
    pub next: Option<ConsentPlace>,
}

/// Evidence of consent.
#[async_trait]
pub trait Consents: Send + Sync {
    /// All records of these contacts' conversations with these numbers of a game, those of one conversation in their order.
    async fn consents_of(&self, game: &GameId, numbers: &[NumberId], contacts: &[Contact]) -> Result<Vec<ConsentRecord>, StoreError>;

    /// A game's records behind a place, about `limit` of them. All that was written before the first part was asked for is
    /// in one of the parts, once.
    async fn consents_after(&self, game: &GameId, after: Option<ConsentPlace>, limit: usize) -> Result<ConsentPage, StoreError>;
}
