//! The store's side of what campaigns bring about: whom a message reached, and what they did then, each counted once.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::StoreError;
use crate::broadcast::Tally;
use crate::experiment::Deed;
use crate::id::{CampaignId, ConversationId, GameId};
use crate::time::UnixMs;

/// Somebody did something after a campaign's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeedNote {
    /// Whose campaign.
    pub game: GameId,
    /// Which.
    pub campaign: CampaignId,
    /// Who had its message.
    pub conversation: ConversationId,
    /// What they did.
    pub deed: Deed,
    /// It counts for so long after Meta took the message.
    pub within_ms: u64,
    /// When they did it.
    pub at: UnixMs,
}

/// Exposures. One begins when Meta takes a campaign's message, and ends where Meta left the person out for an experiment of
/// its own (130472). They are kept for 100 days after the campaign's first message.
#[async_trait]
pub trait Exposures: Send + Sync {
    /// Notes a deed. True when it counted: the person had the message, in time, and had not done it before.
    async fn note_deed(&self, note: DeedNote) -> Result<bool, StoreError>;

    /// What was counted of a campaign's messages, by variant.
    async fn tallies(&self, game: &GameId, campaign: &CampaignId) -> Result<BTreeMap<Option<u8>, Tally>, StoreError>;
}
