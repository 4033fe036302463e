//! The store's side of broadcasts: what they are and how far, their lists in sealed pieces, and who could get one.

use async_trait::async_trait;

use super::StoreError;
use crate::broadcast::{Broadcast, BroadcastId, ConversationPlace, Piece, Tally, UnknownOutcome};
use crate::contact::Address;
use crate::conversation::Conversation;
use crate::id::{CampaignId, GameId};

/// Changes a broadcast. It may be asked more than once: the last answer counts.
pub type BroadcastChange = Box<dyn FnMut(&mut Broadcast) + Send>;

/// What came of adding a broadcast.
#[derive(Debug, Clone, PartialEq)]
pub enum AddedBroadcast {
    /// It is new.
    New,
    /// One of this name is there: this one.
    Known(Box<Broadcast>),
    /// The game has as many open ones as it may.
    Full,
}

/// Broadcasts.
#[async_trait]
pub trait Broadcasts: Send + Sync {
    /// Adds one, once for each name. Of those that are over, the oldest beyond
    /// [`REMEMBERED_MAX`](crate::broadcast::REMEMBERED_MAX) are forgotten.
    async fn add_broadcast(&self, broadcast: Broadcast) -> Result<AddedBroadcast, StoreError>;

    /// One of them.
    async fn broadcast(&self, game: &GameId, id: &BroadcastId) -> Result<Option<Broadcast>, StoreError>;

    /// A game's, the newest first.
    async fn broadcasts(&self, game: &GameId, limit: usize) -> Result<Vec<Broadcast>, StoreError>;

    /// Changes one in one atomic write; gives it as it is then. None when there is none of this name.
    async fn change_broadcast(&self, game: &GameId, id: &BroadcastId, change: BroadcastChange) -> Result<Option<Broadcast>, StoreError>;

    /// Those of all games that were started and not [closed](Self::close_broadcast): what somebody has to see to.
    async fn open_broadcasts(&self) -> Result<Vec<(GameId, BroadcastId)>, StoreError>;

    /// Nothing is left to be done of one: it is over, and no message of it waits.
    async fn close_broadcast(&self, game: &GameId, id: &BroadcastId) -> Result<(), StoreError>;

    /// Forgets one as if it had never been; its list has to be forgotten before.
    async fn forget_broadcast(&self, game: &GameId, id: &BroadcastId) -> Result<(), StoreError>;

    /// Keeps a piece of a list.
    async fn put_piece(&self, game: &GameId, id: &BroadcastId, upload: &str, number: u64, piece: &Piece) -> Result<(), StoreError>;

    /// A piece of a list; none when it is not there.
    async fn piece(&self, game: &GameId, id: &BroadcastId, upload: &str, number: u64) -> Result<Option<Piece>, StoreError>;

    /// Forgets a list of so many pieces.
    async fn forget_list(&self, game: &GameId, id: &BroadcastId, upload: &str, pieces: u64) -> Result<(), StoreError>;

    /// Lists messages that are sent again although the first time may have come through, each once.
    async fn note_unknown(&self, game: &GameId, campaign: &CampaignId, outcomes: Vec<UnknownOutcome>) -> Result<(), StoreError>;

    /// Those messages, and how many there are: at most
    /// [`UNKNOWN_LISTED_MAX`](crate::broadcast::UNKNOWN_LISTED_MAX) are named.
    async fn unknown(&self, game: &GameId, campaign: &CampaignId) -> Result<(Vec<UnknownOutcome>, u64), StoreError>;
}

/// A part of a store's conversations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConversationPage {
    /// Those of the game.
    pub conversations: Vec<Conversation>,
    /// Where to go on; none when that was all. A part may be empty and not the last.
    pub next: Option<ConversationPlace>,
}

/// Who could get a broadcast, and what became of its messages.
#[async_trait]
pub trait Audiences: Send + Sync {
    /// A game's conversations behind a place, in an order that stays; looks at about `limit` of all. One that begins
    /// meanwhile may be left out, all others are in one of the parts, once.
    async fn conversations_after(
        &self,
        game: &GameId,
        after: Option<ConversationPlace>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError>;

    /// The conversation at each address, as of its last commit; none where there is none yet.
    async fn conversations_at(&self, addresses: Vec<Address>) -> Result<Vec<Option<Conversation>>, StoreError>;

    /// What was counted of a campaign's messages, all variants together; kept for 100 days.
    async fn tally(&self, game: &GameId, campaign: &CampaignId) -> Result<Tally, StoreError>;
}
