//! Where a player is: what the store finds from the player's side.

use crate::contact::Address;
use crate::conversation::Conversation;
use crate::id::{ConversationId, GameId, PlayerId};
use crate::time::UnixMs;

/// How many conversations of one player are looked at.
pub const CONVERSATIONS_OF_MAX: usize = 64;

/// Where a player is.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerConversation {
    /// Which conversation.
    pub id: ConversationId,
    /// Between whom.
    pub address: Address,
    /// The last activity of its session.
    pub active_at: UnixMs,
}

impl PlayerConversation {
    /// Out of conversations that may be of this player, those that are, newest activity first.
    pub fn select(game: &GameId, player: &PlayerId, found: impl IntoIterator<Item = Conversation>) -> Vec<Self> {
        let is_theirs = |conversation: &Conversation| conversation.game == *game && conversation.session.player.as_ref() == Some(player);
        let mut found: Vec<Self> = found
            .into_iter()
            .filter(is_theirs)
            .map(|conversation| Self {
                id: conversation.id,
                active_at: conversation.session.active_at,
                address: Address { game: conversation.game, number: conversation.number, contact: conversation.contact },
            })
            .collect();
        found.sort_by_key(|conversation| (std::cmp::Reverse(conversation.active_at), conversation.id));
        found
    }
}
