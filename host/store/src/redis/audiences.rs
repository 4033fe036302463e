//! Who could get a broadcast, and what became of its messages. Conversations of a partition are numbered without a gap, so a
//! walk over them needs no index: a place is a partition, and the number of the last conversation that was looked at in it.

use async_trait::async_trait;
use questline_core::broadcast::{ConversationPlace, Tally};
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::id::{CampaignId, ConversationId, GameId};
use questline_core::port::{Audiences, ConversationPage, Exposures, StoreError};

use super::conversations::doc_of;
use super::keys::{PARTITIONS, Partition};
use super::names::alias_places;
use super::session::Session;
use super::{RedisStore, value};
use crate::alias::Alias;
use crate::broadcasts::broadcasts_over_documents;

/// Partitions whose counters are read for one part of a walk.
const COUNTERS: usize = 128;

broadcasts_over_documents!(RedisStore);

#[async_trait]
impl Audiences for RedisStore {
    async fn conversations_after(
        &self,
        game: &GameId,
        after: Option<ConversationPlace>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError> {
        let session = self.link.session()?;
        let (from, mut behind) = after.unwrap_or_default();
        let Ok(from) = u16::try_from(from) else { return Ok(ConversationPage::default()) };
        let some: Vec<Partition> = (from..PARTITIONS).take(COUNTERS).map(Partition).collect();
        let counters = some.iter().map(|partition| {
            let mut count = redis::cmd("GET");
            count.arg(self.keys.counter(*partition));
            count
        });
        let counters = self.link.call(&session, counters.collect(), None).await?;
        let limit = limit.max(1);
        let mut ids = Vec::with_capacity(limit);
        // Where to go on if the part ends here.
        let mut next = (u64::from(from), behind);
        for (partition, counter) in some.iter().zip(&counters) {
            let last = value::optional_number(counter)?.unwrap_or(0);
            let room = (limit - ids.len()) as u64;
            let until = last.min(behind.saturating_add(room));
            ids.extend((behind + 1..=until).map(|n| ConversationId(n * u64::from(PARTITIONS) + u64::from(partition.0))));
            if until < last {
                next = (u64::from(partition.0), until);
                break;
            }
            (next, behind) = ((u64::from(partition.0) + 1, 0), 0);
            if ids.len() == limit {
                break;
            }
        }
        let found = self.documents_of(&session, &ids).await?;
        let conversations = found.into_iter().flatten().filter(|known| known.game == *game).collect();
        Ok(ConversationPage { conversations, next: (next.0 < u64::from(PARTITIONS)).then_some(next) })
    }

    async fn conversations_at(&self, addresses: Vec<Address>) -> Result<Vec<Option<Conversation>>, StoreError> {
        let session = self.link.session()?;
        let places = addresses.iter().map(|address| {
            let aliases = Alias::all(&address.number, &address.contact);
            aliases.flat_map(|alias| alias_places(&self.sealer, &alias)).collect::<Vec<_>>()
        });
        let places = places.collect::<Vec<_>>();
        let reads = places.iter().flatten().map(|place| {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys.names(place)).arg(&place[..]);
            command
        });
        let answers = self.link.call(&session, reads.collect(), None).await?;
        let mut answers = answers.iter();
        let mut ids = Vec::with_capacity(addresses.len());
        for places in &places {
            let of = answers.by_ref().take(places.len()).map(value::optional_number).collect::<Result<Vec<_>, _>>()?;
            // The phone stands first, and decides.
            ids.push(of.into_iter().flatten().next().map(ConversationId));
        }
        let known: Vec<ConversationId> = ids.iter().flatten().copied().collect();
        let mut found = self.documents_of(&session, &known).await?.into_iter();
        let of = ids.iter().zip(&addresses).map(|(id, address)| {
            let found = id.and_then(|_| found.next().flatten());
            found.filter(|known| known.game == address.game)
        });
        Ok(of.collect())
    }

    async fn tally(&self, game: &GameId, campaign: &CampaignId) -> Result<Tally, StoreError> {
        Ok(Tally::sum(self.tallies(game, campaign).await?.values()))
    }
}

impl RedisStore {
    /// Conversations as of their last commits; a name may be there before its conversation is.
    async fn documents_of(&self, session: &Session, ids: &[ConversationId]) -> Result<Vec<Option<Conversation>>, StoreError> {
        let reads = ids.iter().map(|id| {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys.of(*id, "c")).arg("d");
            command
        });
        let answers = self.link.call(session, reads.collect(), None).await?;
        let open = |(id, answer)| {
            let doc = value::optional_bytes(answer)?;
            doc.map(|doc| self.sealer.open(doc_of(id), doc)).transpose()
        };
        ids.iter().copied().zip(&answers).map(open).collect()
    }
}
