//! Consent: a marketing message begins only while the player agrees, and what they said is read as evidence.
//!
//! Beside a conversation's document stands from when on marketing may be sent, written by the same script: the script that
//! begins sends compares it. The records are the partitions' streams `consents`; those of a contact are looked for in the
//! stream of its conversation's partition, which holds a 1,024th of all.

use std::collections::HashMap;

use async_trait::async_trait;
use questline_core::consent::{ConsentRecord, Unwanted};
use questline_core::contact::Contact;
use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef};
use questline_core::port::{Begun, ConsentPage, ConsentPlace, Consents, StoreError};
use questline_core::time::UnixMs;
use redis::Value;

use super::RedisStore;
use super::keys::{PARTITIONS, Partition};
use super::names::alias_places;
use super::script::Script;
use super::session::Session;
use super::{millis, value};
use crate::alias::Alias;
use crate::seal::{Kind, Owner, Sealer};

/// Records of a stream that are read at once.
const PAGE_RECORDS: usize = 256;
/// Streams that are looked into for one part of an export.
const STREAMS_MAX: usize = 64;

/// A record where it lies.
struct Kept {
    ms: u64,
    n: u64,
    conversation: ConversationId,
    record: ConsentRecord,
}

impl RedisStore {
    pub(super) async fn marketing_begins(&self, messages: Vec<OutboxRef>, at: UnixMs) -> Result<Vec<Begun>, StoreError> {
        let session = self.link.session()?;
        let mut order = messages.iter().enumerate().map(|(place, id)| (Partition::of(id.conversation), place, *id)).collect::<Vec<_>>();
        order.sort_by_key(|(partition, place, _)| (*partition, *place));
        let commands = order.chunk_by(|(one, ..), (other, ..)| one == other).map(|messages| {
            let partition = messages.first().map_or(Partition::FIRST, |(partition, ..)| *partition);
            let mut command = self.fenced(Script::BeginMarketing, &session, partition, 64 * messages.len());
            command.arg(millis(at)).arg(messages.len());
            for (.., id) in messages {
                command.arg(id.to_string()).arg(id.conversation.0);
            }
            command
        });
        let answers = self.link.call(&session, commands.collect(), None).await?;
        let mut words = Vec::with_capacity(messages.len());
        for answer in &answers {
            words.extend(value::text(answer)?.split_ascii_whitespace());
        }
        // Unwanted, unless the server says otherwise.
        let mut begun = vec![Begun::Unwanted(Unwanted::NoConsent); messages.len()];
        for ((_, place, _), word) in order.iter().zip(words) {
            if let Some(begun) = begun.get_mut(*place) {
                *begun = begun_of(word)?;
            }
        }
        Ok(begun)
    }

    /// A stream's records behind one, and whether there may be more.
    async fn records(&self, session: &Session, partition: Partition, after: (u64, u64)) -> Result<(Vec<Kept>, bool), StoreError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(self.keys.key(partition, "consents")).arg(format!("({}-{}", after.0, after.1)).arg("+");
        command.arg("COUNT").arg(PAGE_RECORDS);
        let answers = self.link.call(session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        let rows = value::list(answer)?;
        let records = rows.iter().map(|row| kept(&self.sealer, row)).collect::<Result<Vec<_>, _>>()?;
        Ok((records, rows.len() == PAGE_RECORDS))
    }

