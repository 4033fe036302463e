//! Whom campaigns reached and what they did then: beside their messages, counted by the scripts in which it happens.

use std::collections::BTreeMap;

use async_trait::async_trait;
use questline_core::broadcast::Tally;
use questline_core::id::{CampaignId, GameId};
use questline_core::port::{DeedNote, Exposures, StoreError};

use super::keys::Partition;
use super::script::Script;
use super::{RedisStore, millis, value};

#[async_trait]
impl Exposures for RedisStore {
    async fn note_deed(&self, note: DeedNote) -> Result<bool, StoreError> {
        let session = self.link.session()?;
        let mut command = self.fenced(Script::Deed, &session, Partition::of(note.conversation), 128);
        command.arg(format!("{}/{}", note.game, note.campaign)).arg(note.conversation.0).arg(note.deed.counted_as());
        // Exact in Lua's numbers; nothing is counted for so long.
        command.arg(note.within_ms.min(1 << 52)).arg(millis(note.at));
        let answers = self.link.call(&session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        Ok(value::number(answer)? == 1)
    }

    async fn tallies(&self, game: &GameId, campaign: &CampaignId) -> Result<BTreeMap<Option<u8>, Tally>, StoreError> {
        let session = self.link.session()?;
        let key = format!("tally:{game}/{campaign}");
        let ask = |partition| {
            let mut command = redis::cmd("HGETALL");
            command.arg(self.keys.key(partition, &key));
            command
        };
        let mut tallies: BTreeMap<Option<u8>, Tally> = BTreeMap::new();
        for answer in self.ask_all(&session, ask).await? {
            for pair in value::list(&answer)?.chunks(2) {
                let [name, count] = value::exactly(pair)?;
                // A variant stands in front of the name.
                let name = value::text(name)?;
                let (variant, name) = name.split_once('/').map_or((None, name), |(variant, name)| (variant.parse().ok(), name));
                let count = value::text(count)?.parse().map_err(|_| StoreError::Corrupt("a count is no number".to_owned()))?;
                tallies.entry(variant).or_default().add(name, count);
            }
        }
        Ok(tallies)
    }
}
