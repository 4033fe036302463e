//! Who could get a broadcast, and what became of its messages: read on the reading connection, few rows at a time.

use async_trait::async_trait;
use questline_core::broadcast::{ConversationPlace, Tally};
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::id::{CampaignId, ConversationId, GameId};
use questline_core::port::{Audiences, ConversationPage, Exposures, StoreError};
use rusqlite::Connection;

use super::{EmbeddedStore, Shared, read, unavailable};
use crate::alias::Alias;
use crate::broadcasts::broadcasts_over_documents;

broadcasts_over_documents!(EmbeddedStore);

#[async_trait]
impl Audiences for EmbeddedStore {
    async fn conversations_after(
        &self,
        game: &GameId,
        after: Option<ConversationPlace>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError> {
        let (game, sealer) = (game.clone(), self.shared.sealer.clone());
        self.read(move |connection| {
            let after = after.map_or(0, |(id, _)| i64::try_from(id).unwrap_or(i64::MAX));
            let sql = "SELECT id, game FROM conversation WHERE id > ?1 ORDER BY id LIMIT ?2";
            let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
            let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
            let rows = statement.query_map((after, limit), |row| Ok((row.get::<_, u64>(0)?, row.get_ref(1)?.as_str()? == game.as_str())));
            let rows = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(unavailable)?;
            let next = if rows.len() as i64 == limit { rows.last().map(|(id, _)| (*id, 0)) } else { None };
            let mut conversations = Vec::with_capacity(rows.len());
            for (id, _) in rows.into_iter().filter(|(_, is_of_game)| *is_of_game) {
                conversations.extend(read::known_conversation(connection, &sealer, ConversationId(id))?);
            }
            Ok(ConversationPage { conversations, next })
        })
        .await
    }

    async fn conversations_at(&self, addresses: Vec<Address>) -> Result<Vec<Option<Conversation>>, StoreError> {
        let shared = self.shared.clone();
        self.read(move |connection| addresses.iter().map(|address| conversation_at(connection, &shared, address)).collect()).await
    }

    async fn tally(&self, game: &GameId, campaign: &CampaignId) -> Result<Tally, StoreError> {
        Ok(Tally::sum(self.tallies(game, campaign).await?.values()))
    }
}

/// The phone's conversation, else that of the user id: as for what arrives.
fn conversation_at(connection: &Connection, shared: &Shared, address: &Address) -> Result<Option<Conversation>, StoreError> {
    for alias in Alias::all(&address.number, &address.contact) {
        if let Some(id) = shared.names.conversation(connection, &shared.sealer, &alias)? {
            let found = read::known_conversation(connection, &shared.sealer, ConversationId(id))?;
            return Ok(found.filter(|known| known.game == address.game));
        }
    }
    Ok(None)
}