    /// Which of these conversations are a game's.
    async fn of_game(&self, session: &Session, game: &GameId, kept: &[Kept]) -> Result<HashMap<ConversationId, bool>, StoreError> {
        let mut ids = kept.iter().map(|kept| kept.conversation).collect::<Vec<_>>();
        ids.sort_unstable();
        ids.dedup();
        let reads = ids.iter().map(|id| {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys.of(*id, "c")).arg("g");
            command
        });
        let answers = self.link.call(session, reads.collect(), None).await?;
        let is = |answer| Ok(value::optional_bytes(answer)?.is_some_and(|found| found == game.as_str().as_bytes()));
        ids.into_iter().zip(&answers).map(|(id, answer)| Ok((id, is(answer)?))).collect()
    }

    async fn of_aliases(&self, session: &Session, aliases: &[Alias]) -> Result<Vec<ConversationId>, StoreError> {
        let places = aliases.iter().map(|alias| alias_places(&self.sealer, alias)).collect::<Vec<_>>();
        let reads = places.iter().flatten().map(|place| {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys.names(place)).arg(&place[..]);
            command
        });
        let answers = self.link.call(session, reads.collect(), None).await?;
        let mut answers = answers.iter();
        let mut found = Vec::new();
        for places in &places {
            let of = answers.by_ref().take(places.len()).map(value::optional_number).collect::<Result<Vec<_>, _>>()?;
            let id = of.into_iter().flatten().next().map(ConversationId);
            found.extend(id.filter(|id| !found.contains(id)));
        }
        Ok(found)
    }
}

fn begun_of(word: &str) -> Result<Begun, StoreError> {
    Ok(match word.split_at_checked(1) {
        Some(("b", _)) => Begun::Yes,
        Some(("g", _)) => Begun::Gone,
        Some(("h", until)) => Begun::Unwanted(Unwanted::Held { until: UnixMs(value::parse_number(until)?) }),
        _ => Begun::Unwanted(Unwanted::NoConsent),
    })
}

fn kept(sealer: &Sealer, row: &Value) -> Result<Kept, StoreError> {
    let [id, fields] = value::exactly(value::list(row)?)?;
    let (ms, n) = value::text(id)?.split_once('-').unwrap_or(("0", "0"));
    let [_, conversation, _, json] = value::exactly(value::list(fields)?)?;
    let conversation = value::conversation(conversation)?;
    Ok(Kept {
        ms: value::parse_number(ms)?,
        n: value::parse_number(n)?,
        conversation,
        record: sealer.open(Owner::number(Kind::Consent, conversation.0), value::bytes(json)?)?,
    })
}

#[async_trait]
impl Consents for RedisStore {
    async fn consents_of(&self, game: &GameId, numbers: &[NumberId], contacts: &[Contact]) -> Result<Vec<ConsentRecord>, StoreError> {
        let session = self.link.session()?;
        let aliases: Vec<Alias> =
            numbers.iter().flat_map(|number| contacts.iter().flat_map(move |contact| Alias::all(number, contact))).collect();
        let mut found = Vec::new();
        for id in self.of_aliases(&session, &aliases).await? {
            let (mut after, mut more) = ((0, 0), true);
            while more {
                let (mut records, is_full) = self.records(&session, Partition::of(id), after).await?;
                more = is_full;
                after = records.last().map_or(after, |kept| (kept.ms, kept.n));
                records.retain(|kept| kept.conversation == id);
                let of_game = self.of_game(&session, game, &records).await?;
                found.extend(records.into_iter().filter(|kept| of_game.get(&kept.conversation) == Some(&true)).map(|kept| kept.record));
            }
        }
        Ok(found)
    }

    async fn consents_after(&self, game: &GameId, after: Option<ConsentPlace>, limit: usize) -> Result<ConsentPage, StoreError> {
        let session = self.link.session()?;
        let (mut partition, mut behind) = after.map_or((0, (0, 0)), |(partition, ms, n)| (partition, (ms, n)));
        let mut page = ConsentPage::default();
        let mut streams = 0;
        while let Some(of) = u16::try_from(partition).ok().filter(|partition| *partition < PARTITIONS) {
            if page.records.len() >= limit || streams == STREAMS_MAX {
                page.next = Some((partition, behind.0, behind.1));
                return Ok(page);
            }
            let (records, is_full) = self.records(&session, Partition(of), behind).await?;
            streams += 1;
            let of_game = self.of_game(&session, game, &records).await?;
            match records.last() {
                Some(last) if is_full => behind = (last.ms, last.n),
                _ => (partition, behind) = (partition + 1, (0, 0)),
            }
            let records = records.into_iter().filter(|kept| of_game.get(&kept.conversation) == Some(&true));
            page.records.extend(records.map(|kept| kept.record));
        }
        Ok(page)
    }
}
